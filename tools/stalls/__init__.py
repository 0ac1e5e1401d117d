"""The longest stalls, measured afresh on real servers (`make stalls`): what a client waits when a path dies, and behind a fence.

plan     which rows: faults, transports, caches, queue modes, loads
load     a client that keeps sixteen I/Os in flight, no block twice, and knows when each was sent and answered
peer     fio in its place: somebody else's word
rig      the servers and the gateway of one row, and the fault that strikes the path in use
trial    one row, several times
proofs   overlapping writes behind a fence, by what lifts it
report   the tables, the bounds, and stalls.json
"""
