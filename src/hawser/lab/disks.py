"""Disks: what a run keeps its data on, and where the judge finds what a sector of the device on top holds.

Of a mirror nobody but its administrator knows which leg is right once a power loss has ended the gateway: it is the first one
that was in sync, and the others are copied from it before anybody reads again (md: resync).
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.targets.raid1 import Raid1Target
from hawser.lab.devices.array import CACHE_NONE, Array, ArrayWatcher, Controller
from hawser.lab.devices.hardware import Hardware
from hawser.lab.era import Era
from hawser.lab.oracles.history import History
from hawser.lab.payload import write_of
from hawser.lab.plan import Plan
from hawser.lab.stacks import Places
from hawser.multipath.disk import PathDevice

POWER_LOSS: Final = "power loss"


class _ArrayEar(ArrayWatcher):
    """Tells the trace and the history what an array does to data."""

    def __init__(self, disks: "Disks", lun: int) -> None:
        self.disks = disks
        self.lun = lun

    def stored(self, controller: str, sector: int, values: list[int]) -> None:
        self.disks.stored(self.lun, sector, values)

    def lost(self, controller: str, sector: int, value: int, cause: str) -> None:
        self.disks.lost(self.lun, controller, sector, value, cause)


class Mirror:
    """One target of this kind: for each of its sectors the places of its legs. `device` is what it belongs to."""

    def __init__(self, device: MappedDevice, target: Raid1Target, legs: list[list[int]]) -> None:
        self.device = device
        self.target = target
        self.legs = legs

    def in_sync(self) -> list[int]:
        """The legs that are."""
        return [number for number, leg in enumerate(self.target.legs) if leg.in_sync]


class Disks:
    """`arrays` are as many as the plan has disks. `history` judges the device on top."""

    def __init__(self, plan: Plan, hardware: Hardware) -> None:
        self.plan = plan
        self.hardware = hardware
        self.places = Places(plan)
        self.arrays = [self._make(number) for number in range(plan.luns)]
        self.history = History(self.places.size_sectors(), plan.cache == CACHE_NONE)
        self.mirrors: list[Mirror] = []
        self._devices: list[PathDevice] = []
        # Of which a cache has lost something since the mirrors were made alike.
        self._lost: set[int] = set()

    def _make(self, lun: int) -> Array:
        plan = self.plan
        return Array(
            plan.size_sectors,
            len(plan.servers),
            plan.cache,
            plan.volatile,
            plan.unit_sectors,
            plan.caches_reads,
            _ArrayEar(self, lun),
        )

    def controllers(self, server: int) -> list[Controller]:
        """Through which a server gets at each of them."""
        return [array.controllers[server] for array in self.arrays]

    def look_at(self, era: Era) -> None:
        """Which mirrors there are, and which paths."""
        self.mirrors = []
        self._devices = [path.device for path in era.paths if path.device is not None]
        for name, device in era.devices.items():
            for target in device.live_targets():
                if isinstance(target, Raid1Target):
                    legs = [self._places(era, leg.device, leg.offset, target.length) for leg in target.legs]
                    assert len(legs[0]) == len(legs[1]), name
                    self.mirrors.append(Mirror(device, target, legs))

    def _places(self, era: Era, device: BlockDevice, start: int, length: int) -> list[int]:
        name = next(word for word, devt in era.words.items() if devt == device.devt)
        return [places[0] for places in self.places.of(name)[start : start + length]]

    # Losses.

    def stored(self, lun: int, sector: int, values: list[int]) -> None:
        """What was lost is there again once the engine has written it again. (The server's own note tells of it.)"""
        writes_again = any(device.replay is not None for device in self._devices)
        if self.history.misses or writes_again:
            for index, value in enumerate(values):
                own = self.places.sector_of(lun * self.plan.size_sectors + sector + index)
                if own >= 0:
                    self.history.regain(own, value)
                    if writes_again:
                        self.history.write_again(own, value)

    def lost(self, lun: int, controller: str, sector: int, value: int, cause: str) -> None:
        """A cache has lost a write. Where the declarations hold that is legal, and the engine has to say so itself."""
        left = self.arrays[lun].medium[sector]
        self.hardware.trace.note(controller, "lost", f"sector {sector} of write {write_of(value)}: {cause}")
        place = lun * self.plan.size_sectors + sector
        self._lost.add(place)
        own = self.places.sector_of(place)
        if cause != POWER_LOSS and own >= 0 and self.plan.truthful():
            self.hardware.marks.hit("write lost legally")
            counts, held = self._other_legs(place)
            if counts:
                self.history.lose(own, value, left, held)

    def _other_legs(self, place: int) -> tuple[bool, list[int]]:
        """Whether the leg of a mirror that a place is in, if it is one, is still one of it; and what the others hold there."""
        for mirror in self.mirrors:
            in_sync = mirror.in_sync()
            for number, leg in enumerate(mirror.legs):
                if place in leg:
                    at = leg.index(place)
                    return number in in_sync, [
                        self._read(mirror.legs[other][at]) for other in in_sync if other != number
                    ]
        return True, []

    def lose_power(self) -> str:
        """Everything volatile is gone; what is left must be what was promised: a fault, or nothing."""
        for array in self.arrays:
            array.lose_power()
        self._resync()
        contents = [self._read(place) for place in self._first_places()]
        return self.history.lose_power(contents)

    def _first_places(self) -> list[int]:
        return [places[0] for places in self.places.top()]

    def _read(self, place: int) -> int:
        """What a cache, of those in use, or else the medium has there."""
        lun, sector = divmod(place, self.plan.size_sectors)
        array = self.arrays[lun]
        for cache in array.caches():
            if sector in cache.dirty:
                return cache.dirty[sector]
        return array.medium[sector]

    def _resync(self) -> None:
        self._lost.clear()
        for mirror in self.mirrors:
            source = mirror.in_sync()[0]
            for number, leg in enumerate(mirror.legs):
                if number != source:
                    self._copy(mirror.legs[source], leg)
        if self.mirrors:
            self.hardware.marks.hit("mirror resynced")

    def _copy(self, source: list[int], target: list[int]) -> None:
        for here, there in zip(source, target, strict=True):
            lun, sector = divmod(there, self.plan.size_sectors)
            self.arrays[lun].controllers[0].write(sector, [self._read(here)], fua=True)

    def differences(self) -> list[str]:
        """Of the legs of mirrors that are in sync, when nothing is on its way: there must be none but where a cache has lost what
        was acknowledged and not flushed."""
        found: list[str] = []
        for mirror in self.mirrors:
            in_sync = mirror.in_sync()
            for sector in range(mirror.target.length):
                places = [mirror.legs[number][sector] for number in in_sync]
                values = [self._read(place) for place in places]
                if len(set(values)) > 1 and not self._lost.intersection(places):
                    names = " and ".join(f"write {write_of(value)}" for value in values)
                    found.append(f"the legs of {mirror.device.name} differ in sector {sector}: {names}")
        return found
