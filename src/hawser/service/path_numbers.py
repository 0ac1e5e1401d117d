"""PathNumbers: `259:N` and a name for each path that has no number of its own, over all disks of a process.

Linux: BLOCK_EXT_MAJOR, and the minors of block/genhd.c.
"""

from typing import Final

from hawser.dm.registry import DeviceRegistry
from hawser.multipath.disk import PathDevice

MAJOR: Final = 259


class PathNumbers:
    """Numbers are given out once; a path that has gone leaves a gap."""

    def __init__(self, registry: DeviceRegistry) -> None:
        self.registry: DeviceRegistry = registry
        self._next = 0

    def reserve(self, count: int) -> int:
        """The first of so many numbers that nobody had before."""
        first = self._next
        self._next += count
        return first

    def devt(self, own: str, number: int, others: list[PathDevice]) -> str:
        """The number of a path that has `own`, if it has one, and reserved `number`; `others` are not in the registry yet."""
        taken = [device.devt for device in others]
        for devt in (own, f"{MAJOR}:{number}"):
            if devt and devt not in taken and self.registry.by_number(devt) is None:
                return devt
        # A disk of this machine has that number.
        return self.devt("", self.reserve(1), others)

    def name(self, place: str, number: int, others: list[PathDevice]) -> str:
        """What a path that leads to `place` is called: with its number, where another one has that name."""
        known = [device.name for device in self.registry.all_devices() if isinstance(device, PathDevice)]
        taken = [*known, *(device.name for device in others)]
        return place if place not in taken else f"{place} (path {number})"
