"""Suspend and resume in tests: who is told, and the lines of tables."""

from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ControlListener
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.lab.world import Rig, World


class Heard(ControlListener):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.error: TableError | None = None

    def suspended(self) -> None:
        self.words.append("suspended")

    def cancelled(self) -> None:
        self.words.append("cancelled")

    def resumed(self, error: TableError | None) -> None:
        self.words.append("refused" if error is not None else "resumed")
        self.error = error


def begin_suspend(device: MappedDevice, noflush: bool = False) -> Heard:
    """A suspend is under way; nobody is told within the call."""
    heard = Heard()
    device.suspend(noflush, heard)
    assert heard.words == []
    return heard


def suspend(world: World, device: MappedDevice, noflush: bool = False) -> None:
    """A suspend that needs no time."""
    heard = begin_suspend(device, noflush)
    world.settle()
    assert heard.words == ["suspended"]
    assert device.is_suspended()


def load(world: World, device: MappedDevice, table: str) -> None:
    device.load(parse_lines(table), world.registry)


def swap(rig: Rig, table: str, noflush: bool = True) -> None:
    """Load, suspend, resume."""
    load(rig.world, rig.device, table)
    suspend(rig.world, rig.device, noflush)
    assert rig.device.resume()


def line(rig: Rig, groups: list[list[int]], mode: str, features: str = "", sectors: int = 0) -> str:
    """A multipath line over the rig's paths, by number; one list per group."""
    words = [*features.split(), "queue_mode", mode]
    text = f"0 {sectors or rig.device.size_sectors} multipath {len(words)} {' '.join(words)} 0 "
    text += f"{len(groups)} {min(1, len(groups))}"
    for group in groups:
        text += f" round-robin 0 {len(group)} 0" + "".join(f" {rig.paths[number].device.devt}" for number in group)
    return text
