"""The grammar of a multipath table, read from left to right as the kernel reads it, with its limits and its words of refusal.

    <#features> f.. <#handler> [name a..] <#groups> <initial group>
        { <selector> <#args> a.. <#paths> <#path args> { <dev> a.. }+ }+

Linux: multipath_ctr() and parse_*() in drivers/md/dm-mpath.c; kernel transcripts 01 to 12; `seeds.md` 3.15.
"""

from dataclasses import dataclass, field
from typing import Final

from hawser.core.log import LogSink
from hawser.dm.arguments import look_up, scan_uint
from hawser.dm.target import DeviceFinder, TableError
from hawser.multipath.attaching import TableHandler, no_handler
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.selectors import (
    historical_service_time,
    io_affinity,
    queue_length,
    round_robin,
    service_time,
)
from hawser.multipath.selectors.base import PathSelector, SelectorError, find_selector

SELECTOR_MODULES: Final = (round_robin, queue_length, service_time, historical_service_time, io_affinity)

FEATURE_WORDS_MAX: Final = 8
COUNT_MAX: Final = 1024
PG_INIT_RETRIES_MAX: Final = 50
PG_INIT_DELAY_MSECS_MAX: Final = 60000


class Words:
    """The words that are left. Linux: struct dm_arg_set."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.place = 0

    def left(self) -> int:
        return len(self.words) - self.place

    def shift(self) -> str:
        word = self.words[self.place]
        self.place += 1
        return word

    def number(self, low: int, high: int, error: str) -> int:
        """A decimal number in [low, high]."""
        if not self.left():
            raise TableError(error)
        value = scan_uint(self.shift())
        if not low <= value <= high:
            raise TableError(error)
        return value

    def count(self, high: int, error: str) -> int:
        """A number of words that must really follow."""
        value = self.number(0, high, error)
        if value > self.left():
            raise TableError(error)
        return value

    def take(self, count: int) -> list[str]:
        taken = self.words[self.place : self.place + count]
        self.place += count
        return taken


@dataclass
class Geometry:
    """What a table line said."""

    queue_if_no_path: bool = False
    retain_attached_hw_handler: bool = False
    pg_init_retries: int = 0
    pg_init_delay_msecs: int | None = None
    queue_mode: str = "rq"
    # The table's, or the one that was attached to the paths before and is kept.
    handler: TableHandler = field(default_factory=no_handler)
    groups: list[PriorityGroup] = field(default_factory=list)
    initial: PriorityGroup | None = None


def parse_geometry(words: list[str], devices: DeviceFinder, log: LogSink) -> Geometry:
    """Read a whole line. TableError has the kernel's text; `log` is told what else there is to say."""
    text = Words(words)
    geometry = Geometry()
    _features(text, geometry)
    handler = text.take(text.count(COUNT_MAX, "invalid number of hardware handler args"))
    if geometry.queue_mode == "bio":
        geometry.retain_attached_hw_handler = True
        if handler:
            log.error("multipath: bio-based multipath doesn't allow hardware handler args")
    elif handler:
        geometry.handler = TableHandler(handler)
    groups = text.number(0, COUNT_MAX, "invalid number of priority groups")
    initial = text.number(0, COUNT_MAX, "invalid initial priority group number")
    if (groups == 0) != (initial == 0):
        raise TableError("invalid initial priority group")
    while text.left():
        group = _group(text, geometry, devices, log)
        geometry.groups.append(group)
        if group.number == initial:
            geometry.initial = group
    if len(geometry.groups) != groups:
        raise TableError("priority group count mismatch")
    return geometry


def _features(text: Words, geometry: Geometry) -> None:
    count = text.count(FEATURE_WORDS_MAX, "invalid number of feature args")
    features = Words(text.take(count))
    while features.left():
        name = features.shift().lower()
        if name == "queue_if_no_path":
            geometry.queue_if_no_path = True
        elif name == "retain_attached_hw_handler":
            geometry.retain_attached_hw_handler = True
        elif name == "pg_init_retries" and features.left():
            geometry.pg_init_retries = features.number(
                1, PG_INIT_RETRIES_MAX, f"pg_init_retries must be between 1 and {PG_INIT_RETRIES_MAX}"
            )
        elif name == "pg_init_delay_msecs" and features.left():
            geometry.pg_init_delay_msecs = features.number(
                0, PG_INIT_DELAY_MSECS_MAX, f"pg_init_delay_msecs must be between 0 and {PG_INIT_DELAY_MSECS_MAX}"
            )
        elif name == "queue_mode" and features.left():
            mode = features.shift().lower()
            if mode not in ("bio", "rq", "mq"):
                raise TableError("Unknown 'queue_mode' requested")
            geometry.queue_mode = mode
        else:
            raise TableError("Unrecognised multipath feature request")


def _group(text: Words, geometry: Geometry, devices: DeviceFinder, log: LogSink) -> PriorityGroup:
    if text.left() < 2:
        raise TableError("not enough priority group arguments")
    group = PriorityGroup(len(geometry.groups) + 1, _selector(text))
    group.selector.log = log
    group.selector.cpus = devices.cpus()
    paths = text.number(1, COUNT_MAX, "invalid number of paths")
    path_words = text.number(0, COUNT_MAX, "invalid number of selector args")
    for _ in range(paths):
        if text.left() < 1 + path_words:
            raise TableError("not enough path parameters")
        group.paths.append(_path(text, geometry, group, path_words, devices, log))
    return group


def _selector(text: Words) -> PathSelector:
    name = text.shift()
    make = find_selector(name)
    if make is None:
        raise TableError("unknown path selector type")
    words = text.take(text.count(COUNT_MAX, "invalid number of path selector args"))
    try:
        return make(words)
    except SelectorError:
        raise
    except ValueError:
        raise TableError("path selector constructor failed") from None


def _path(
    text: Words, geometry: Geometry, group: PriorityGroup, words: int, devices: DeviceFinder, log: LogSink
) -> Path:
    name = text.shift()
    device = look_up(devices, "", name, "error getting device")
    geometry.handler.set_up(device, geometry.retain_attached_hw_handler, log)
    path = Path(device, group)
    group.selector.add_path(path, text.take(words))
    return path


def print_table(geometry: Geometry, queue_if_no_path: bool, group_number: int) -> str:
    """The line in canonical form, as STATUSTYPE_TABLE prints it: with what is so now, not what the user wrote."""
    features: list[str] = []
    if queue_if_no_path:
        features.append("queue_if_no_path")
    if geometry.pg_init_retries:
        features += ["pg_init_retries", str(geometry.pg_init_retries)]
    if geometry.pg_init_delay_msecs is not None:
        features += ["pg_init_delay_msecs", str(geometry.pg_init_delay_msecs)]
    if geometry.retain_attached_hw_handler:
        features.append("retain_attached_hw_handler")
    if geometry.queue_mode == "bio":
        features += ["queue_mode", "bio"]
    handler = ["1", geometry.handler.name] if geometry.handler.name else ["0"]
    words = [str(len(features)), *features, *handler, str(len(geometry.groups))]
    words.append(str(group_number))
    for group in geometry.groups:
        words += _print_group(group)
    return " ".join(words) + " "


def _print_group(group: PriorityGroup) -> list[str]:
    selector = group.selector
    words = [selector.name, selector.group_words(), str(len(group.paths)), str(selector.table_args)]
    for path in group.paths:
        words.append(path.device.devt)
        if selector.table_args:
            words.append(selector.table_words(path))
    return words
