"""service-time-overflow: the sign of Linux's service-time flips when a difference of products leaves an int; hawser's does not.

Four questions: where it flips (exactly), what that does to an array after a failover, whether random states find it, and what a
real kernel did.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_S, NS_PER_US
from hawser.lab.experiments.base import (
    DERIVED,
    LINE,
    Claim,
    Curve,
    Experiment,
    Findings,
    Progress,
    Series,
    Span,
    Table,
    Value,
    quietly,
)
from hawser.lab.experiments.service_time_states import (
    HALF,
    cases_of,
    difference,
    found_interval,
    should_flip,
    wanted_interval,
)
from hawser.lab.model.flips import BLOCK, IO_MAX, Chooser, Shrinker, draw, hunt
from hawser.lab.model.play import play
from hawser.lab.model.scenario import MESSAGE, Fault, LoadModel, ManagerModel, MapModel, PathModel, Scenario
from hawser.lab.model.service_time_int32 import NAME as INT32
from hawser.lab.recordings import OVERFLOW, differing, played, recorded, script

SHIPPED: Final = "service-time"
KERNEL: Final = "Linux drivers/md/dm-ps-service-time.c, st_compare_load(): an int from a size_t"
DERIVATION: Final = "2^31 < (X + n) w_fast - n w_slow <= 2^32, an int having 32 bits"
# Weights of the slow and the fast path.
PAIRS: Final = ((1, 100), (1, 50), (1, 10), (1, 4), (50, 100), (99, 100), (1, 1))
SLOW_NS_PER_KIB: Final = 20_000
FAST_NS_PER_KIB: Final = 200
FIXED_NS: Final = 10_000
T4_SLOW_NS: Final = 4 * SLOW_NS_PER_KIB
TAGS: Final = 1023


def failback(
    selector: str,
    depth: int,
    mode: str = "bio",
    tags: int = TAGS,
    weight: int = 100,
    size: int = MIB,
    fails: bool = True,
) -> Scenario:
    """A client with `depth` I/Os open, all on the slow path when, after a second, the fast one is reinstated; measured from
    then."""
    words = ("fail_path {p1}", "reinstate_path {p1}") if fails else ()
    slow = PathModel(FIXED_NS, SLOW_NS_PER_KIB, slots=1, latency_ns=0, depth=tags, weight=1)
    fast = PathModel(FIXED_NS, FAST_NS_PER_KIB, slots=1, latency_ns=0, depth=tags, weight=weight)
    return Scenario(
        name=f"failback {selector} {mode} {depth}",
        size_bytes=1 << 40,
        seconds=2.0,
        warm_up_s=1.0,
        window_ms=100,
        paths=[slow, fast],
        map=MapModel(mode=mode, selector=f"{selector} 0"),
        manager=ManagerModel(enabled=False),
        loads=[LoadModel(sizes=[size], depth=depth, batch=1, plug=False, start_ns=NS_PER_MS)],
        faults=[Fault(number * NS_PER_S, MESSAGE, words=text) for number, text in enumerate(words)],
    )


def is_trapped(outcome: Mapping[str, Any]) -> bool:
    """Whether the fast path was sent nothing since it came back."""
    return bool(outcome["ios"] > 0 and outcome["paths"][1]["commands"] == 0)


class ServiceTimeOverflow(Experiment):
    """`shipped` and `kernels`: the selectors compared, by their names in tables."""

    name = "service-time-overflow"
    title = "service-time with Linux's numbers prefers a path with 20.5 to 41 MiB in flight to an idle one 100 times as fast"
    hypothesis = (
        "Linux compares two paths by a difference of products of bytes and weights, and answers with an int: from 2^31 on the "
        "sign is wrong, so that after a failover the slow path keeps the load although the fast one is back. Whole numbers "
        "of any size have no such interval."
    )
    model = (
        "Two paths, one server each, serial: c + bytes / B. The fast one fails, a closed load fills the slow one, the fast one "
        "is reinstated; no manager. Laboratory only: service-time-int32, hawser's rule in Linux's widths. Random states: 2 to 6 "
        "paths, weights 1 to 100, up to 64 I/Os of 4 KiB to 1 MiB on each."
    )
    parameters: Mapping[str, Value] = {
        "P": 2,
        "d": TAGS,
        "c_us": FIXED_NS / 1000,
        "slow_mib_per_s": round(NS_PER_S / SLOW_NS_PER_KIB / 1024, 1),
        "fast_mib_per_s": round(NS_PER_S / FAST_NS_PER_KIB / 1024, 1),
        "k_slow": FIXED_NS / T4_SLOW_NS,
        "k_fast": FIXED_NS / (4 * FAST_NS_PER_KIB),
        "weights": "1 and 100",
        "io_bytes": MIB,
    }
    source = f"{KERNEL}; Linux 6.12.117, recorded by tools/kernel_record.py from lab/recorded/{OVERFLOW}.dm"

    # What is tried: reads of 1 MiB open, and where no path fails; queue modes; weights of the fast path; sizes of an I/O; tags of
    # a path; seeds, and flips to shrink.
    depths: Sequence[int] = (16, 20, 21, 24, 32, 40, 41, 42, 48, 64)
    calm: Sequence[int] = (24, 32, 64, 128, 256)
    modes: Sequence[str] = ("bio", "rq")
    weights: Sequence[int] = range(80, 101)
    sizes: Sequence[int] = (64 * KIB, 256 * KIB, MIB)
    tags: Sequence[int] = range(16, 26)
    seeds: int = 4000
    shrunk: int = 24

    def __init__(self, shipped: str = SHIPPED, kernels: str = INT32) -> None:
        self.shipped = shipped
        self.kernels = kernels

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        progress(0.0, "where it flips")
        self._intervals(found)
        progress(0.1, "failback")
        self._failback(found)
        progress(0.5, "limits")
        self._limits(found)
        progress(0.7, "random states")
        self._search(found)
        progress(0.8, "the kernel")
        self._kernel(found)
        progress(1.0, "done")
        return found

    # Where it flips.

    def _intervals(self, found: Findings) -> None:
        kernels, shipped = Chooser(self.kernels), Chooser(self.shipped)
        rows: list[Sequence[Value]] = []
        right = none = 0
        for slow, fast in PAIRS:
            wanted = wanted_interval(slow, fast, BLOCK)
            measured = found_interval(kernels, slow, fast, BLOCK)
            right += measured == wanted
            none += found_interval(shipped, slow, fast, BLOCK) is None
            least, most = measured or (0, 0)
            rows.append([slow, fast, wanted[0], wanted[1], least, most, round(least / MIB, 2), round(most / MIB, 2)])
        columns = ["slow", "fast", "derived from", "to", "found from", "to", "from, MiB", "to, MiB"]
        note = (
            f"Bytes in flight on the slow path, in sectors, at which a read of {BLOCK} takes it; the fast path is idle."
        )
        found.tables.append(Table(f"Where {self.kernels} flips, by weights", columns, rows, note))
        count = len(PAIRS)
        found.claims += [
            Claim("intervals that are the derived ones, to the sector", DERIVED, right, count, count, DERIVATION),
            Claim("pairs of weights with no flip as shipped", DERIVED, none, count, count, "exact arithmetic"),
        ]

    # What it does.

    def _failback(self, found: Findings) -> None:
        rows: list[Sequence[Value]] = []
        rates: dict[tuple[str, str], list[float]] = {}
        trapped: dict[str, list[str]] = {self.kernels: [], self.shipped: []}
        ratios: list[float] = []
        waits: list[float] = []
        for mode in self.modes:
            for depth in self.depths:
                pair = [play(failback(name, depth, mode), 1) for name in (self.kernels, self.shipped)]
                for name, outcome in zip((self.kernels, self.shipped), pair, strict=True):
                    rates.setdefault((mode, name), []).append(outcome["mb_per_s"])
                    found.records.append(_record(mode, depth, name, outcome))
                    if is_trapped(outcome) and f"{mode} {depth}" not in trapped[name]:
                        trapped[name].append(f"{mode} {depth}")
                ratio = pair[1]["mb_per_s"] / pair[0]["mb_per_s"]
                if should_flip((depth - 1) * MIB, MIB):
                    ratios.append(ratio)
                    waits.append(pair[0]["latency_us"]["p50"] * NS_PER_US / depth)
                rows.append([mode, depth, *_cells(pair[0]), *_cells(pair[1]), round(ratio, 2)])
        columns = ["mode", "depth", "MB/s", "p99, ms", "fast, %", "MB/s shipped", "p99, ms", "fast, %", "ratio"]
        note = "The first three by Linux's arithmetic, the next three as shipped; from the reinstatement on, reads of 1 MiB."
        found.tables.append(Table("After the fast path has come back", columns, rows, note))
        flipping = [depth for depth in self.depths if should_flip((depth - 1) * MIB, MIB)]
        expected = [f"{mode} {depth}" for mode in self.modes for depth in flipping]
        slow_ns = FIXED_NS + 1024 * SLOW_NS_PER_KIB
        fast = slow_ns / (FIXED_NS + 1024 * FAST_NS_PER_KIB)
        where = (
            f"with d I/Os of 1 MiB open the next one finds X = d - 1 MiB on the slow path: d of {_told(flipping)} flip"
        )
        missed = len(set(expected) ^ set(trapped[self.kernels]))
        found.claims += [
            Claim("depths trapped that should not be, or the reverse", DERIVED, missed, 0, 0, where),
            Claim(
                "depths at which the shipped one leaves the fast path idle",
                DERIVED,
                len(trapped[self.shipped]),
                0,
                0,
                where,
            ),
            Claim(
                "least gain over the trap in throughput",
                DERIVED,
                min(ratios),
                0.95 * fast,
                1.05 * fast,
                f"the paths' rates: {fast:.1f}, and the slow path's I/Os as they end",
            ),
            Claim(
                "longest median latency of the trapped, by their number",
                DERIVED,
                max(waits) / NS_PER_MS,
                0.99 * slow_ns / NS_PER_MS,
                1.01 * slow_ns / NS_PER_MS,
                "each waits for all the others that are open on the slow path",
                unit="ms",
            ),
        ]
        series = [Series(f"{name}, {mode}", list(self.depths), ys) for (mode, name), ys in rates.items()]
        spans = [Span(21, 40, "the sign is wrong"), Span(63, 81, "and again")]
        title = "Throughput after the fast path has come back"
        found.curves.append(Curve(title, "reads of 1 MiB open", "MB/s", series, LINE, spans, log_y=True))

    # Where it stops.

    def _limits(self, found: Findings) -> None:
        kernels = self.kernels
        weights = [weight for weight in self.weights if is_trapped(play(failback(kernels, 24, weight=weight), 1))]
        tags = [tags for tags in self.tags if is_trapped(play(failback(kernels, 64, "rq", tags), 1))]
        sizes = [size for size in self.sizes if is_trapped(play(failback(kernels, 24 * MIB // size, size=size), 1))]
        least = min(weights, default=0)
        calm = [depth for depth in self.calm if is_trapped(play(failback(kernels, depth, fails=False), 1))]
        pair = [play(failback(name, 42), 1) for name in (kernels, self.shipped)]
        above = [outcome["latency_us"]["p99"] / 1000 for outcome in pair]
        rows: list[Sequence[Value]] = [
            ["weight of the fast path, 24 MiB open", _told(self.weights), _told(weights)],
            ["tags of a path (request-based), 64 MiB open", _told(self.tags), _told(tags)],
            ["bytes of an I/O, 24 MiB open", _told(self.sizes), _told(sizes)],
            ["MiB open, and no path has failed", _told(self.calm), _told(calm)],
        ]
        title = f"What it takes for {self.kernels} to leave the fast path idle"
        found.tables.append(Table(title, ["varied", "tried", "trapped"], rows))
        where = "24 MiB w - 1 MiB > 2^31: w of 86 and more"
        found.claims.append(Claim("least weight that traps 24 MiB", DERIVED, least, 86, 86, where))
        found.limits += [
            f"weights closer to each other need more in flight: with 24 MiB the fast path's has to be {least} (slow: 1); "
            "equal weights flip at 2 GiB only",
            f"request-based, a path with fewer than {min(tags, default=0)} tags never has enough in flight, with 1 MiB to a "
            "request: d times the largest request has to pass 20.5 MiB; bio-based there is no such bound",
            "from 41 to 61.4 MiB the sign is right: throughput is back, but the slow path is kept at 40 MiB: with 42 MiB open "
            f"one I/O in a hundred takes {above[0]:.0f} ms and more, as shipped {above[1]:.1f}",
            "it takes an imbalance that the selector did not make itself, as a failover does: with both paths there from the "
            "beginning nothing is trapped, as it keeps the products close to each other",
        ]

    # Seeds.

    def _search(self, found: Findings) -> None:
        kernels, shipped = Chooser(self.kernels), Chooser(self.shipped)
        hunted = hunt(kernels, shipped, 0, self.seeds)
        least, _ = wanted_interval(1, 100, BLOCK)
        least = -(-least // BLOCK) * BLOCK
        rows: list[Sequence[Value]] = []
        same = 0
        for seed in hunted.flips[: self.shrunk]:
            state = draw(seed)
            shrinker = Shrinker(kernels, state)
            shrinker.work()
            small = shrinker.state
            same += (len(small.weights), small.ios(), small.total(), small.size) == (
                2,
                -(-least // IO_MAX),
                least,
                BLOCK,
            )
            if len(rows) < 3:
                rows += [[seed, "drawn", state.text()], [seed, f"{shrinker.tries} tries later", small.text()]]
        found.tables.append(Table("The first flips by seed, and what they shrink to", ["seed", "", "state"], rows))
        wanted = min(self.shrunk, len(hunted.flips))
        where = f"seeds 0 to {self.seeds - 1}; judged by (X + n) / w as fractions"
        found.claims += [
            Claim(
                f"states of {self.seeds:,} in which {self.kernels} takes a worse path",
                DERIVED,
                len(hunted.flips),
                1,
                None,
                where,
            ),
            Claim("states in which the shipped one does", DERIVED, hunted.others_flips, 0, 0, where),
            Claim(
                "states that the two judge differently, without a flip",
                DERIVED,
                hunted.differ - len(hunted.flips),
                0,
                0,
                where,
            ),
            Claim(
                f"flips, of the first {wanted}, that shrink to the least state there is",
                DERIVED,
                same,
                max(1, wanted),
                wanted,
                f"2 paths, weights 1 and 100, {-(-least // IO_MAX)} I/Os of {least:,} bytes in all, then {BLOCK:,}",
            ),
        ]

    # The kernel.

    def _kernel(self, found: Findings) -> None:
        text = script(OVERFLOW)
        linux = recorded(OVERFLOW)
        modelled = played(text, (SHIPPED, self.kernels))
        as_shipped = played(text, (SHIPPED, self.shipped))
        rows: list[Sequence[Value]] = []
        agree = wrong = 0
        sides = [cases_of(said) for said in (linux.said, modelled, as_shipped)]
        for kernel, model, ours in zip(*sides, strict=True):
            agree += kernel.took_slow == should_flip(kernel.load, kernel.size)
            wrong += ours.took_slow
            taken = [case.path() for case in (kernel, model, ours)]
            rows.append([kernel.load, kernel.size, difference(kernel.load, kernel.size), *taken])
        columns = ["in flight", "next", "difference", f"Linux {linux.kernel}", self.kernels, self.shipped]
        note = (
            "Bytes on the slow path (weight 1), and the path that the next read took; the fast one (weight 100) was idle. "
            f"2^31 is {HALF:,}, 2^32 {2 * HALF:,}."
        )
        found.tables.append(Table("A real kernel, asked", columns, rows, note))
        differ = differing(linux.said, modelled)
        flipped = sum(case.took_slow for case in sides[0])
        where = f"recorded from Linux {linux.kernel}: {OVERFLOW}.dm"
        count = len(rows)
        found.claims += [
            Claim("cases in which the kernel took the path that was derived", DERIVED, agree, count, count, where),
            Claim("cases in which the kernel left the idle fast path alone", DERIVED, flipped, 1, count - 1, where),
            Claim(
                f"commands, of {len(linux.said)}, of which {self.kernels} makes hawser print something else",
                DERIVED,
                len(differ),
                0,
                0,
                where,
            ),
            Claim("cases in which the shipped one leaves it alone", DERIVED, wrong, 0, 0, "exact arithmetic"),
        ]


def _told(numbers: Sequence[int]) -> str:
    if not numbers:
        return "none"
    is_range = len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]} to {numbers[-1]}" if is_range else ", ".join(f"{number:,}" for number in numbers)


def _cells(outcome: Mapping[str, Any]) -> list[Value]:
    commands = [path["commands"] for path in outcome["paths"]]
    share = 100 * commands[1] / sum(commands)
    return [round(outcome["mb_per_s"], 1), round(outcome["latency_us"]["p99"] / 1000, 1), round(share, 1)]


def _record(mode: str, depth: int, selector: str, outcome: Mapping[str, Any]) -> dict[str, Value]:
    latency = outcome["latency_us"]
    return {
        "mode": mode,
        "depth": depth,
        "selector": selector,
        "mb_per_s": outcome["mb_per_s"],
        "p50_us": latency["p50"],
        "p99_us": latency["p99"],
        "slow_commands": outcome["paths"][0]["commands"],
        "fast_commands": outcome["paths"][1]["commands"],
    }
