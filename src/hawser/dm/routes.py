"""Routes: who gets how many copies of a bio without data, be it a flush, a discard or write zeroes.

Where all targets of a table say so, a flush goes to each device below once, however many targets lie on it, and the targets hear
nothing of it, neither of its errors. Linux: __send_empty_flush() in drivers/md/dm.c.
"""

from dataclasses import dataclass

from hawser.block.device import BlockDevice
from hawser.dm.clone import CloneBio
from hawser.dm.target import REMAPPED, Target


@dataclass(frozen=True)
class Route:
    """Copy `number` for `target`."""

    target: Target
    number: int


class _Devices(Target):
    """Stands for all devices of a table: copy N goes to the N-th."""

    def __init__(self, devices: list[BlockDevice]) -> None:
        super().__init__("flush", 0, 0)
        self._devices = devices

    def devices(self) -> list[BlockDevice]:
        return self._devices

    def map_bio(self, clone: CloneBio) -> int:
        clone.device = self._devices[clone.number]
        return REMAPPED


def flush_routes(targets: list[Target]) -> list[Route]:
    """In order. None: a flush has nothing to do."""
    if all(target.flush_bypasses_map for target in targets):
        devices: list[BlockDevice] = []
        for target in targets:
            devices += [device for device in target.devices() if device not in devices]
        straight = _Devices(devices)
        return [Route(straight, number) for number in range(len(devices))]
    return [Route(target, number) for target in targets for number in range(target.num_flush_bios)]


def routes_of(target: Target, op: int) -> list[Route]:
    """Of a discard or write zeroes. None: it is not supported here."""
    return [Route(target, number) for number in range(target.copies_of(op))]
