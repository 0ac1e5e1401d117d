"""Scenario: everything that decides one run of an experiment, as plain data, in a file's words (TOML) or as Python.

    name = "gray"
    hypothesis = "a selector that looks at latency does without a path that has become slow"
    size = "1G"
    seconds = 10
    warm-up = 1
    seeds = 8

    [array]                        # every path and server, unless [path.N] says otherwise
    paths = 4
    fixed-us = 100
    mb-per-s = 400

    [path.3]
    fixed-us = 400

    [map]
    mode = "rq"
    scheduler = "mq-deadline"

    [[load]]
    pattern = "random"
    depth = 32

    [[fault]]
    kind = "slow"
    path = [0]
    at = 3
    for = 4
    factor = 30

    [over]                         # every combination of these is run on the same seeds
    selector = ["service-time 0", "historical-service-time 0"]
    mode = ["rq", "bio"]

Times are seconds unless their names say otherwise, sizes bytes or words such as `64k`. A command of n bytes takes a server
`fixed + n / bandwidth`, times a factor drawn from `spread`; a server works on `slots` of them at once, in order of arrival. The
latency of a path's wire is added to each command and occupies nobody.

A field's word is its name with dashes, and its unit at the end unless it is seconds or bytes: `fixed_ns` is `fixed-us`, but
`polling_ns` is `polling`. Some have words of their own: `mb-per-s` (10^6 bytes a second) for `ns_per_kib`, `size` for the `sizes`
of a load, `for` and `path` for the `duration_ns` and `paths` of a fault. All of them, with their ranges, are in
hawser.lab.model.scenario_words. `size = ["4k", "64k"]` is a mixture. A load with a `rate` is open, one with a `depth` closed.

`over` takes any key of the file with its head (`map.merge-deadline-us`, `load.0.depth`, `path.3.fixed-us`, `fault.0.factor`,
`scenario.seconds`), and of maps, loads, paths and the manager without it where only one of them has it. `depth` and `size` are
those of loads, `path-depth` is that of paths, and `paths` is how many there are.
"""

from dataclasses import dataclass, field
from typing import Final

from hawser.core.units import GIB, KIB

MODES: Final = ("rq", "bio", "mq")
PATTERNS: Final = ("random", "sequential", "trace")
ARRIVALS: Final = ("fixed", "poisson")
MACHINES: Final = ("today", "2008")

# Kinds of faults. Every one of them ends after `duration_s`, if that is not 0.
SLOW: Final = "slow"  # the service of commands that arrive takes `factor` times as long
DELAY: Final = "delay"  # each command through the path takes `ms` longer, and occupies nobody
GRAY: Final = "gray"  # of the path's commands `percent` are `ms` late
BLACK_HOLE: Final = "black-hole"  # nothing is answered; commands time out, and what comes later is answered late
KILL: Final = "kill"  # the server's process dies: sessions end at once, and new ones are refused
FLAP: Final = "flap"  # the path's session is lost `count` times, `ms` apart
ERROR: Final = "error"  # commands of the path are answered with an error of transport
MESSAGE: Final = "message"  # `dmsetup message` with `words`; {p0} is a path
FAULTS: Final = (SLOW, DELAY, GRAY, BLACK_HOLE, KILL, FLAP, ERROR, MESSAGE)


@dataclass
class PathModel:
    """A path and what is behind it. Paths with the same `server` share its slots; None: each has its own.

    `depth`: commands in flight on the path (its queue's tags). `weight`: relative throughput, for selectors that are told.
    `group`: from 1. `words`: what the table tells the selector of it, instead of what is usual. `factors`: what service takes
    times one of these, each as likely as the others, instead of the spread (hawser.lab.model.trace_fit)."""

    fixed_ns: int = 100_000
    ns_per_kib: int = 2_560
    slots: int = 4
    spread: str = "constant"
    latency_ns: int = 50_000
    depth: int = 32
    weight: int = 1
    group: int = 1
    server: int | None = None
    words: str | None = None
    scheduler: str = "none"
    factors: list[float] = field(default_factory=list)


@dataclass
class MapModel:
    """`features` beside queue_mode and queue_if_no_path, which the manager's `queue_timeout_ns` decides. `machine`: whose request
    queue it has (hawser.lab.request_fn). `feedback`: whether paths refuse what they have no tag for; `asks`: whether the map
    asks them before it sends."""

    mode: str = "rq"
    selector: str = "service-time 0"
    scheduler: str = "none"
    features: str = ""
    machine: str = "today"
    nomerges: int = 0
    merge_deadline_ns: int = 0
    feedback: bool = True
    asks: bool = True


@dataclass
class ManagerModel:
    """What looks after the paths, as `hawser serve` ships it. `enabled` False: nobody does. `proof_ns`: how long after the end of
    a session it is proved that nothing which was sent over it can take effect any more."""

    enabled: bool = True
    polling_ns: int = 1_000_000_000
    queue_timeout_ns: int = 60_000_000_000
    marginal: bool = True
    keepalive_ns: int = 5_000_000_000
    hedge_after_ns: int = 0
    io_timeout_ns: int = 30_000_000_000
    proof_ns: int = 0


@dataclass
class LoadModel:
    """What `clients` clients of a kind ask for. Closed: each keeps `depth` I/Os open, and issues as many as were answered, in
    plugs of up to `batch`. Open: with a `rate`, so many I/Os a second together, in bursts of `batch`, answered or not; or, with
    `pattern` "trace", the `batches` as they are: (when, [(operation, sector, bytes, flags)]). With `gates`, one for each batch,
    it is closed all the same: (how many I/Os may be open for it to come, how long after that), whatever its time is; they
    come again and again.

    `sizes`: bytes, one drawn for each I/O. Sequential clients go through stretches of the disk of their own. `ios`: how many all
    in all (0: until the end). `plug` False: I/Os are handed over one by one."""

    name: str = "load"
    clients: int = 1
    pattern: str = "random"
    write_percent: int = 0
    sizes: list[int] = field(default_factory=lambda: [4 * KIB])
    depth: int = 32
    rate: float = 0.0
    arrival: str = "poisson"
    batch: int = 32
    plug: bool = True
    ios: int = 0
    start_ns: int = 0
    batches: list[tuple[int, list[tuple[int, int, int, int]]]] = field(default_factory=list)
    gates: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Fault:
    """Something that happens to `paths` (by number) at a moment."""

    at_ns: int
    kind: str
    paths: list[int] = field(default_factory=list)
    duration_ns: int = 0
    factor: float = 10.0
    ms: float = 0.0
    percent: float = 0.0
    count: int = 1
    words: str = ""


@dataclass
class Scenario:
    """`seconds`: how long it goes on in virtual time, of which the first `warm_up_s` are not measured; 0: until every load has
    had its `ios` answered. `window_ms`: how finely the course is kept. `over`: what is varied (hawser.lab.model.grid)."""

    name: str = "scenario"
    hypothesis: str = ""
    source: str = ""
    size_bytes: int = GIB
    seconds: float = 5.0
    warm_up_s: float = 0.5
    window_ms: float = 50.0
    seeds: int = 4
    paths: list[PathModel] = field(default_factory=lambda: [PathModel() for _ in range(4)])
    map: MapModel = field(default_factory=MapModel)
    manager: ManagerModel = field(default_factory=ManagerModel)
    loads: list[LoadModel] = field(default_factory=lambda: [LoadModel()])
    faults: list[Fault] = field(default_factory=list)
    over: dict[str, list[str]] = field(default_factory=dict)


class ScenarioError(Exception):
    """The message says where, what, and what would be right."""
