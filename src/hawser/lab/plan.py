"""Plan: everything that decides a run, as plain data. Drawn from a seed, written to a file, cut down by the shrinker.

A run draws nothing that depends on what else happens in it: whatever is random in a device is drawn from the run's seed, the
device's name and the number of the command (`keyed`), so that taking one step out of a plan leaves the others as they were.
Times are nanoseconds from the start of the run; sectors are those of the disk.
"""

from dataclasses import dataclass, field
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S, NS_PER_US, SECTOR_SIZE
from hawser.dm.parameters import LINUX_6_12
from hawser.multipath.retained import RETAINED_BYTES_MAX

# Transports of a path, as hawser.paths has them: what can be proved differs.
FILE: Final = "file"
UNIX: Final = "unix"
TCP: Final = "tcp"
TRANSPORTS: Final = (FILE, UNIX, TCP)

# Kinds of steps. Target: a server, a path, a client, or nothing. See each one's head for what it does.
SERVER_STEPS: Final = (
    "kill",  # the process dies; restarts after `duration_ns`; `amount` 1: its own cache survives
    "stop",  # it hangs for `duration_ns` (SIGSTOP): nothing is executed, connections stand
    "other_disk",  # killed, and back after `duration_ns` on other content
    "smaller",  # killed, and back after `duration_ns` with fewer sectors
    "read_only",  # killed, and back after `duration_ns` refusing writes
    "flush_error",  # the next flush fails once, and what it should have written is lost
    "write_back",  # up to `amount` dirty sectors of its cache reach the medium by themselves
    "alua",  # port state `word` (standby, unavailable, transitioning) for `duration_ns`
    "slow",  # service time is `amount` times as long for `duration_ns`
)
RESTARTS: Final = ("kill", "other_disk", "smaller", "read_only")
# The next command that arrives at the server after this moment (of `word`: any, read, write, flush) is treated like this.
ANSWER_STEPS: Final = (
    "answer_late",  # executed, answered `duration_ns` later than it should be
    "answer_never",  # executed, never answered
    "lost_command",  # neither executed nor answered
    "answer_twice",  # answered a second time `duration_ns` after the first
    "execute_late",  # executed and answered only after `duration_ns`
    "error",  # answered with block-layer status number `amount`, not executed
    "error_after",  # executed, and answered with that status all the same
    "short",  # a prefix of `amount` sectors is done, then an error of transport (files: a short count)
)
LINK_STEPS: Final = (
    "lose",  # the connection is reset: both sides know; what was under way to the server has `amount` percent chance to arrive
    "lose_far",  # our side is reset; the server executes everything that it received
    "close",  # the server closes in an orderly way, having executed what it received
    "black_hole",  # nothing passes for `duration_ns`; connections stand, bytes wait on either side
    "brown_out",  # latency is `amount` times as long for `duration_ns`
    "flap",  # lost `amount` times, `duration_ns` apart
)
CLIENT_STEPS: Final = ("disconnect", "reconnect")
# To the map, or to the mapped device that is named.
MAP_STEPS: Final = (
    "message",  # `dmsetup message` with the words of `word`
    "suspend",  # `amount` 1: noflush; resumed after `duration_ns`
    "reload",  # suspend (`amount` 1: noflush), load table number `word`, resume
    "dm",  # dmsetup with the words of `word`, interrupted after `duration_ns` (hawser.lab.programs)
)
# To the request queue of the map, of a path, or of the mapped device that is named, under load.
QUEUE_STEPS: Final = (
    "scheduler",  # it becomes `word`
    "attribute",  # of the scheduler, `NAME VALUE` as in /sys/block/*/queue/iosched
    "nomerges",  # `amount`: 0 to 2, as the queue's attribute of that name
)
WORLD_STEPS: Final = (
    "power_loss",
)  # everything stops, everything volatile is lost; it starts again after `duration_ns`

# To the port group of a server (Plan.alua). (The older step `alua` is a server whose answers say what its port is.)
PORT_STEPS: Final = (
    "port_group",  # it goes into the state `word`
    "refuse_sets",  # for `duration_ns` the array refuses to be told what the states shall be
)
ALUA_KINDS: Final = ("", "implicit", "explicit", "both")
PORT_STATES: Final = ("optimized", "non-optimized", "standby", "unavailable", "offline")

# What a client may do. `barrier`: not before everything it has asked for is answered.
OP_WORDS: Final = ("read", "write", "flush", "discard", "zero")

# The multipath map, and what a table calls it.
MAP_NAME: Final = "mpatha"
SCHEDULERS: Final = ("none", "mq-deadline")

# For bounds: a command's worst time is so many times its usual one (hawser.lab.devices.service_time), and so many of them meet.
WORST_FACTOR: Final = 20
WORST_COUNT: Final = 5
# Commands on their way that are no client's.
PROBES_MAX: Final = 32
# What the name of a plan ends with that is played without fences on purpose.
NO_FENCES: Final = ", no fences"


@dataclass
class Op:
    """One I/O of a client: `sector` and `count` in sectors; `delay_ns` after the previous one was issued. `preflush`: of a
    write, everything acknowledged before it is durable first."""

    op: str
    sector: int = 0
    count: int = 0
    fua: bool = False
    barrier: bool = False
    delay_ns: int = 0
    preflush: bool = False


@dataclass
class ClientPlan:
    """Issues `ops` in order, at most `depth` at once (0: open loop, by `delay_ns` alone), `batch` of them in one plug.

    `device`: which mapped device it has open, if not the one on top. `priority`: its class, as ionice(1) numbers them.
    """

    name: str
    ops: list[Op] = field(default_factory=list)
    depth: int = 4
    batch: int = 1
    start_ns: int = 0
    device: str = ""
    priority: int = 0


@dataclass
class Step:
    """Something that happens to `target` at a moment, whatever the engine is doing then."""

    at_ns: int
    kind: str
    target: str = ""
    duration_ns: int = 0
    amount: int = 0
    word: str = ""


@dataclass
class LimitsPlan:
    """What a path takes: a read or write is cut to fit, and so is what waits when a table brings smaller limits. `chunk_sectors`
    is the stretch that no I/O may cross; 0: none."""

    max_sectors: int = 2560
    max_segments: int = 128
    max_discard_sectors: int = 65536
    max_write_zeroes_sectors: int = 65536
    max_segment_sectors: int = 128
    physical_sectors: int = 1
    chunk_sectors: int = 0
    discard_granularity_sectors: int = 1


@dataclass
class PathPlan:
    """A path as the operator declares it, and where it leads. `quiesce_ns` None: not declared.

    `lun`: which of the array's disks. `can_fua` is the server's word for it, `fua` and `write_cache` are the queue's, which
    `feedback` lets refuse what it has no tag for. `limits` None: those of the plan.
    """

    server: int
    transport: str = TCP
    cache: str = "path"
    quiesce_ns: int | None = None
    eof_drains: bool = False
    can_fua: bool = True
    depth: int = 32
    io_timeout_ns: int = 2 * NS_PER_S
    linger_ns: int = NS_PER_S
    latency_ns: int = 50 * NS_PER_US
    bytes_per_s: int = 1_000_000_000
    lun: int = 0
    scheduler: str = "none"
    nomerges: int = 0
    write_cache: bool = True
    fua: bool = True
    feedback: bool = True
    limits: LimitsPlan | None = None


@dataclass
class ServerPlan:
    """Service time of a command: fixed + bytes/bandwidth, times a factor from `spread`; `slots` are served at once.

    `drains_ns`: how long after it is killed, or its connection ends, a command that it has begun may still take effect.
    `commands_max`: so many at once go to it from here, over all its paths (the tags of a host adapter; 0: no limit).
    """

    fixed_ns: int = 100 * NS_PER_US
    bytes_per_s: int = 400_000_000
    spread: str = "constant"
    slots: int = 4
    queue_max: int = 0
    drains_ns: int = 200 * NS_PER_MS
    commands_max: int = 0


@dataclass
class DevicePlan:
    """A mapped device beside the map; `{name}` stands for it in tables. `tables` are like those of the map."""

    name: str
    tables: list[str] = field(default_factory=list)
    scheduler: str = "none"


@dataclass
class Plan:
    """`tables[0]` is loaded at the start; `{p0}`, `{p1}`, ... in tables and messages stand for the paths' device numbers.

    `size_sectors` is the size of a disk; the array has `luns` of them. `scheduler`, `nomerges`: those of a request-based map's
    own queue; `merge_deadline_ns`, `asks`: see hawser.block.dispatch and hawser.dm.request_based. `below` and `above`: devices
    that are made before the map, and after it; clients open the last of those above, or `top`. `stack`: the usual ones in short,
    "" or words of `linear-above`, `split-above`, `linear-below`, `multipath-above`. `manager`: whether hawser.manager looks after
    the paths; `marginal_tick_ns`: how often it looks for slow and flaky ones (0: it does not), which all of its other times go
    by; `keepalive_ns`: how often it asks idle ones (0: not at all); `hedge_after_ns`: after which reads are asked for twice (0:
    never), and of how many in a hundred. `alua`: whether the servers are port groups of an array, whose hardware handler the map
    has, and how that lets its states be changed; `alua_transition_ns`: how long a change takes; `alua_others`: what groups become
    that were optimized. `unsafe_no_fence`: the shipped switch, to show what fences are for. `retain_bytes`: see
    hawser.multipath.retained. `semantics`: whose rules count (hawser.dm.parameters).
    """

    seed: int = 0
    name: str = ""
    size_sectors: int = 64
    cache: str = "lun"
    volatile: bool = True
    caches_reads: bool = False
    unit_sectors: int = 1
    declared_unit_sectors: int = 1
    mode: str = "rq"
    luns: int = 1
    scheduler: str = "none"
    nomerges: int = 0
    merge_deadline_ns: int = 0
    asks: bool = True
    stack: str = ""
    below: list[DevicePlan] = field(default_factory=list)
    above: list[DevicePlan] = field(default_factory=list)
    top: str = ""
    tables: list[str] = field(default_factory=list)
    limits: LimitsPlan = field(default_factory=LimitsPlan)
    servers: list[ServerPlan] = field(default_factory=list)
    paths: list[PathPlan] = field(default_factory=list)
    clients: list[ClientPlan] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    manager: bool = True
    polling_ns: int = NS_PER_S
    queue_timeout_ns: int | None = 60 * NS_PER_S
    unsafe_no_fence: bool = False
    retain_bytes: int = RETAINED_BYTES_MAX
    semantics: str = LINUX_6_12
    marginal_tick_ns: int = 0
    keepalive_ns: int = 0
    hedge_after_ns: int = 0
    hedge_percent: int = 5
    alua: str = ""
    alua_transition_ns: int = 0
    alua_others: str = "standby"

    def truthful(self) -> bool:
        """Whether every declaration about the paths holds, and the disk is of a kind about which something is promised.

        Nothing is promised yet about servers that keep what they have read (`docs/guarantees.md`).

        `eof_drains` holds of every server that has a connection to close: the link sees to it (hawser.lab.devices.connection).
        """
        if self.caches_reads:
            return False
        # The manager sees no path below another device.
        if self._needs_manager() and (not self.manager or self.below or "linear-below" in self.stack):
            return False
        if not self._devices_keep_data():
            return False
        for path in self.paths:
            if self.cache == "path" and path.cache != "path":
                return False
            if self.cache == "lun" and path.cache == "none":
                return False
            if self.cache != "none" and not path.write_cache:
                return False
            if path.cache == "path" and len(self._maps_over_paths()) > 1:
                # Each map uses one path at a time: together they use several caches that do not know each other.
                return False
            if path.quiesce_ns is not None:
                if self.cache == "path" or path.quiesce_ns < self.stall_ns(path.server):
                    return False
            if path.eof_drains and path.transport == FILE:
                return False
        return self.declared_unit_sectors % self.unit_sectors == 0 and not self._outlives_its_process()

    def _maps_over_paths(self) -> list[str]:
        """The tables of all maps that have paths."""
        tables = [self.tables[0], *[device.tables[0] for device in [*self.below, *self.above]]]
        return [table for table in tables if " multipath " in table and "{p" in table]

    def _devices_keep_data(self) -> bool:
        """Whether no device beside the map loses or changes data, as some features of flakey do, and none forgets which leg of
        a mirror is right, as the same table loaded again would."""
        for device in [*self.below, *self.above]:
            words = " ".join(device.tables).split()
            if "drop_writes" in words or any("corrupt" in word for word in words):
                return False
            if "raid1" in words and len(device.tables) > 1:
                return False
        return True

    def _outlives_its_process(self) -> bool:
        """Whether a server's own cache survives the end of its process, which is taken for the end of the cache (`unix`)."""
        local = [f"s{path.server}" for path in self.paths if path.transport == UNIX]
        return self.cache == "path" and any(
            step.kind in RESTARTS and step.amount and step.target in local for step in self.steps
        )

    def _needs_manager(self) -> bool:
        """Nobody else flushes a cache that was left, or looks whether it is the same disk."""
        return any(path.cache == "path" for path in self.paths) or any(step.kind == "other_disk" for step in self.steps)

    def stall_ns(self, server: int) -> int:
        """How long after its session has ended a command may still take effect at `server`: what a true `quiesce` must exceed.

        It may be held up on its way, wait until the server goes on, stand in the queue behind everything else that the paths hold
        there, and be begun when the server is killed. Whatever the plan does to the server happens within that time, at worst.
        """
        facts = self.servers[server]
        paths = [number for number, path in enumerate(self.paths) if path.server == server]
        links = [f"p{number}" for number in paths]
        held_ns = max([self.paths[number].latency_ns for number in paths], default=0)
        slow_ns, slowness = 0, 1
        for step in self.steps:
            if step.target == f"s{server}":
                if step.kind in ("stop", "execute_late"):
                    held_ns += step.duration_ns
                elif step.kind == "slow":
                    slow_ns += step.duration_ns
                    slowness = max(slowness, step.amount)
            elif step.target in links:
                if step.kind == "black_hole":
                    held_ns += step.duration_ns
                elif step.kind == "brown_out":
                    held_ns += self.paths[int(step.target[1:])].latency_ns * step.amount
        return held_ns + slow_ns + self._queueing_ns(paths, facts, slowness) + facts.drains_ns

    def _queueing_ns(self, paths: list[int], facts: ServerPlan, slowness: int) -> int:
        """Behind all others, twice over (a session that has ended may have left its own), each four times its usual time, and
        a few of the worst of them while the server is slow."""
        disk_bytes = self.size_sectors * SECTOR_SIZE
        once_ns = facts.fixed_ns + disk_bytes * NS_PER_S // facts.bytes_per_s
        wire_ns = max([disk_bytes * NS_PER_S // self.paths[number].bytes_per_s for number in paths], default=0)
        ops = sum(len(client.ops) for client in self.clients)
        ahead = 2 * min(sum(self.paths[number].depth for number in paths), 2 * ops + PROBES_MAX)
        return ahead * (4 * once_ns + wire_ns) + WORST_COUNT * WORST_FACTOR * slowness * once_ns
