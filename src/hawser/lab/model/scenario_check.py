"""Whether a scenario makes sense as a whole: what a kind of its own cannot see, in a file's words.

Scenarios made in Python go through it as well: every number's range is that of its word.
"""

from collections.abc import Callable
from typing import Any, Final

import hawser.block.elevators.mq_deadline
import hawser.block.elevators.none
import hawser.multipath.target
from hawser import plugins
from hawser.block.elevators.base import ELEVATORS
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.model.own import is_own, learn_elevator, learn_selector
from hawser.lab.model.scenario import (
    BLACK_HOLE,
    DELAY,
    ERROR,
    FLAP,
    GRAY,
    KILL,
    MESSAGE,
    SLOW,
    Fault,
    LoadModel,
    MapModel,
    PathModel,
    Scenario,
    ScenarioError,
)
from hawser.lab.model.scenario_words import (
    FAULT,
    FAULTS_MAX,
    LOAD,
    LOADS_MAX,
    MANAGER,
    MAP,
    PATH,
    PATHS_MAX,
    TOP,
    Word,
    nearest,
)
from hawser.lab.model.word_kinds import Numbers, Span
from hawser.multipath.hedge import AFTER_MIN_NS
from hawser.multipath.selectors.base import SelectorError, find_selector, selector_names

# The engine registers what it has when it is imported.
_REGISTERED: Final = (hawser.block.elevators.mq_deadline, hawser.block.elevators.none, hawser.multipath.target)

WINDOWS_MAX: Final = 100_000
# Features of a multipath table beside queue_mode, and whether a number follows.
FEATURES: Final = {
    "queue_if_no_path": False,
    "retain_attached_hw_handler": False,
    "pg_init_retries": True,
    "pg_init_delay_msecs": True,
}
_ALWAYS: Final = ("kind", "path", "at", "for")
# The keys of each kind of fault.
FAULT_KEYS: Final = {
    SLOW: (*_ALWAYS, "factor"),
    DELAY: (*_ALWAYS, "ms"),
    GRAY: (*_ALWAYS, "percent", "ms"),
    BLACK_HOLE: _ALWAYS,
    KILL: _ALWAYS,
    FLAP: (*_ALWAYS, "count", "ms"),
    ERROR: _ALWAYS,
    MESSAGE: ("kind", "path", "at", "words"),
}


def check(scenario: Scenario) -> None:
    """ScenarioError says where, what, and what would be right."""
    _ranges(scenario, TOP, "")
    _ranges(scenario.map, MAP, "map.")
    _ranges(scenario.manager, MANAGER, "manager.")
    _check_course(scenario)
    _check_paths(scenario.paths)
    _check_map(scenario.map)
    hedge_ns = scenario.manager.hedge_after_ns
    _require(
        hedge_ns == 0 or hedge_ns >= AFTER_MIN_NS,
        "manager.hedge-after-ms",
        f"{hedge_ns / NS_PER_MS:g} is too early: want 0 (never) or {AFTER_MIN_NS / NS_PER_MS:g} and up",
    )
    _require(1 <= len(scenario.loads) <= LOADS_MAX, "load", f"there are {len(scenario.loads)}; want 1 to {LOADS_MAX}")
    names = [load.name for load in scenario.loads]
    for number, load in enumerate(scenario.loads):
        _check_load(scenario, load, f"load.{number}.")
        _require(names.count(load.name) == 1, f"load.{number}.name", f"another load is called {load.name!r}, too")
    _require(len(scenario.faults) <= FAULTS_MAX, "fault", f"there are {len(scenario.faults)}; at most {FAULTS_MAX} fit")
    for number, fault in enumerate(scenario.faults):
        _check_fault(scenario, fault, f"fault.{number}.")


def _require(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise ScenarioError(f"{where}: {what}")


def _ranges(part: Any, words: dict[str, Word], where: str) -> None:
    """Every field as its word wants it."""
    for word in words.values():
        value = getattr(part, word.field)
        if value is None:
            continue
        if isinstance(word.kind, Span):
            _check_span(word.kind, value, f"{where}{word.key}")
        elif word.key != "mb-per-s" and not (isinstance(word.kind, Numbers) and value == []):
            try:
                word.kind.read(value)
            except ValueError as error:
                raise ScenarioError(f"{where}{word.key}: {error}") from None


def _check_span(kind: Span, value: object, where: str) -> None:
    """Spans are kept in nanoseconds."""
    _require(isinstance(value, int) and not isinstance(value, bool), where, f"{value!r} is no number of nanoseconds")
    assert isinstance(value, int)
    within = value > 0 if kind.above else value >= 0
    _require(within and value <= kind.high * kind.unit_ns, where, f"want {kind.wants}, not {value / kind.unit_ns:g}")


def _check_course(scenario: Scenario) -> None:
    seconds, warm_up = scenario.seconds, scenario.warm_up_s
    if seconds == 0:
        for number, load in enumerate(scenario.loads):
            _require(
                load.ios > 0 or bool(load.batches),
                f"load.{number}.ios",
                "is missing: without `seconds` a run ends when every load has had its `ios` answered",
            )
        return
    _require(warm_up < seconds, "warm-up", f"{warm_up:g} s of {seconds:g}: nothing is left to measure")
    count = seconds * 1000 / scenario.window_ms
    _require(
        count <= WINDOWS_MAX,
        "window-ms",
        f"{scenario.window_ms:g} cuts {seconds:g} s into {count:,.0f} windows; at most {WINDOWS_MAX:,} are kept",
    )


def _check_paths(paths: list[PathModel]) -> None:
    _require(1 <= len(paths) <= PATHS_MAX, "array.paths", f"there are {len(paths)}; want 1 to {PATHS_MAX}")
    groups: dict[int, int | None] = {}
    slots: dict[int, int] = {}
    for number, path in enumerate(paths):
        where = f"path.{number}."
        _ranges(path, PATH, where)
        _check_scheduler(path.scheduler, f"{where}scheduler")
        if path.server is not None:
            most = slots.setdefault(path.server, path.slots)
            _require(
                path.slots == most,
                f"{where}slots",
                f"{path.slots}, but another path to server {path.server} has {most}",
            )
        count = None if path.words is None else len(path.words.split())
        known = groups.setdefault(path.group, count)
        _require(
            known == count,
            f"{where}words",
            f"all paths of a group have as many words in a table: another of group {path.group} has "
            f"{'the usual ones' if known is None else known}, this one {'the usual ones' if count is None else count}",
        )
    for group in range(1, max(groups) + 1):
        _require(group in groups, "path", f"there is no path in group {group}, but one in group {max(groups)}")


def _check_scheduler(name: str, where: str) -> None:
    _learn(learn_elevator, name, where)
    _require(name in ELEVATORS, where, f"unknown {name!r}; {nearest(name, sorted(ELEVATORS))}, or module:Class")


def _learn(teach: Callable[[str], None], what: str, where: str) -> None:
    """Get hold of what is named by where it is."""
    try:
        teach(what)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _check_map(model: MapModel) -> None:
    _check_scheduler(model.scheduler, "map.scheduler")
    _check_selector(model.selector, "map.selector")
    _check_features(model.features, "map.features")
    _require(
        model.machine == "today" or model.mode == "rq",
        "map.machine",
        f"the queue of {model.machine} is of request-based maps: mode {model.mode!r} has none; want mode rq",
    )


def _check_selector(text: str, where: str) -> None:
    """`NAME COUNT ARGUMENT...`, as in a table; module:Class or FILE.py:Class for one of one's own."""
    words = text.split()
    _require(len(words) >= 2, where, f'{text!r}: want its name and the number of its arguments, "service-time 0"')
    name, count = words[0], words[1]
    if is_own(name):
        _learn(learn_selector, text, where)
    else:
        plugins.offer()
        try:
            known = find_selector(name) is not None
        except SelectorError as error:
            raise ScenarioError(f"{where}: {error}") from None
        _require(known, where, f"unknown {name!r}; {nearest(name, selector_names())}, or module:Class")
    given = len(words) - 2
    _require(count == str(given), where, f"{text!r} says {count} arguments and has {given}: want {name} {given} ...")


def _check_features(text: str, where: str) -> None:
    words = iter(text.split())
    for name in words:
        _require(
            name in FEATURES,
            where,
            f"unknown {name!r}; {nearest(name, list(FEATURES))} (without their count; see mode)",
        )
        if FEATURES[name]:
            value = next(words, "")
            _require(value.isascii() and value.isdecimal(), where, f"{name} wants a number, not {value!r}")


def _check_load(scenario: Scenario, load: LoadModel, where: str) -> None:
    _ranges(load, LOAD, where)
    _require(bool(load.name), f"{where}name", "is empty")
    _require(
        (load.pattern == "trace") == bool(load.batches),
        f"{where}pattern",
        "I/Os of a trace go with pattern trace, and it with them: they are recorded (`hawser lab replay`), not written in a file",
    )
    seconds = scenario.seconds
    _require(
        seconds == 0 or load.start_ns < seconds * NS_PER_S, f"{where}start", f"is not before the end, {seconds:g} s"
    )
    if load.batches:
        return
    _require(
        load.depth > 0 or load.rate > 0,
        f"{where}depth",
        "is 0: want `depth`, the I/Os that a client keeps open, or `rate`, I/Os a second, answered or not",
    )
    _require(
        load.depth == 0 or load.rate == 0,
        f"{where}rate",
        f"{load.rate:g} I/Os a second, and a depth of {load.depth}: want one of them (depth 0 beside a rate)",
    )
    share = scenario.size_bytes // (load.clients if load.pattern == "sequential" else 1)
    largest = max(load.sizes)
    _require(largest <= share, f"{where}size", f"an I/O of {largest} bytes, where each client has {share} of the disk")


def _check_fault(scenario: Scenario, fault: Fault, where: str) -> None:
    _ranges(fault, FAULT, where)
    count = len(scenario.paths)
    for path in fault.paths:
        _require(0 <= path < count, f"{where}path", f"there is no path {path}; there are 0 to {count - 1}")
    seconds = scenario.seconds
    _require(
        seconds == 0 or fault.at_ns < seconds * NS_PER_S,
        f"{where}at",
        f"{fault.at_ns / NS_PER_S:g} s is not before the end, {seconds:g} s",
    )
    if fault.kind == MESSAGE:
        _require(bool(fault.words.split()), f"{where}words", 'is missing: want a message, words = "fail_path {p0}"')
        return
    _require(
        bool(fault.paths), f"{where}path", "is missing: want the numbers of the paths that it happens to, path = [0]"
    )
    keys = FAULT_KEYS[fault.kind]
    _require("ms" not in keys or fault.ms > 0, f"{where}ms", f"is 0: a fault of kind {fault.kind!r} wants more")
    _require("percent" not in keys or fault.percent > 0, f"{where}percent", "is 0: of how many commands are late?")
