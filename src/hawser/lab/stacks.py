"""Stacks: the mapped devices of a plan around its map, and where on the array each of their sectors lies.

Worked out from the tables alone: the judge must not believe the engine about this. All paths of a map lead to the same sectors; a
mirror has two places for each of its own.
"""

import re
from typing import Final

from hawser.core.units import NS_PER_MS
from hawser.lab.plan import MAP_NAME, DevicePlan, Plan

LINEAR_ABOVE: Final = "linear-above"
SPLIT_ABOVE: Final = "split-above"
LINEAR_BELOW: Final = "linear-below"
MULTIPATH_ABOVE: Final = "multipath-above"
STACKS: Final = (LINEAR_ABOVE, SPLIT_ABOVE, LINEAR_BELOW, MULTIPATH_ABOVE)

# What the words of `stack` above the map stand for.
UPPER_NAME: Final = "upper"
# Targets that pass everything on to one device: `DEVICE START ...`.
PASSING: Final = ("linear", "delay", "dust", "flakey")

Place = tuple[int, ...]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_PATH: Final = re.compile(r"p\d+")


class StackError(ValueError):
    """A table of which nobody can say where its sectors lie."""


def devices_above(plan: Plan) -> list[DevicePlan]:
    """In the order in which they are made."""
    size = plan.size_sectors
    half = size // 2 // plan.declared_unit_sectors * plan.declared_unit_sectors
    below = f"{{{MAP_NAME}}}"
    table = ""
    if LINEAR_ABOVE in plan.stack:
        table = f"0 {size} linear {below} 0"
    elif SPLIT_ABOVE in plan.stack:
        table = f"0 {half} linear {below} 0\n{half} {size - half} linear {below} {half}"
    elif MULTIPATH_ABOVE in plan.stack:
        table = f"0 {size} multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 {below}"
    return [*([DevicePlan(UPPER_NAME, [table])] if table else []), *plan.above]


def devices_beside(plan: Plan) -> list[DevicePlan]:
    """All but the map, in the order in which they are made."""
    return [*plan.below, *devices_above(plan)]


def top_name(plan: Plan) -> str:
    """What clients open that name no device."""
    above = devices_above(plan)
    return plan.top or (above[len(above) - 1].name if above else MAP_NAME)


def names_in(text: str) -> list[str]:
    """What a table is over, each once."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def types_in(text: str) -> list[str]:
    """The types of a table's targets."""
    return [words[2] for words in (line.split() for line in text.splitlines()) if len(words) > 2]


def leads_to_path(plan: Plan, name: str) -> bool:
    """Whether a device has paths right below it, that a manager can probe."""
    return any(is_path(word) for word in names_in(_table_of(plan, name)))


def is_path(name: str) -> bool:
    return _PATH.fullmatch(name) is not None


def has_type(plan: Plan, type_name: str) -> bool:
    """Whether a device beside the map has such a target."""
    return any(type_name in types_in(table) for device in devices_beside(plan) for table in device.tables)


def maps_of(plan: Plan) -> list[tuple[str, str]]:
    """What steps call the maps, and their first tables."""
    found = [("", plan.tables[0])]
    for device in devices_beside(plan):
        if "multipath" in types_in(device.tables[0]):
            found.append((device.name, device.tables[0]))
    return found


def longest_delay_ns(plan: Plan) -> int:
    """For how long a delay target may hold an I/O back."""
    delays = [0]
    for device in devices_beside(plan):
        for words in (line.split() for table in device.tables for line in table.splitlines()):
            if words[2:3] == ["delay"]:
                delays += [int(word) for word in words[5::3] if word.isdigit()]
    return max(delays) * NS_PER_MS


def _table_of(plan: Plan, name: str) -> str:
    if name == MAP_NAME:
        return plan.tables[0]
    return next((device.tables[0] for device in devices_beside(plan) if device.name == name and device.tables), "")


class Places:
    """`of` a device: for each of its sectors those of the array, that of the first leg of a mirror first."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._known: dict[str, list[Place]] = {}
        self._sectors: dict[int, int] = {}
        for sector, places in enumerate(self.of(top_name(plan))):
            for place in places:
                self._sectors[place] = sector

    def top(self) -> list[Place]:
        """Of what clients have open."""
        return self.of(top_name(self.plan))

    def size_sectors(self) -> int:
        """Of that."""
        return len(self.top())

    def sector_of(self, place: int) -> int:
        """The sector of the device on top that lies there; -1: none does."""
        return self._sectors.get(place, -1)

    def shift(self, name: str) -> int:
        """What is added to a sector of this device to give that of the one on top. StackError when it is not the same for all."""
        shifts = {
            self.sector_of(places[0]) - sector for sector, places in enumerate(self.of(name or top_name(self.plan)))
        }
        if len(shifts) != 1:
            raise StackError(f"{name} has its sectors in another order than {top_name(self.plan)}")
        return shifts.pop()

    def of(self, name: str) -> list[Place]:
        """StackError when its table does not say."""
        found = self._known.get(name)
        if found is None:
            size = self.plan.size_sectors
            if is_path(name):
                number = int(name[1:])
                if number >= len(self.plan.paths):
                    raise StackError(f"there is no {name}")
                first = self.plan.paths[number].lun * size
                found = [(first + sector,) for sector in range(size)]
            else:
                # Nothing may stand on itself.
                self._known[name] = []
                found = self._of_table(_table_of(self.plan, name), name)
            self._known[name] = found
        return found

    def _of_table(self, text: str, name: str) -> list[Place]:
        found: list[Place] = []
        for line in text.splitlines():
            words = line.split()
            try:
                found += self._of_line(int(words[1]), words[2], words[3:])
            except (IndexError, ValueError) as error:
                raise StackError(f"{line!r} of {name}: {error}") from None
        if not found:
            raise StackError(f"{name} has no sectors")
        return found

    def _of_line(self, length: int, type_name: str, words: list[str]) -> list[Place]:
        if type_name == "multipath":
            named = [word for word in words if _PLACEHOLDER.fullmatch(word)]
            return self._stretch(named[0] if named else "{p0}", 0, length)
        if type_name in PASSING:
            return self._stretch(words[0], int(words[1]), length)
        if type_name == "raid1":
            legs = [self._stretch(words[place], int(words[place + 1]), length) for place in (1, 3)]
            return [(*one, *two) for one, two in zip(legs[0], legs[1], strict=True)]
        if type_name == "striped":
            return self._stripes(length, int(words[0]), int(words[1]), words[2:])
        raise StackError(f"nobody knows where the sectors of {type_name} lie")

    def _stretch(self, word: str, start: int, length: int) -> list[Place]:
        match = _PLACEHOLDER.fullmatch(word)
        if match is None:
            raise StackError(f"{word} stands for no device")
        places = self.of(match[1])
        if start < 0 or start + length > len(places):
            raise StackError(f"{match[1]} has {len(places)} sectors")
        return places[start : start + length]

    def _stripes(self, length: int, count: int, chunk: int, words: list[str]) -> list[Place]:
        """Chunk after chunk, from one device after the other."""
        width = length // count
        stripes = [self._stretch(words[2 * number], int(words[2 * number + 1]), width) for number in range(count)]
        found: list[Place] = []
        for first in range(0, width, chunk):
            for stripe in stripes:
                found += stripe[first : first + chunk]
        return found
