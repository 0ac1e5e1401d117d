"""The words of scenarios: each key of the file, the field that it is kept in, and what it may say; and the dotted keys of `over`.

    map.mode  manager.polling  load.depth  load.0.depth  load.writers.depth  path.fixed-us  path.3.fixed-us  fault.0.factor
    scenario.seconds

`load.depth` is of every load, `path.fixed-us` (or `array.fixed-us`) of every path. What is varied most has a short word: see
SHORT. Any other key of a map, a path, a load or the manager may stand alone, too, if only one of them has it.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from hawser.core.units import MIB, NS_PER_MS, NS_PER_S, NS_PER_US
from hawser.lab.devices.service_time import SPREADS
from hawser.lab.model.scenario import (
    ARRIVALS,
    FAULTS,
    MACHINES,
    MODES,
    PATTERNS,
    Scenario,
    ScenarioError,
)
from hawser.lab.model.word_kinds import (
    SECONDS_MAX,
    Bandwidth,
    Choice,
    Flag,
    Kind,
    Number,
    Numbers,
    Size,
    Sizes,
    Span,
    Text,
    Whole,
)

PATHS_MAX: Final = 1024
LOADS_MAX: Final = 256
FAULTS_MAX: Final = 1024
SEEDS_MAX: Final = 1_000_000
CLIENTS_MAX: Final = 4096
DEPTH_MAX: Final = 65_536
SIZES_MAX: Final = 64
IO_MAX: Final = 64 * MIB
DISK_MAX: Final = 1 << 50
_MS_MAX: Final = SECONDS_MAX * 1e3
_US_MAX: Final = SECONDS_MAX * 1e6


@dataclass(frozen=True)
class Word:
    """A key, the field that it is kept in, and what it may say."""

    key: str
    field: str
    kind: Kind

    def put(self, place: Any, value: object) -> None:
        """Read it and keep it. ValueError."""
        setattr(place, self.field, self.kind.read(value))


def _table(*words: Word) -> dict[str, Word]:
    return {word.key: word for word in words}


TOP: Final = _table(
    Word("name", "name", Text()),
    Word("hypothesis", "hypothesis", Text()),
    Word("source", "source", Text()),
    Word("size", "size_bytes", Size(DISK_MAX)),
    Word("seconds", "seconds", Number(0, SECONDS_MAX)),
    Word("warm-up", "warm_up_s", Number(0, SECONDS_MAX)),
    Word("window-ms", "window_ms", Number(0, _MS_MAX, above=True)),
    Word("seeds", "seeds", Whole(1, SEEDS_MAX)),
)
PATH: Final = _table(
    Word("fixed-us", "fixed_ns", Span(NS_PER_US, _US_MAX)),
    Word("mb-per-s", "ns_per_kib", Bandwidth()),
    Word("ns-per-kib", "ns_per_kib", Whole(0, NS_PER_S)),
    Word("slots", "slots", Whole(1, DEPTH_MAX)),
    Word("spread", "spread", Choice(SPREADS)),
    Word("latency-us", "latency_ns", Span(NS_PER_US, _US_MAX)),
    Word("depth", "depth", Whole(1, DEPTH_MAX)),
    Word("weight", "weight", Whole(1, 100)),
    Word("group", "group", Whole(1, PATHS_MAX)),
    Word("server", "server", Whole(0, PATHS_MAX - 1)),
    Word("words", "words", Text()),
    Word("scheduler", "scheduler", Text()),
)
MAP: Final = _table(
    Word("mode", "mode", Choice(MODES)),
    Word("selector", "selector", Text()),
    Word("scheduler", "scheduler", Text()),
    Word("features", "features", Text()),
    Word("machine", "machine", Choice(MACHINES)),
    Word("nomerges", "nomerges", Whole(0, 2)),
    Word("merge-deadline-us", "merge_deadline_ns", Span(NS_PER_US, _US_MAX)),
    Word("feedback", "feedback", Flag()),
    Word("asks", "asks", Flag()),
)
MANAGER: Final = _table(
    Word("enabled", "enabled", Flag()),
    Word("polling", "polling_ns", Span(NS_PER_S, SECONDS_MAX, above=True)),
    Word("queue-timeout", "queue_timeout_ns", Span(NS_PER_S, SECONDS_MAX)),
    Word("marginal", "marginal", Flag()),
    Word("keepalive", "keepalive_ns", Span(NS_PER_S, SECONDS_MAX)),
    Word("hedge-after-ms", "hedge_after_ns", Span(NS_PER_MS, 60_000)),
    Word("io-timeout", "io_timeout_ns", Span(NS_PER_S, SECONDS_MAX, above=True)),
    Word("proof", "proof_ns", Span(NS_PER_S, SECONDS_MAX)),
)
LOAD: Final = _table(
    Word("name", "name", Text()),
    Word("clients", "clients", Whole(1, CLIENTS_MAX)),
    Word("pattern", "pattern", Choice(PATTERNS)),
    Word("write-percent", "write_percent", Whole(0, 100)),
    Word("size", "sizes", Sizes(IO_MAX, SIZES_MAX)),
    Word("depth", "depth", Whole(0, DEPTH_MAX)),
    Word("rate", "rate", Number(0, 1e9)),
    Word("arrival", "arrival", Choice(ARRIVALS)),
    Word("batch", "batch", Whole(1, DEPTH_MAX)),
    Word("plug", "plug", Flag()),
    Word("ios", "ios", Whole(0, 1 << 40)),
    Word("start", "start_ns", Span(NS_PER_S, SECONDS_MAX)),
)
FAULT: Final = _table(
    Word("kind", "kind", Choice(FAULTS)),
    Word("path", "paths", Numbers()),
    Word("at", "at_ns", Span(NS_PER_S, SECONDS_MAX)),
    Word("for", "duration_ns", Span(NS_PER_S, SECONDS_MAX)),
    Word("factor", "factor", Number(0, 1e6, above=True)),
    Word("ms", "ms", Number(0, _MS_MAX)),
    Word("percent", "percent", Number(0, 100)),
    Word("count", "count", Whole(1, 100_000)),
    Word("words", "words", Text()),
)

# Words for what is varied most, and of things that several have.
SHORT: Final = {
    "depth": "load.depth",
    "path-depth": "path.depth",
    "size": "load.size",
    "scheduler": "map.scheduler",
    "path-scheduler": "path.scheduler",
}
# How many paths there are: no key of a thing, but of [array].
PATHS: Final = "paths"
_HEADS: Final = {"map": MAP, "path": PATH, "load": LOAD, "manager": MANAGER, "fault": FAULT, "scenario": TOP}
# What may be said without its head, in the order in which it is looked for.
_ALONE: Final = ("map", "load", "path", "manager")
# The text of a scenario, which varying would not change.
_FIXED: Final = ("name", "hypothesis", "source", "seeds")


def find_word(words: dict[str, Word], key: str, where: str) -> Word:
    """ScenarioError with the nearest key there is."""
    word = words.get(key)
    if word is None:
        raise ScenarioError(f"{where}{key}: unknown key; {nearest(key, list(words))}")
    return word


def nearest(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, 1)
    return f"the nearest is {near[0]}" if near else f"there are {', '.join(known)}"


def full_key(key: str) -> str:
    """A key with its head: `selector` is `map.selector`. ScenarioError."""
    if key == PATHS or "." in key:
        head, dot, rest = key.partition(".")
        return f"path.{rest}" if dot and head == "array" else key
    if key in SHORT:
        return SHORT[key]
    heads = [head for head in _ALONE if key in _HEADS[head]]
    if len(heads) == 1:
        return f"{heads[0]}.{key}"
    if heads:
        raise ScenarioError(f"over {key}: which one? {' or '.join(f'{head}.{key}' for head in heads)}")
    known = [PATHS, *SHORT, *(word for head in _ALONE for word in _HEADS[head] if word not in _FIXED)]
    raise ScenarioError(f"over {key}: unknown key; {nearest(key, list(dict.fromkeys(known)))}")


def places(scenario: Scenario, key: str) -> tuple[list[Any], Word]:
    """What a full key is of: the parts of the scenario, at least one, and the word. ScenarioError."""
    head, _, rest = key.partition(".")
    words = _HEADS.get(head)
    if words is None or not rest:
        raise ScenarioError(f"over {key}: unknown key; it begins with {', '.join(f'{one}.' for one in _HEADS)}")
    which, dot, name = rest.rpartition(".")
    word = find_word(words, name, f"over {head}.{which}{dot}")
    if (head == "scenario" and name in _FIXED) or (head == "load" and name == "name"):
        raise ScenarioError(f"over {key}: what it says makes no difference to a run")
    if head in ("map", "manager", "scenario"):
        if which:
            raise ScenarioError(f"over {key}: there is one {head} only: {head}.{name}")
        return [_single(scenario, head)], word
    return _several(scenario, head, which, key), word


def _single(scenario: Scenario, head: str) -> Any:
    return {"map": scenario.map, "manager": scenario.manager, "scenario": scenario}[head]


def _several(scenario: Scenario, head: str, which: str, key: str) -> list[Any]:
    kinds: dict[str, list[Any]] = {"path": scenario.paths, "load": scenario.loads, "fault": scenario.faults}
    found = kinds[head]
    if not found:
        raise ScenarioError(f"over {key}: there is no {head} in the scenario")
    if not which:
        return list(found)
    if which.isascii() and which.isdecimal() and int(which) < len(found):
        return [found[int(which)]]
    named = [each for each in found if head == "load" and each.name == which]
    if not named:
        raise ScenarioError(f"over {key}: there is no {head} {which}; there are 0 to {len(found) - 1}")
    return named
