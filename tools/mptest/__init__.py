"""mptest on hawser (`make mptest`): the cases of the suite that bio-based multipath was brought back with, on real servers, each
with what the suite never looked at: status lines, which path carried what, how long I/O stood still, and what is on the disk.

plan     which cases in which queue modes
rig      four servers over one file, hawser over them, fio and a journalled client on it; an outage and what it cost
cases    what is done to the paths, and what has to be seen of it
trial    one case in one mode
report   the table, the bounds, and mptest.json

Facts about mptest (https://github.com/snitm/mptest): two groups of two paths, queue-length, queue_if_no_path; fio writes 512 KiB
at random, two at a time, and verifies (verify=meta); a case has passed when fio has not failed.
"""
