"""`hawser probe`: tries to disprove what a user declares about a server. It never proves a declaration.

finding      what a test says: tried, verdict, evidence, and which declarations it contradicts
connection   a blocking NBD client that can end its connection in every way
store        a connection or a file, as the tests see it
scratch      the range that may be destroyed, and what is written there: every block says which write it is of
facts        what the server says about itself, and what can be seen of its process
coherence    what is written through one connection or server, read through another: stale, or old data over new
late         writes that are in flight when a connection ends: whether they land after the end of file, or long after
neighbours   small writes side by side: whether a server's read-modify-write loses one
zeroing      what discards and write zeroes leave
run          the order of it all, and what is refused
"""
