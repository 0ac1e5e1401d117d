"""Orphan: a write-class command whose fate is unknown. It may still take effect: now, later, or never.

The command timed out, or its connection went away, after it was handed to the transport. Until something proves what became
of it, whatever overlaps it must be fenced (DESIGN, Hard problems 1; nbdkit, nbd-server and qemu-nbd all execute such a command
late). Linux has no counterpart; NVMe's TP4129 states the problem.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.ops import OP_NAMES

# The proofs that lift a fence. UNPROVEN is not one: a bound that the user declared has passed, and it is counted apart.
PROOF_ANSWER: Final = "answered"
PROOF_PEER_GONE: Final = "peer process gone"
PROOF_EOF_DRAINS: Final = "end of file, declared to drain"
PROOF_FLUSHED: Final = "server flushed"
PROOF_FENCE_AGENT: Final = "the fence agent succeeded"
# SCSI: an ABORT TASK, ABORT TASK SET or LOGICAL UNIT RESET that the target has answered (SAM-5, 7; iSCSI: RFC 7143, 11.5 and
# 11.6): for drivers that have these.
PROOF_TASK_MANAGEMENT: Final = "task management function answered"
LOOKED: Final = "it was looked at"
UNPROVEN: Final = "unproven: the declared quiesce time passed"


# What is orphaned: one command; what a client that went away still has in flight; a whole cache that was left with writes that
# no flush has covered.
COMMAND: Final = 0
CLIENT: Final = 1
CACHE: Final = 2
# Nothing at all: writes wait because too much is retained (hawser.multipath.retained).
FULL: Final = 3
# Nor here: writes wait for a moment, as what they would overwrite is being read back (hawser.manager.probe).
LOOK: Final = 4


@mypyc_attr(allow_interpreted_subclasses=True)
class OrphanWatcher:
    """Whoever fences on account of orphans (multipath's FenceSet)."""

    def orphan_resolved(self, orphan: "Orphan") -> None:
        """`orphan.proof` says how it was resolved. Called once."""
        raise NotImplementedError

    def orphan_acknowledged(self, orphan: "Orphan") -> None:
        """Every bio it carried has succeeded by another copy: reads of its range may pass."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class OrphanRecord:
    """What remembers an orphan beyond the end of this process (hawser.paths.write_record)."""

    def clear(self) -> None:
        """It is resolved: it need not be remembered any more. Called once."""
        raise NotImplementedError


class Orphan:
    """`start` and `end` bound its sectors. `buffers` stay referenced until it is resolved: the transport may still read them.

    `unacked` counts the bios it carried that have not succeeded by another copy. While that is not 0 even reads of the range
    must wait, because an old value that was read must not be followed by the orphan's. `overlapped`: another write of some of
    these sectors was in flight beside it, so that even the success of its own retry must not be told yet. It outlives
    its request.

    Its sectors are those of the device that it was sent to. A device above, where the same sectors have other numbers, knows it
    by an echo.
    """

    def __init__(
        self, path_name: str, epoch: int, op: int, start: int, end: int, unacked: int, buffers: object
    ) -> None:
        self.path_name = path_name
        self.epoch = epoch
        self.op = op
        self.start = start
        self.end = end
        self.unacked = unacked
        self.buffers = buffers
        self.kind = COMMAND
        self.overlapped = False
        # Of a cache: that it will write nothing back any more. It stands for what has to be written again.
        self.is_harmless = False
        self.proof = ""
        self.watcher: OrphanWatcher | None = None
        self.record: OrphanRecord | None = None
        self.is_echo = False
        self._echoes: list[Orphan] | None = None

    def echo(self, start: int, end: int, overlapped: bool) -> "Orphan":
        """This command as a device above knows it, where one bio that it carried a copy of has the sectors [start, end). It is
        resolved when this one is. `overlapped` has to be found out below, where all that is under way can be seen."""
        echo = Orphan(self.path_name, self.epoch, self.op, start, end, 1, None)
        echo.kind = self.kind
        echo.overlapped = self.overlapped or overlapped
        echo.is_echo = True
        if self.proof:
            echo.resolve(self.proof)
        elif self._echoes is None:
            self._echoes = [echo]
        else:
            self._echoes.append(echo)
        return echo

    def overlaps(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end

    def bio_ended(self, ok: bool) -> None:
        """A bio that this command carried a copy of has ended. A failed one never counts as acknowledged."""
        if ok and not self.proof:
            self.unacked -= 1
            assert self.unacked >= 0
            if self.unacked == 0 and self.watcher is not None:
                self.watcher.orphan_acknowledged(self)

    def resolve(self, proof: str) -> None:
        """It has taken effect, or never will. A later second proof changes nothing."""
        if self.proof:
            return
        self.proof = proof
        self.buffers = None
        if self.record is not None:
            self.record.clear()
        if self.watcher is not None:
            self.watcher.orphan_resolved(self)
        if self._echoes is not None:
            for echo in self._echoes:
                echo.resolve(proof)

    def describe(self) -> str:
        name = OP_NAMES.get(self.op, "command")
        return f"{name} of sectors {self.start}..{self.end - 1} on {self.path_name} (session {self.epoch})"
