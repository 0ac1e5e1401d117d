"""The small worlds that are explored, as a table.

A client's operations are written `w0` (write sector 0), `w0+2` (two sectors), `u0` (a FUA write), `p0` (a write that wants a
flush before it), `r1`, `f` (flush); `|` waits until everything before it is answered, `&` submits the next one in the same
plug. Otherwise clients do not wait. What may go wrong, and how often, is bounded by the shape; what follows from a failure
(a connection given up after a timeout, late execution, late answers) is not.
"""

from dataclasses import dataclass, replace
from typing import Final

from hawser.lab.devices.array import CACHE_LUN, CACHE_NONE, CACHE_PATH
from hawser.lab.explore.judge import APPEARED, LOST, SUPERSEDED

SMALL: Final = "small"
FULL: Final = "full"
MIRROR: Final = "mirror"
TWIN: Final = "twin"
BOUNDS: Final = (SMALL, FULL)
MODES: Final = ("rq", "bio")


@dataclass(frozen=True)
class Shape:
    """`clients`: the operations of each. `failures`: how many there may be in all; then how many of each kind: commands
    that time out, connections that end, server processes that die with their cache, black holes, commands that are refused
    with an error of the medium, or done by half, clients that die. `gives_up`: the paths whose connection may be reset after a
    timeout, as no late answer comes. `verbs`: what an operator does (hawser.lab.explore.operator), each once."""

    clients: tuple[str, ...]
    failures: int = 1
    timeouts: int = 0
    resets: int = 0
    crashes: int = 0
    holes: int = 0
    errors: int = 0
    shorts: int = 0
    deaths: int = 0
    gives_up: str = "AB"
    verbs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """`expects`: the kind of fault that it shows with the fences off; empty: none is known.

    `groups`: one group of both paths (1), or each path in its own (2). `features`: of the multipath line. `reinstates`: an
    operator reinstates failed paths at any moment. `manager`: hawser.manager does, and flushes caches. `durable`: every
    state is asked what a power loss would leave there. `write_back`: caches write single sectors back whenever they like.
    `caches_reads`: a path's own cache also keeps what it has read. `loses`: the path whose server never executes anything
    late. `may_wait`: whether clients may wait for ever. `holed`: the path that is a black hole from the start. `scheduler`:
    that of the map's own queue and of the paths'. `depth`: how many commands a path takes at once (0: as many as come).
    `max_sectors`: how many sectors a command of a path may have (0: as many as come). `fua`: whether paths can do it.
    `above`: what is on the map, `mirror`: raid1 of its two halves, `twin`: beside it another map over the same paths, which the
    second client has open. `retains`: what paths have not flushed is kept, to be written again: so nothing is ever lost.
    """

    name: str
    about: str
    small: Shape
    full: Shape
    expects: str = ""
    cache: str = CACHE_LUN
    sectors: int = 2
    unit: int = 1
    groups: int = 1
    features: str = ""
    reinstates: bool = False
    manager: bool = False
    durable: bool = False
    write_back: bool = False
    caches_reads: bool = False
    loses: str = ""
    holed: str = ""
    may_wait: bool = False
    modes: tuple[str, ...] = MODES
    scheduler: str = "none"
    depth: int = 0
    max_sectors: int = 0
    fua: bool = True
    above: str = ""
    retains: bool = False

    def shape(self, bound: str) -> Shape:
        assert bound in BOUNDS, bound
        return self.small if bound == SMALL else self.full


# Any one failure of the connection.
_ANY: Final = Shape((), timeouts=1, resets=1, holes=1)
_QUEUEING: Final = "queue_if_no_path"


def _mixed(name: str, about: str, small: str, full: str, sectors: int, shorts: int = 0) -> Scenario:
    shape = Shape((small,), timeouts=1, shorts=shorts)
    expects = "" if shorts else SUPERSEDED
    return Scenario(f"mixed-{name}", about, shape, replace(shape, clients=(full,), resets=1), expects, sectors=sectors)


def _cache(cache: str, about: str) -> Scenario:
    small = Shape(("w0 w0 | r0",), resets=1)
    return Scenario(
        f"cache-{cache}",
        about,
        small,
        replace(_ANY, clients=("w0 w0 f | w0 r0",)),
        SUPERSEDED,
        cache=cache,
        sectors=1,
        durable=True,
    )


def _flush_crash(cache: str, about: str) -> Scenario:
    small = Shape(("w0 f | w0 | r0",), resets=1)
    full = replace(_ANY, clients=("w0 w1 f | w0 r0",))
    what = f"what a flush acknowledged survives a power loss: {about}"
    return Scenario(
        f"flush-crash-{cache}", what, small, full, SUPERSEDED, cache=cache, durable=True, write_back=cache == CACHE_LUN
    )


def _own_caches(name: str, about: str, small: Shape, full: Shape, expects: str) -> Scenario:
    """Each path its own cache, in a group of its own; the manager flushes what was left behind."""
    return Scenario(
        name,
        about,
        small,
        full,
        expects,
        cache=CACHE_PATH,
        sectors=1,
        groups=2,
        features=_QUEUEING,
        manager=True,
        durable=True,
        write_back=True,
    )


_LIST: Final = (
    Scenario(
        "ghost-after-retry",
        "a write that timed out lands after its retry and a newer write were acknowledged",
        Shape(("w0 | w0 | r0",), timeouts=1),
        Shape(("w0 w0 | w0 r0 | r0",), timeouts=1),
        SUPERSEDED,
        sectors=1,
        features=_QUEUEING,
        reinstates=True,
    ),
    Scenario(
        "ghost-of-the-retry",
        "the retry itself times out too; every copy counts",
        Shape(("w0 | w0 | r0",), failures=2, timeouts=2, gives_up="A"),
        Shape(("w0 w0 | w0 | r0",), failures=2, timeouts=2),
        SUPERSEDED,
        sectors=1,
        features=_QUEUEING,
        reinstates=True,
        loses="A",
    ),
    Scenario(
        "in-flight-overlap",
        "an overlapping write was in flight beside the orphan; both are acknowledged, then the ghost lands",
        Shape(("w0 w0 | r0 | r0",), timeouts=1),
        Shape(("w0 w0 r0 | r0 | r0",), failures=2, timeouts=1, resets=1),
        SUPERSEDED,
        sectors=1,
    ),
    Scenario(
        "unacknowledged-read",
        "a write fails, the old value is read, and then the write appears after all",
        Shape(("w0 | r0 | r0",), failures=2, timeouts=1, errors=1),
        Shape(("w0 r0 | w0 r0 | r0 | r0",), failures=2, timeouts=1, resets=1, errors=1),
        APPEARED,
        sectors=1,
    ),
    Scenario(
        "black-hole-send-queue",
        "a write sits in our own send queue and goes out when the black hole heals",
        Shape(("w0 | w0 | r0",), failures=0),
        Shape(("w0 w0 | w0 r0 | r0",), holes=1),
        SUPERSEDED,
        sectors=1,
        holed="A",
    ),
    Scenario(
        "rmw-neighbour",
        "a server writes back the block of which a late write changed a part, and wipes the neighbouring sector",
        Shape(("w0 | w1 | r1",), timeouts=1),
        Shape(("w0 | w1 | r0+2 | w0 | r0+2",), failures=2, timeouts=1, resets=1),
        SUPERSEDED,
        sectors=2,
        unit=2,
    ),
    _cache(CACHE_LUN, "one cache behind both paths, which outlives their connections"),
    _cache(CACHE_NONE, "no cache: written through"),
    _own_caches(
        "cache-path",
        "a path with a cache of its own is left with unflushed writes, old ones",
        Shape(("w0 | w0 | r0",), resets=1),
        replace(_ANY, clients=("w0 w0 f | w0 r0",), crashes=1),
        SUPERSEDED,
    ),
    replace(
        _own_caches(
            "retained-crash",
            "a server dies with acknowledged writes in its cache, which are written again by the other path",
            Shape(("w0 | r0",), crashes=1),
            Shape(("w0 w0 f | r0 r0",), failures=2, crashes=2, timeouts=1),
            "",
        ),
        retains=True,
    ),
    _flush_crash(CACHE_LUN, "a volatile cache behind both paths"),
    _flush_crash(CACHE_NONE, "no cache"),
    _own_caches(
        "flush-crash-path",
        "what a flush acknowledged survives a power loss and the death of a server: a cache for each path",
        Shape(("w0 f",), timeouts=1),
        Shape(("w0 f | w0 f | r0",), timeouts=1, resets=1, crashes=1),
        LOST,
    ),
    Scenario(
        "lost-copy",
        "the acknowledged copy of a write is lost with its server's cache; the old value is read, then its ghost lands",
        Shape(("w0 | r0 | r0",), failures=2, timeouts=1, crashes=1, gives_up=""),
        Shape(("w0 | r0 | r0",), failures=2, timeouts=1, crashes=1),
        SUPERSEDED,
        cache=CACHE_PATH,
        sectors=1,
        groups=2,
        features=_QUEUEING,
        reinstates=True,
        # Nobody is there who flushes the caches that are left behind.
        may_wait=True,
    ),
    Scenario(
        "dead-client",
        "a client dies with writes on their way, another one writes and reads the same sector",
        Shape(("w0", "r0 w0 | r0"), deaths=1),
        Shape(("w0 w0", "w0 | r0"), failures=2, timeouts=1, deaths=1),
        APPEARED,
        sectors=1,
    ),
    Scenario(
        "sorted",
        "requests wait for the one tag of a path, sorted by mq-deadline, while the one before them times out",
        Shape(("w1 w0 | w0 | r0",), timeouts=1),
        Shape(("w1 w0 r1 | w0 r0+2",), failures=2, timeouts=1, resets=1),
        SUPERSEDED,
        sectors=2,
        scheduler="mq-deadline",
        depth=1,
    ),
    Scenario(
        "cut-up",
        "writes that are cut for their size, of which a part fails or times out",
        Shape(("w0+2 | r0+2",), timeouts=1, shorts=1),
        Shape(("w0+2 w0 | r0+2",), failures=2, timeouts=1, resets=1, errors=1),
        sectors=2,
        max_sectors=1,
    ),
    Scenario(
        "flush-before-data",
        "a write that wants everything before it to be durable: the flush, and then the data",
        Shape(("w0 | p1 | r0",), resets=1),
        replace(_ANY, clients=("w0 | p1 w0 | r0",)),
        durable=True,
        write_back=True,
    ),
    Scenario(
        "flush-behind-data",
        "FUA writes to paths that cannot do it: a flush behind each",
        Shape(("u0 w1 | r0",), resets=1),
        replace(_ANY, clients=("u0 u1 | w0 r0",)),
        durable=True,
        write_back=True,
        fua=False,
    ),
    Scenario(
        "mirror",
        "a mirror of the map's halves, one of which fails a write, or gets it late",
        Shape(("w0 | w0 | r0",), timeouts=1, errors=1),
        Shape(("w0 | w0 r0 | r0",), failures=2, timeouts=1, errors=1, resets=1),
        SUPERSEDED,
        sectors=1,
        above=MIRROR,
        features=_QUEUEING,
        reinstates=True,
    ),
    Scenario(
        "two-maps",
        "two maps over the same paths: what times out below one of them is a ghost for the other, too",
        Shape(("w0", "w0 | r0"), timeouts=1),
        Shape(("w0 w0", "w0 | r0"), failures=2, timeouts=1, resets=1),
        SUPERSEDED,
        sectors=1,
        above=TWIN,
    ),
    Scenario(
        "suspended",
        "the map is suspended, by either way, while a write times out, and resumed",
        Shape(("w0 | w0 | r0",), timeouts=1, verbs=("noflush",), gives_up=""),
        Shape(("w0 | w0 r0 | r0",), timeouts=1, verbs=("noflush", "flush")),
        SUPERSEDED,
        sectors=1,
        features=_QUEUEING,
        reinstates=True,
    ),
    Scenario(
        "reloaded",
        "the same table is loaded once more, and made live, while a write times out",
        Shape(("w0 | w0 | r0",), timeouts=1, verbs=("load", "noflush"), gives_up=""),
        Shape(("w0 | w0 r0 | r0",), timeouts=1, resets=1, verbs=("load", "noflush")),
        SUPERSEDED,
        sectors=1,
        features=_QUEUEING,
        reinstates=True,
    ),
    Scenario(
        "switched",
        "the map is switched to the group of the other path, and back, while a write times out",
        Shape(("w0 | w0 | r0",), timeouts=1, verbs=("switch_group 2",), gives_up=""),
        Shape(("w0 w0 | w0 | r0",), timeouts=1, verbs=("switch_group 2", "disable_group 2", "enable_group 2")),
        SUPERSEDED,
        sectors=1,
        groups=2,
        features=_QUEUEING,
        reinstates=True,
    ),
    _mixed("same", "writes to the same sector, a read, a flush, a failure", "w0 w0 r0 | r0", "w0 w0 w0 f r0 | r0", 1),
    _mixed("overlap", "writes of two sectors that overlap", "w0+2 w1+2 | r0+2", "w0+2 w1+2 w0 f | r0+2", 3),
    _mixed(
        "adjacent",
        "adjacent writes that merge into one command, which may be done by half",
        "w0 & w1 | r0+2",
        "w0 & w1 w0+2 f r0 | r0+2",
        2,
        shorts=1,
    ),
)

SCENARIOS: Final[dict[str, Scenario]] = {scenario.name: scenario for scenario in _LIST}


class ClientOp:
    """One operation of a client."""

    def __init__(self, op: str, sector: int, count: int, barrier: bool, joined: bool) -> None:
        self.op = op
        self.sector = sector
        self.count = count
        self.barrier = barrier
        self.joined = joined


def parse_ops(text: str) -> list[ClientOp]:
    """`w0+2 & w2 | r0`: see the head of this file. `joined`: submitted with the one before it."""
    found: list[ClientOp] = []
    barrier = False
    joined = False
    for word in text.split():
        if word == "|":
            barrier = True
        elif word == "&":
            joined = True
        else:
            place, _, count = word[1:].partition("+")
            found.append(ClientOp(word[0], int(place or "0"), int(count or "1"), barrier, joined))
            barrier = False
            joined = False
    return found
