"""modes: request-based against bio-based, the table of which each founding document looks at one corner."""

from dataclasses import dataclass

from hawser.core.units import MIB, NS_PER_US
from hawser.lab.experiments.base import (
    BAR,
    DERIVED,
    Claim,
    Curve,
    Experiment,
    Findings,
    Progress,
    Series,
    Table,
    Value,
    quietly,
)
from hawser.lab.experiments.crossing import where
from hawser.lab.model.reader import Host
from hawser.lab.model.stack_rig import BLOCK, StackRig

PATHS = 4
DEPTH = 32
READERS = 4
BATCH = 32
OUTSTANDING = 256
SEED = 1
GHZ = 3.0
SIZES = {BLOCK: "4 KiB", MIB: "1 MiB"}

# Instructions per I/O of Linux 6.12, 4 KiB random in batches of 32 over null_blk (README, "Speed"): the bare device, and what a
# map adds.
BARE = 5_724
RQ_NONE = 3_067
RQ_DEADLINE = 4_383
BIO = 2_634


@dataclass(frozen=True)
class Device:
    """`k`, and t4 in nanoseconds, of each path."""

    name: str
    k: float
    t4_ns: int

    def iops(self) -> float:
        """Of 4 KiB, over all paths."""
        return PATHS * 1e9 / ((1 + self.k) * self.t4_ns)


SLOW = Device("slow", 2.7, 100_000)
FAST = Device("fast", 1.0, 1_250)

# What runs: mode, scheduler, and how many instructions it adds to an I/O.
STACKS: dict[str, tuple[str, str, int]] = {
    "rq, mq-deadline": ("rq", "mq-deadline", RQ_DEADLINE),
    "rq, none": ("rq", "none", RQ_NONE),
    "bio": ("bio", "none", BIO),
}
DEADLINE, NONE, BY_BIO = STACKS

# What the host costs: nothing; for each bio as much as for one that is a request of its own; or, of what the map adds, only a
# share for a bio that has merged. Nobody has measured a merged bio: the last two are the bounds.
FREE = "no host"
DEAR = "a merged bio costs as much as any"
CHEAP = "a merged bio costs no clone"
HOSTS = (FREE, DEAR, CHEAP)


class Modes(Experiment):
    name = "modes"
    title = "Request-based or bio-based"
    hypothesis = (
        "Request-based is faster where small neighbouring bios come and commands are dear (2008); bio-based where the "
        "host is the limit and bios do not merge: small random I/O on very fast devices (2016). With large bios, and "
        "with random ones on slow devices, it does not matter."
    )
    model = (
        "Four readers keep 256 reads each open, in plugs of 32. A path serves one command after the other in c + bytes "
        "/ B. The host is one processor, which each bio occupies for its instructions: those of Linux 6.12 over "
        "null_blk, 3 a nanosecond (3 GHz, one a cycle). In virtual time this engine itself costs nothing, so what "
        "follows from the host is Linux's, not hawser's: here a bio-based map costs as much as a request-based one "
        "without a scheduler (README, Speed)."
    )
    parameters = {
        "k": f"{SLOW.k:g} (slow), {FAST.k:g} (fast)",
        "d": DEPTH,
        "P": PATHS,
        "t4_us": f"{SLOW.t4_ns / NS_PER_US:g} (slow), {FAST.t4_ns / NS_PER_US:g} (fast)",
        "iops_4k": f"{SLOW.iops():,.0f} (slow), {FAST.iops():,.0f} (fast)",
        "readers": READERS,
        "outstanding": READERS * OUTSTANDING,
        "plug_bios": BATCH,
        "instructions_bare": BARE,
        "instructions_added_rq_deadline": RQ_DEADLINE,
        "instructions_added_rq_none": RQ_NONE,
        "instructions_added_bio": BIO,
        "instructions_per_ns": GHZ,
        "cores": 1,
        "seed": SEED,
    }
    source = (
        "the RFC of 2008 and the post of 2016; instruction counts of bench/kernel (README, Speed); seeds.md 2.2, 2.3 "
        "and 2.5: report (rq, bio) x (4 KiB, 1 MiB) x (sequential, random)"
    )
    requirements = ("S1-D7", "S2-3", "S2-5", "L-6")

    # Per reader.
    reads = 2_048
    large_reads = 512
    speeds: tuple[int, ...] = (100_000, 40_000, 20_000, 10_000, 4_000, 2_000, 1_000, 400)
    more_cores: tuple[int, ...] = (4, 16)
    # Instructions a nanosecond; without bounds the host is no limit.
    ghz = GHZ

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._cells(found)
        progress(0.5, "how fast a device")
        self._sweep(found)
        return found

    def _host_ns(self, stack: str, host: str, merges: bool, cores: int = 1) -> int:
        if host == FREE:
            return 0
        added = STACKS[stack][2]
        if host == CHEAP and merges and stack != BY_BIO:
            added //= BATCH
        return round((BARE + added) / self.ghz / cores)

    def _mb_per_s(
        self, stack: str, device: Device, size: int, sequential: bool, host: str, cores: int = 1
    ) -> tuple[float, float]:
        """MB/s, and how busy the host was."""
        mode, scheduler, _ = STACKS[stack]
        rig = StackRig(mode, PATHS, DEPTH, device.k, t4_ns=device.t4_ns, scheduler=scheduler)
        merges = sequential and size < MIB
        processor = Host(rig.world.timers, self._host_ns(stack, host, merges, cores))
        small = size == BLOCK
        rig.read(
            self.reads if small else self.large_reads,
            READERS,
            size,
            OUTSTANDING if small else BATCH,
            BATCH if small else 1,
            seed=None if sequential else SEED,
            host=processor,
        )
        took_ns = rig.run()
        return rig.mb_per_s(), processor.busy_ns / took_ns

    def _cells(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        ratios: dict[tuple[str, str, str, str], float] = {}
        names: list[str] = []
        for device in (SLOW, FAST):
            for size in SIZES:
                for sequential in (True, False):
                    what = f"{SIZES[size]} {'sequential' if sequential else 'random'}"
                    names.append(f"{device.name}, {what}")
                    for host in HOSTS:
                        if host == CHEAP and not (sequential and size == BLOCK):
                            # Nothing merges: it is the one above.
                            for rq in (DEADLINE, NONE):
                                ratios[device.name, what, rq, host] = ratios[device.name, what, rq, DEAR]
                            continue
                        speed = {stack: self._mb_per_s(stack, device, size, sequential, host) for stack in STACKS}
                        for rq in (DEADLINE, NONE):
                            ratios[device.name, what, rq, host] = speed[rq][0] / speed[BY_BIO][0]
                        rows.append(
                            [
                                device.name,
                                what,
                                host,
                                *(speed[stack][0] for stack in STACKS),
                                ratios[device.name, what, DEADLINE, host],
                                ratios[device.name, what, NONE, host],
                                max(busy for _, busy in speed.values()),
                            ]
                        )
                        for stack in STACKS:
                            found.records.append(
                                {
                                    "device": device.name,
                                    "bio_bytes": size,
                                    "sequential": sequential,
                                    "host": host,
                                    "stack": stack,
                                    "mb_per_s": speed[stack][0],
                                    "host_busy": speed[stack][1],
                                }
                            )
        found.tables.append(
            Table(
                "Request-based and bio-based",
                (
                    "device",
                    "reads",
                    "host",
                    *(f"{stack}, MB/s" for stack in STACKS),
                    "rq mq-deadline, bio = 1",
                    "rq none, bio = 1",
                    "host busy",
                ),
                rows,
                "`no host`: it takes no time. What instructions a bio costs that merges into a request nobody has "
                "measured; the truth lies between the two. Locks and context switches, of which request-based "
                "multipath had many in 2016, are in none of this.",
            )
        )
        found.curves.append(
            Curve(
                "Request-based with mq-deadline, by what is asked for",
                "",
                "throughput, bio-based = 1",
                [Series(host, names, [ratios[(*_split(name), DEADLINE, host)] for name in names]) for host in HOSTS],
                BAR,
                log_y=True,
            )
        )
        self._claim(found, ratios)

    def _claim(self, found: Findings, ratios: dict[tuple[str, str, str, str], float]) -> None:
        def claim(
            text: str, cell: tuple[str, str, str, str], low: float | None, high: float | None, says: str, row: str
        ) -> None:
            found.claims.append(Claim(f"rq, bio = 1: {text}", DERIVED, ratios[cell], low, high, says, row))

        limit = "seeds.md 1.4"
        merged = (BARE + BIO) / (BARE + RQ_DEADLINE)
        plain = (BARE + BIO) / (BARE + RQ_NONE)
        counts = "instruction counts of Linux 6.12 (README, Speed): (bare + bio) / (bare + rq)"
        claim(
            "slow device, 4 KiB sequential (2008)",
            ("slow", "4 KiB sequential", DEADLINE, DEAR),
            3,
            None,
            "threshold of seeds.md 1.6 (L-3)",
            "S1-D7",
        )
        claim("slow device, 1 MiB sequential", ("slow", "1 MiB sequential", DEADLINE, DEAR), 0.95, 1.05, limit, "S2-5")
        claim("fast device, 1 MiB sequential", ("fast", "1 MiB sequential", DEADLINE, DEAR), 0.95, 1.05, limit, "S2-5")
        claim(
            "slow device, 4 KiB random",
            ("slow", "4 KiB random", DEADLINE, DEAR),
            0.99,
            1.01,
            "seeds.md 1.6 (L-6)",
            "L-6",
        )
        claim(
            "fast device, 4 KiB random (2016), with mq-deadline",
            ("fast", "4 KiB random", DEADLINE, DEAR),
            merged * 0.99,
            merged * 1.01,
            counts,
            "S2-3",
        )
        claim(
            "fast device, 4 KiB random (2016), without a scheduler",
            ("fast", "4 KiB random", NONE, DEAR),
            plain * 0.99,
            plain * 1.01,
            counts,
            "S2-3",
        )
        claim(
            "fast device, 4 KiB random, with mq-deadline, if the host took no time",
            ("fast", "4 KiB random", DEADLINE, FREE),
            0.99,
            1.01,
            "all of it is the host's",
            "S2-3",
        )

    def _sweep(self, found: Findings) -> None:
        devices = [Device(f"{t4_ns} ns", 1.0, t4_ns) for t4_ns in self.speeds]
        iops = [device.iops() for device in devices]
        lines: list[Series] = []
        courses: dict[tuple[bool, str], list[float]] = {}
        for sequential, host, name in (
            (False, DEAR, "4 KiB random"),
            (True, DEAR, f"4 KiB sequential, {DEAR}"),
            (True, CHEAP, f"4 KiB sequential, {CHEAP}"),
        ):
            course = [self._ratio(device, sequential, host) for device in devices]
            courses[sequential, host] = course
            lines.append(Series(name, iops, course))
        found.curves.append(
            Curve(
                "Request-based with mq-deadline, by the speed of the device (one processor)",
                "random reads of 4 KiB that the device could do per second (k = 1)",
                "throughput, bio-based = 1",
                lines,
                log_x=True,
            )
        )
        random = courses[False, DEAR]
        found.limits.append(
            f"device, random 4 KiB: bio-based is 5 % ahead at {where('IOPS', iops, random, 0.95)} of the device and "
            f"beyond, {1 / random[-1]:.2f} times as fast at most; on slower ones the modes are alike (one processor, k "
            "= 1)"
        )
        dear, cheap = courses[True, DEAR], courses[True, CHEAP]
        found.limits.append(
            "device, sequential 4 KiB: request-based is ahead by the fixed cost of commands on slow ones "
            f"({dear[0]:.2f}); where the host is the limit it comes to what a merged bio costs, {dear[-1]:.2f} to "
            f"{cheap[-1]:.2f}, and nobody has measured that. At worst the modes are even at "
            f"{where('IOPS', iops, dear, 1)}"
        )
        courses_of = {1: random} | {
            cores: [self._ratio(device, False, DEAR, cores) for device in devices] for cores in self.more_cores
        }
        ends = [f"{cores}: {where('IOPS', iops, course, 0.95)}" for cores, course in courses_of.items()]
        found.limits.append(
            "processors, random 4 KiB: bio-based is 5 % ahead, by how many share the work (as if they never waited for "
            f"each other): {'; '.join(ends)}"
        )
        kept = BARE / (BARE + RQ_DEADLINE)
        found.limits.append(
            f"instructions alone: request-based multipath of 6.12 would keep {kept:.0%} of a bare device's IOPS per "
            "processor; the 31 % and 53 % that were measured in 2016 (seeds.md 2.3) have locks and context switches in "
            "them that this model has not"
        )

    def _ratio(self, device: Device, sequential: bool, host: str, cores: int = 1) -> float:
        speed = [self._mb_per_s(stack, device, BLOCK, sequential, host, cores)[0] for stack in (DEADLINE, BY_BIO)]
        return speed[0] / speed[1]


def _split(name: str) -> tuple[str, str]:
    device, _, what = name.partition(", ")
    return device, what
