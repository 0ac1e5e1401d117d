"""Aftermath: what is left of a session that ended with commands of unknown fate, as hawser.paths.aftermath has it.

Fault model. It only waits: for the end of a process that it holds a pidfd of (unix sockets), or for a declared time. It is never
told of an end that has not come.
"""

from typing import TYPE_CHECKING

from hawser.block.orphan import PROOF_EOF_DRAINS, PROOF_PEER_GONE, UNPROVEN, Orphan
from hawser.core.clock import Timer
from hawser.lab.devices.command import Command
from hawser.lab.devices.process import Process, ProcessWatcher

if TYPE_CHECKING:
    from hawser.lab.devices.sim_path import SimPath


class _Quiesce(Timer):
    def __init__(self, aftermath: "Aftermath") -> None:
        super().__init__()
        self.aftermath = aftermath

    def expire(self) -> None:
        self.aftermath.settle(UNPROVEN)


class Aftermath(ProcessWatcher):
    """`process` is what a pidfd was opened of, or None. `cache` stands for the cache that the session left behind."""

    def __init__(self, driver: "SimPath", ghosts: list[Command], process: Process | None, cache: Orphan | None) -> None:
        self.driver = driver
        self.ghosts = ghosts
        self.process = process
        self.cache = cache
        self._quiesce = _Quiesce(self)

    def begin(self, by_peer: bool, orderly: bool) -> None:
        """Look for a proof at once; else wait for one. `by_peer`: the other side ended it; `orderly`: with an end of file."""
        driver = self.driver
        process = self.process
        if process is not None and by_peer and process.is_gone:
            self.settle(PROOF_PEER_GONE)
            return
        if orderly and driver.plan.eof_drains:
            if driver.device is not None:
                for _ in self.ghosts:
                    driver.device.late_write()
                self.cache = self.cache or driver.device.left_behind
            self._resolve(PROOF_EOF_DRAINS)
        if not self.ghosts and self.cache is None:
            self.settle("")
            return
        driver.aftermaths.append(self)
        if process is not None and by_peer:
            process.watch(self)
        if driver.plan.quiesce_ns is not None:
            driver.timers.arm(self._quiesce, driver.plan.quiesce_ns)
        elif process is None or not by_peer:
            what = f"{len(self.ghosts)} writes" if self.ghosts else "the writes in its cache"
            driver.log.warning(f"{driver.name}: nothing can prove what became of {what}; declare quiesce=SECONDS")

    def process_gone(self) -> None:
        self.settle(PROOF_PEER_GONE)

    def settle(self, proof: str) -> None:
        """The other side can do no more harm, by this proof (none where there was nothing to prove)."""
        driver = self.driver
        driver.timers.cancel(self._quiesce)
        self.detach()
        if self in driver.aftermaths:
            driver.aftermaths.remove(self)
        if proof:
            self._resolve(proof)
            if self.cache is not None and not self.cache.proof:
                # It was not flushed meanwhile, by way of a later session.
                driver.cache_gone(proof)

    def forbid(self, proof: str) -> None:
        """An administrator has made sure that none of its commands takes effect any more, and says so."""
        for ghost in self.ghosts:
            ghost.forbidden = True
            if ghost.orphan is not None and not ghost.orphan.proof and self.driver.device is not None:
                # What it may have done is in the server's cache, if that has one.
                self.driver.device.late_write()
        self._resolve(proof)

    def detach(self) -> None:
        if self.process is not None:
            self.process.ignore(self)
            self.process = None

    def unresolved(self) -> int:
        return sum(1 for ghost in self.ghosts if ghost.orphan is not None and not ghost.orphan.proof)

    def _resolve(self, proof: str) -> None:
        ghosts = self.ghosts
        self.ghosts = []
        for ghost in ghosts:
            if ghost.orphan is not None:
                self.driver.resolve(ghost.orphan, proof)
