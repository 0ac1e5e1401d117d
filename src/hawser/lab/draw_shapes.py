"""Shapes: arrangements that chance alone would bring about too seldom, and which marks each of them is there to reach.

A shape has wishes for the world that it plays in, and steps of its own beside those of the swarm. Everything else of its plan is
drawn as ever, so that even these runs differ. MARKS_BY_SWARM names what reaches the marks that need no shape.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab import draw_marginal as marginal
from hawser.lab import draw_scenes as scenes
from hawser.lab import draw_scenes_block as block
from hawser.lab.plan import FILE, TCP, UNIX, Plan, Step


@dataclass(frozen=True)
class Wishes:
    """What a shape wants of its world; what is empty is drawn.

    `stack`, `under`: what stands on the map, and what its paths lead through (hawser.lab.draw_stacks). `merges`: requests are
    left for their neighbours. `quiet`: no other faults. `plain`: nothing else around the map, no small limits. `prompt`: paths
    are fast and their timeouts fit into `span_ns`. `cache` is the actual one.
    """

    mode: str = ""
    cache: str = ""
    declared: str = ""
    transport: str = ""
    workload: str = ""
    groups: int = 0
    ops: int = 0
    span_ns: int = 0
    queues: bool | None = None
    volatile: bool | None = None
    depth: int = 0
    unit_sectors: int = 0
    queue_timeout_ns: int = 0
    stack: str = ""
    under: str = ""
    scheduler: str = ""
    merges: bool = False
    quiet: bool = False
    plain: bool = False
    prompt: bool = False


Steps = Callable[[Rng, Plan, int], list[Step]]


@dataclass(frozen=True)
class Shape:
    """`weight` in WEIGHTS seeds."""

    name: str
    weight: int
    wishes: Wishes
    steps: Steps
    marks: tuple[str, ...]


BUSY_OPS: Final = 300
_SHORT: Final = 500 * NS_PER_MS
_OUTAGE: Final = Wishes(workload="racer", span_ns=2 * NS_PER_S, queues=True, prompt=True, transport=UNIX)
_COMPANY: Final = Wishes(
    span_ns=2 * NS_PER_S, groups=1, declared="lun", cache="lun", prompt=True, plain=True, quiet=True, queues=True
)
_RACE: Final = Wishes(workload="racer", span_ns=NS_PER_S, prompt=True, declared="lun", cache="lun", groups=1)

# Requests of several bios that wait.
_NEIGHBOURS: Final = Wishes(
    mode="rq", workload="neighbours", ops=BUSY_OPS, prompt=True, depth=2, span_ns=150 * NS_PER_MS
)

WEIGHTS: Final = 1000
SHAPES: Final = (
    Shape(
        "flood of bios",
        6,
        Wishes(mode="bio", queues=True, plain=True, quiet=True, prompt=True, transport=UNIX, span_ns=_SHORT),
        scenes.flood_bios,
        ("wait list full", "parked", "all paths failed"),
    ),
    Shape(
        "flood of requests",
        3,
        Wishes(mode="rq", queues=True, plain=True, quiet=True, prompt=True, depth=4, span_ns=_SHORT),
        scenes.flood_requests,
        ("wait list full", "path busy", "rerun timer"),
    ),
    Shape(
        "flap storm",
        15,
        Wishes(prompt=True),
        scenes.flap_storm,
        ("retried on another path", "not sent", "path reinstated"),
    ),
    Shape(
        "all paths die",
        35,
        Wishes(workload="mixed", span_ns=2 * NS_PER_S, queues=True, queue_timeout_ns=100 * NS_PER_MS, prompt=True),
        scenes.all_die,
        ("all paths failed", "queue timeout", "queueing again", "parked", "delayed requeue"),
    ),
    Shape(
        "suspend without a path",
        25,
        _OUTAGE,
        scenes.suspend_without_path,
        ("suspend with parked bios", "noflush suspend", "deferred while suspended", "reloaded under load"),
    ),
    Shape(
        "suspend behind a fence",
        25,
        _RACE,
        scenes.suspend_behind_fence,
        ("suspend behind a fence", "suspend with I/O in flight", "deferred while suspended", "noflush suspend"),
    ),
    Shape(
        "EIO once", 15, Wishes(transport=UNIX, quiet=True, prompt=True), scenes.eio_once, ("answered error retried",)
    ),
    Shape("EIO twice", 15, Wishes(transport=TCP, quiet=True, prompt=True), scenes.eio_twice, ("answered error told",)),
    Shape("medium error", 12, Wishes(transport=TCP, prompt=True), scenes.medium_error, ("medium error told",)),
    Shape(
        "writes lost",
        40,
        _RACE,
        scenes.writes_lost,
        ("fenced bio", "fenced request", "withheld", "read passed a fence", "ghost landed", "ghost never landed"),
    ),
    Shape(
        "late in time",
        20,
        Wishes(prompt=True, span_ns=NS_PER_S),
        scenes.late_in_time,
        ("orphan: answered", "late answer in time", "fenced bio", "fenced request"),
    ),
    Shape(
        "wrong disk",
        15,
        Wishes(cache="lun", declared="lun", transport=TCP, workload="mixed", quiet=True, prompt=True),
        scenes.wrong_disk,
        ("mismatch", "session refused"),
    ),
    Shape(
        "end of file",
        20,
        Wishes(transport=TCP, workload="racer", depth=4, span_ns=_SHORT, prompt=True),
        scenes.end_of_file,
        ("orphan: end of file",),
    ),
    Shape(
        "short calls",
        15,
        Wishes(
            transport=FILE, cache="lun", declared="lun", workload="big writes", unit_sectors=8, plain=True, prompt=True
        ),
        scenes.short_calls,
        ("partial completion retried",),
    ),
    Shape(
        "short merged calls",
        15,
        replace(_NEIGHBOURS, transport=FILE, cache="lun", declared="lun", unit_sectors=8, plain=True),
        block.short_calls,
        ("partial completion retried", "merged request done in part"),
    ),
    Shape(
        "files hang",
        20,
        Wishes(transport=FILE, cache="lun", declared="lun", prompt=True, span_ns=NS_PER_S),
        scenes.file_hangs,
        ("orphan: system call returned",),
    ),
    Shape(
        "black hole",
        25,
        Wishes(transport=TCP, workload="racer", prompt=True, span_ns=NS_PER_S),
        scenes.black_hole,
        ("black hole", "send queue dropped", "not sent", "orphan: quiesced"),
    ),
    Shape(
        "own caches",
        45,
        Wishes(cache="path", workload="mixed", prompt=True, span_ns=NS_PER_S),
        scenes.own_caches,
        ("cache flushed", "cache gone", "doubt", "flush refused in doubt", "write lost legally"),
    ),
    Shape(
        "all bypassed",
        12,
        Wishes(groups=2, prompt=True),
        scenes.all_bypassed,
        ("bypassed group used", "group switched"),
    ),
    Shape(
        "power fails",
        25,
        Wishes(workload="file system", volatile=True, prompt=True),
        scenes.power_fails,
        ("power lost", "flushed write survived", "unflushed write vanished"),
    ),
    Shape(
        "clients come and go",
        20,
        Wishes(depth=4),
        scenes.clients_come_and_go,
        ("client died with I/O in flight", "client died with I/O waiting", "path busy"),
    ),
    Shape(
        "queues are tuned",
        25,
        Wishes(
            scheduler="mq-deadline", workload="big mix", ops=BUSY_OPS, prompt=True, depth=2, span_ns=150 * NS_PER_MS
        ),
        block.tune_queues,
        (
            "scheduler changed with I/O queued",
            "scheduler tuned with I/O queued",
            "mq-deadline: sorted",
            "mq-deadline: expired",
            "mq-deadline: writes starved",
            "mq-deadline: priority",
            "tag wait",
        ),
    ),
    Shape(
        "neighbours",
        20,
        replace(_NEIGHBOURS, quiet=True, merges=True),
        block.slow_servers,
        ("merged at the back", "merged in front", "requests joined", "merge deadline", "taken without feedback"),
    ),
    Shape(
        "limits shrink",
        15,
        replace(_NEIGHBOURS, cache="lun", declared="lun", plain=True),
        block.limits_shrink,
        ("limits changed with I/O queued",),
    ),
    Shape(
        "a leg fails",
        30,
        Wishes(
            stack="mirror of two", declared="lun", cache="lun", workload="mixed", groups=1, queues=False, prompt=True
        ),
        block.leg_fails,
        (
            "mirror lost a leg: write",
            "mirror lost a leg: flush",
            "mirror lost a leg: read",
            "mirror: write waits",
            "mirror: read waits",
            "mirror resynced",
        ),
    ),
    Shape(
        "stripes",
        10,
        Wishes(stack="stripes of two", declared="lun", cache="lun", workload="big writes", prompt=True),
        block.slow_servers,
        ("stripe cut", "plug over queues"),
    ),
    Shape(
        "flakey below",
        10,
        Wishes(mode="bio", under="flakey", declared="lun", cache="lun", span_ns=6 * NS_PER_S, queues=True),
        block.paths_come_and_go,
        ("flakey path down",),
    ),
    Shape(
        "bad blocks below",
        10,
        Wishes(mode="bio", under="dust", declared="lun", cache="lun", span_ns=NS_PER_S, queues=True, prompt=True),
        block.bad_blocks,
        ("dust path failed", "dust block written"),
    ),
    Shape(
        "delays below",
        10,
        Wishes(mode="bio", under="delay", declared="lun", cache="lun", span_ns=_SHORT, queues=True, prompt=True),
        block.paths_come_and_go,
        ("delayed", "delayed I/O bounced"),
    ),
    Shape(
        "two maps of one disk",
        25,
        Wishes(stack="twins", workload="racer", span_ns=NS_PER_S, prompt=True, declared="lun", cache="lun", groups=1),
        scenes.writes_lost,
        ("maps met on a path", "maps behind fences"),
    ),
    Shape(
        "by hand",
        20,
        Wishes(prompt=True, quiet=True, depth=3, declared="lun", cache="lun", span_ns=_SHORT),
        block.paths_come_and_go,
        ("bounced",),
    ),
    Shape(
        "slow path",
        15,
        _COMPANY,
        marginal.slow_path,
        ("slow path demoted", "demoted path promoted", "demoted path used"),
    ),
    Shape("flaky path", 10, replace(_COMPANY, transport=TCP), marginal.flaky_path, ("flaky path demoted",)),
    Shape("idle paths", 8, replace(_COMPANY, transport=TCP), marginal.idle_paths, ("idle path found down",)),
    Shape(
        "slow path with a queue",
        8,
        replace(_COMPANY, mode="bio", depth=1),
        marginal.slow_path_with_a_queue,
        ("given back by a demoted path",),
    ),
    Shape("hedged reads", 10, _COMPANY, marginal.hedged_reads, ("read hedged", "twin won", "hedge refused")),
)

# What needs no shape, and by what it is reached.
MARKS_BY_SWARM: Final[dict[str, str]] = {
    "orphan: peer gone": "kill, on unix sockets",
    "written again": "kill without the cache, of servers that have their own",
    "retained too much": "small retain_bytes",
    "flush error answered": "flush_error, and error on a flush",
    "answer twice": "answer_twice",
    "refused below": "depths from 1 on with round-robin, queue_max",
    "merged": "sequential clients with batches",
    "split": "small limits and large ops",
    "message refused": "messages of REFUSED_MESSAGES",
    "clients raced": "racers",
    "alua": "alua",
    "port group moved": "plans with port groups that have states",
    "port refused": "the same, implicit, or I/O on its way to a group that moves",
    "group activated": "the same",
    "group switched by activation": "the same, explicit",
    "activation failed a path": "the same, and groups that are offline or out of reach",
    "discard skipped": "writes of unknown fate, and clients that discard",
    "discard": "most clients",
    "write zeroes": "most clients",
    "fua": "most clients",
    "preflush": "many clients, and file systems",
    "host full": "commands_max",
    "no budget": "commands_max with mq-deadline",
    "flushes merged": "several clients that flush, fua off",
    "flush held back": "fua off",
    "flush before data": "preflush",
    "flush behind data": "fua off",
    "chunk cut": "chunk_sectors",
    "program refused": "runs of dmsetup (hawser.lab.draw_programs)",
    "program waited": "wait, suspend and resume",
    "program interrupted": "wait, and suspend while nothing moves",
    "paths probed": "probe, under the rules of 6.16",
}


def draw_shape(rng: Rng) -> Shape | None:
    """One of SHAPES, or none: the swarm alone."""
    place = rng.below(WEIGHTS)
    for shape in SHAPES:
        if place < shape.weight:
            return shape
        place -= shape.weight
    return None
