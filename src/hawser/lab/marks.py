"""Marks: rare events that a batch of runs must have seen, or it has shown nothing about them.

Whoever sees one happen hits it: devices, clients, oracles, and the sentinel that looks at the engine between events
(hawser.lab.sentinel). The engine knows of none. A mark that no batch hits is a fault of the fuzzer and fails the batch.
"""

from typing import Final

# name -> what has happened when it is hit.
MARKS: Final[dict[str, str]] = {
    "partial completion retried": "a good prefix was kept and only the rest went to another path",
    "retried on another path": "a command that failed on one path was seen again on another one",
    "answered error retried": "an EIO of something alive was tried once elsewhere and succeeded",
    "answered error told": "an EIO of something alive came twice and is the client's",
    "medium error told": "an error of the medium or the request went to the client at once",
    "orphan: answered": "an orphan was proved by the command's own, late answer",
    "orphan: peer gone": "an orphan was proved by the end of the peer's process",
    "orphan: end of file": "an orphan was proved by the end of file of a server that drains",
    "orphan: quiesced": "an orphan was lifted by the declared quiesce time, unproven",
    "orphan: system call returned": "an orphan of a file path was proved by the return of its call",
    "not sent": "a command that was never handed to the transport was retried freely",
    "cache flushed": "a cache that was left dirty was flushed by the manager's probe",
    "cache gone": "a cache that was left dirty was proved gone",
    "written again": "what a lost cache had held was written again",
    "retained too much": "writes waited for a flush to make room for what is retained",
    "doubt": "acknowledged writes came into doubt",
    "flush refused in doubt": "a flush failed because of an earlier doubt",
    "flush error answered": "a server answered a flush with an error",
    "write lost legally": "an acknowledged, unflushed write was lost where that is allowed",
    "fenced bio": "a bio waited behind a fence",
    "fenced request": "a request waited behind a fence",
    "withheld": "the success of a write was withheld",
    "read passed a fence": "a read of an orphan's sectors passed because its write had been acknowledged",
    "ghost landed": "a command of unknown fate took effect after it was given up",
    "ghost never landed": "a command of unknown fate never took effect",
    "answer twice": "a server answered one command twice",
    "parked": "a bio waited in the target for a path",
    "delayed requeue": "a request waited out the requeue delay",
    "refused below": "a path's queue or driver refused a request for want of room",
    "rerun timer": "a queue was run again by its timer",
    "path busy": "requests waited above because every path was busy",
    "wait list full": "a device reported congestion",
    "bounced": "what waited at a failed path's queue came back",
    "merged": "several bios went in one command",
    "split": "one bio was cut for its size",
    "all paths failed": "no path was left",
    "queue timeout": "queueing was switched off because no path came back",
    "queueing again": "a path came back and queueing was switched on again",
    "group switched": "I/O moved to another priority group",
    "bypassed group used": "I/O went through a bypassed group for want of another",
    "path reinstated": "a failed path was put back",
    "slow path demoted": "a path was used last because it was slower than the others of its group",
    "flaky path demoted": "a path was used last because it had failed twice",
    "demoted path promoted": "a path that was used last was one like the others again",
    "demoted path used": "a path that was to be used last was used, as there was no other",
    "given back by a demoted path": "what waited at a path that was demoted was mapped elsewhere",
    "read hedged": "a read was asked for by way of a second path",
    "twin won": "the second path answered first",
    "hedge refused": "a late read had no second copy, for want of budget",
    "idle path found down": "a path that carried no I/O was asked and had failed",
    "mismatch": "a path was kept out because it leads to another disk",
    "session refused": "a session was given up because the disk behind it had changed",
    "black hole": "commands were stuck in our own send queue",
    "send queue dropped": "a reset discarded commands that were stuck in our send queue",
    "late answer in time": "a session lived on because a late answer came",
    "suspend with I/O in flight": "a suspend had to wait",
    "suspend with parked bios": "a suspend met I/O that had no path",
    "suspend behind a fence": "a suspend met I/O behind a fence",
    "deferred while suspended": "I/O was held back by a suspended device",
    "noflush suspend": "a device was suspended without flushing",
    "reloaded under load": "a table was swapped while clients had I/O open",
    "message refused": "a message was refused, and changed nothing",
    "program refused": "a verb of dmsetup was refused, and changed nothing",
    "program waited": "a verb of dmsetup had to wait, and went on",
    "program interrupted": "a verb of dmsetup was interrupted while it waited",
    "paths probed": "the active paths of the group in use were asked, as 6.16 can",
    "client died with I/O in flight": "a client went away while a write of its was on its way",
    "client died with I/O waiting": "a client went away and what it had waiting was dropped",
    "clients raced": "two clients had overlapping writes open at once",
    "power lost": "everything volatile was lost",
    "flushed write survived": "a flushed write was read back after a power loss",
    "unflushed write vanished": "an unflushed write was gone after a power loss",
    "alua": "a port refused a command for its state",
    "port group moved": "a port group went into another state",
    "port refused": "a port answered an I/O with the sense data of its state",
    "group activated": "a hardware handler made a group usable, and I/O that was held went on",
    "group switched by activation": "an activation told the array to switch",
    "activation failed a path": "a path could not be activated, and was failed for it",
    "discard skipped": "a discard behind a fence succeeded without being sent",
    "discard": "a discard was acknowledged",
    "write zeroes": "a write zeroes was acknowledged",
    "fua": "a FUA write was acknowledged",
    "preflush": "a write was acknowledged that wanted a flush before it",
    "merged at the back": "a bio was appended to a request",
    "merged in front": "a bio was put before a request",
    "requests joined": "a request was appended to another one that waited",
    "merged request done in part": "of several bios in one request a prefix was done",
    "merge deadline": "a request was left for its neighbours to catch up",
    "plug over queues": "one plug held requests of several queues",
    "mq-deadline: sorted": "a request went before one that had come earlier",
    "mq-deadline: expired": "a request went because its deadline had passed",
    "mq-deadline: writes starved": "a write went although reads waited",
    "mq-deadline: priority": "a request went before those of a lower class",
    "scheduler changed with I/O queued": "what waited moved to another elevator",
    "scheduler tuned with I/O queued": "a setting of an elevator was changed while something waited in it",
    "limits changed with I/O queued": "a table brought other limits while something waited",
    "tag wait": "what the elevator had let go waited for a tag",
    "host full": "a path refused a command because all paths to its server together had too many",
    "no budget": "requests stayed in the elevator because there would have been no room for them below",
    "taken without feedback": "a path took a clone although it had no tag for it",
    "flushes merged": "one flush was for several who wanted one",
    "flush held back": "a flush waited for data that wanted one behind it",
    "flush before data": "the flush before a write's data was on its way",
    "flush behind data": "a flush stood in for FUA, which the device does not have",
    "stripe cut": "an I/O was cut where a stripe ends",
    "chunk cut": "an I/O was cut where a chunk of a path ends",
    "mirror lost a leg: write": "a leg failed a write and was left out from then on",
    "mirror lost a leg: flush": "a leg failed a flush",
    "mirror lost a leg: read": "a leg failed a read that the other one could do",
    "mirror: write waits": "a write waited for one of the same sectors to end on all legs",
    "mirror: read waits": "a read waited for writes that one leg may have had already",
    "mirror resynced": "a mirror's legs were made alike after a power loss",
    "delayed": "an I/O waited in a delay target",
    "delayed I/O bounced": "the path failed under what a delay target held",
    "flakey path down": "a path failed because the flakey device that it leads through was down",
    "dust path failed": "a path failed that leads through bad blocks",
    "dust block written": "a bad block was good again because it was written",
    "maps met on a path": "two maps had I/O on one path at once",
    "maps behind fences": "I/O of two maps waited behind fences at once",
}


class Marks:
    """How often each mark was hit. A name that is not in MARKS is an error in the laboratory."""

    def __init__(self) -> None:
        self.hits: dict[str, int] = {}

    def hit(self, name: str) -> None:
        assert name in MARKS, name
        self.hits[name] = self.hits.get(name, 0) + 1

    def add(self, hits: dict[str, int]) -> None:
        """Those of another run."""
        for name, count in hits.items():
            self.hits[name] = self.hits.get(name, 0) + count

    def missing(self) -> list[str]:
        """The marks that were not hit, in the order of MARKS."""
        return [name for name in MARKS if name not in self.hits]
