"""A map in the laboratory with a manager that looks after its paths."""

from hawser.block.bio import Bio
from hawser.core.units import NS_PER_S
from hawser.lab.world import RamDriver, Rig, Store, World, make_multipath
from hawser.manager.manager import Manager
from hawser.manager.policy import FIRST_CHECK_NS, POLLING_NS, Policy
from hawser.multipath.target import Multipath

__all__ = ["FIRST_CHECK_NS", "POLLING_NS", "Care", "SulkingDriver", "look_after"]


class SulkingDriver(RamDriver):
    """Says `reason` when it is asked for trouble."""

    reason = ""

    def trouble(self) -> str:
        return self.reason


class Care:
    """A rig and its manager."""

    def __init__(self, rig: Rig, policy: Policy, failed: list[int]) -> None:
        assert rig.device.table is not None
        target = rig.device.table.targets[0]
        assert isinstance(target, Multipath)
        self.rig = rig
        self.world = rig.world
        self.paths = rig.paths
        self.client = rig.client
        self.store = rig.store
        self.target = target
        self.letters = rig.letters
        self.message = rig.message
        for number in failed:
            target.fail(target.state.paths[number], "not reached")
        self.manager = Manager(target, policy, rig.world.timers, rig.world.log)

    def lines(self) -> list[str]:
        return [text for _, text in self.world.log.lines]

    def verdict(self, number: int) -> str:
        return self.manager.verdicts[f"259:{number}"]

    def session_lost(self, number: int, reason: str) -> None:
        driver = self.paths[number].driver
        driver.listener.session_lost(driver, reason)

    def session_ready(self, number: int) -> None:
        driver = self.paths[number].driver
        driver.listener.session_ready(driver)

    def session_refused(self, number: int, reason: str) -> None:
        driver = self.paths[number].driver
        driver.mismatch = reason
        driver.listener.session_refused(driver, reason)

    def swap_store(self, number: int) -> None:
        """Another disk of the same size is behind that path now."""
        self.paths[number].driver.store = Store(len(self.store.data))

    def settled(self, bio: Bio) -> Bio:
        self.world.settle()
        assert bio.finished
        return bio


def look_after(queue_timeout_ns: int | None = 60 * NS_PER_S, failed: list[int] | None = None, **options) -> Care:
    """A map with two paths, unless `options` of make_multipath say otherwise, under a manager."""
    return Care(make_multipath(World(), **options), Policy(queue_timeout_ns), failed or [])
