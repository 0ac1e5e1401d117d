"""The hazard table, made afresh on real servers: a naive resend beside hawser as shipped (`make ghost-write`).

plan     which rows: servers, faults, operations, sizes, overlaps, orders
rig      the servers and the gateway of one row, and the faults that strike them
others   the I/O of everybody else meanwhile, and how long it had to wait
trial    one row on one side, naive or hawser: what was acknowledged, and what the disk holds in the end
caches   the rows about caches, neighbour the one about blocks that servers rewrite
judge    whether what the disk holds may be
pool     rows side by side, as most of the time is waiting
report   the table
"""
