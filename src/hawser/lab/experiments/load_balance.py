"""load-balance: S1-B1, "better load balancing" of the RFC of 2008, made measurable in three ways.

(i) A path change with every request costs no throughput, though it does with every bio. (ii) Equal paths have as many bytes in
flight as each other. (iii) Unequal paths are done at the same time. Linux's service-time is the selector that the RFC asked for.
"""

from collections.abc import Sequence
from typing import Final

from hawser.core.units import KIB, NS_PER_US
from hawser.lab.experiments.base import (
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
from hawser.lab.model.bench import Bench
from hawser.lab.model.each import keep_each
from hawser.lab.model.scenario import LoadModel, ManagerModel, MapModel, PathModel, Scenario

SERVICE_TIME: Final = "service-time"
T4_NS: Final = 10_000
K: Final = 2.7
BLOCK: Final = 4 * KIB
SIZES: Final = (4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB)
SPEEDS: Final = (1, 2, 4)
EVEN_MAX: Final = 1.25
MAKESPAN_MAX: Final = 1.05
GAIN_MIN: Final = 3.8
SAMPLE_NS: Final = 50 * NS_PER_US
TOGETHER: Final = 32
TOGETHER_UNEQUAL: Final = 126
IOS: Final = 6_000
SEQUENTIAL: Final = 32_768
# How many I/Os are in flight at once, of those that the claims are about the right one.
SWEPT: Final = (4, 8, 16, 64, TOGETHER)
SWEPT_UNEQUAL: Final = (7, 14, 28, 63, TOGETHER_UNEQUAL)
MODES: Final = ("rq", "bio")
WHERE: Final = "seeds 1.3, S1-B1"
REQUIREMENT: Final = "S1-B1"


class LoadBalance(Experiment):
    name = "load-balance"
    title = "Better load balancing, measured: bytes in flight, makespan, and what a path change costs"
    hypothesis = (
        "service-time keeps the bytes in flight of equal paths within 1.25 of each other and has paths of 1 : 2 : 4 done "
        "within 5 % of the ideal; and with requests as its unit a change of path for each costs nothing, as it does with bios"
    )
    model = (
        "each path serves one command after the other, c + bytes / B, t4 = 10 us; reads in a closed loop; sizes drawn from 4, "
        "16, 64 and 256 KiB (even), 64 KiB and c = 0 with speeds 1, 2, 4 that the selector is told (makespan), or sequential "
        "4 KiB in plugs of 128 with mq-deadline (path change)"
    )
    parameters = {
        "P": "4 (even, path change), 3 (makespan)",
        "d": "64, 128, 32",
        "k": K,
        "together": TOGETHER,
        "together_unequal": TOGETHER_UNEQUAL,
        "ios": IOS,
        "sequential_ios": SEQUENTIAL,
        "sample_us": SAMPLE_NS // NS_PER_US,
    }
    source = WHERE
    requirements = (REQUIREMENT,)

    def __init__(
        self, ios: int = IOS, sequential: int = SEQUENTIAL, selector: str = SERVICE_TIME, limits: bool = True
    ) -> None:
        """`selector`: what stands where service-time should. `limits`: whether to look for where the claims stop holding."""
        self.ios = ios
        self.sequential = sequential
        self.selector = selector
        self.limits = limits

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._even(found)
        progress(0.3, "makespan")
        self._makespan(found)
        progress(0.6, "path change")
        self._change(found)
        return found

    # (ii) Bytes in flight.

    def _even(self, found: Findings) -> None:
        together = sorted(SWEPT) if self.limits else [TOGETHER]
        lines: dict[str, list[float]] = {}
        for selector in (self.selector, "queue-length", "round-robin"):
            lines[selector] = [self._unevenness("rq", selector, count) for count in together]
        columns = ["selector", *(f"{count} in flight" for count in together)]
        sizes = ", ".join(str(size // KIB) for size in SIZES)
        note = f"means over time, a sample every {SAMPLE_NS // NS_PER_US} us; reads of {sizes} KiB"
        rows: list[list[Value]] = [[selector, *line] for selector, line in lines.items()]
        for selector, line in lines.items():
            for count, ratio in zip(together, line, strict=True):
                found.records.append({"what": "in flight", "selector": selector, "together": count, "ratio": ratio})
        found.tables.append(
            Table("Bytes in flight of the fullest of four equal paths, in that of the emptiest", columns, rows, note)
        )
        for mode in MODES:
            found.claims.append(
                Claim(
                    f"{mode}: bytes in flight of the fullest path, in that of the emptiest",
                    DERIVED,
                    self._unevenness(mode, self.selector, TOGETHER),
                    None,
                    EVEN_MAX,
                    WHERE,
                    REQUIREMENT,
                )
            )
        for selector, line in lines.items():
            broken = [count for count, ratio in zip(together, line, strict=True) if ratio > EVEN_MAX]
            if broken:
                found.limits.append(
                    f"{selector} is not even with {broken[0]} in flight on four paths: {line[together.index(broken[0])]:.2f}"
                )
            else:
                found.limits.append(
                    f"{selector} is even from {together[0]} to {together[-1]} in flight on four paths ({max(line):.2f} at most)"
                )
        found.curves.append(
            Curve(
                "How uneven four equal paths are filled",
                "reads in flight",
                "fullest / emptiest",
                [Series(selector, together, line) for selector, line in lines.items()],
                log_x=True,
            )
        )

    def _unevenness(self, mode: str, selector: str, together: int) -> float:
        paths = [
            PathModel(fixed_ns=round(K * T4_NS), ns_per_kib=T4_NS // 4, slots=1, latency_ns=0, depth=64)
            for _ in range(4)
        ]
        bench = _bench(mode, selector, paths, LoadModel(sizes=list(SIZES), depth=together, batch=1, ios=self.ios))
        held = [0] * len(paths)
        while not bench.is_finished():
            bench.advance(bench.clock.now_ns + SAMPLE_NS)
            for number, path in enumerate(bench.paths):
                held[number] += sum(request.size for request in path.outstanding())
        return max(held) / min(held)

    # (iii) Makespan.

    def _makespan(self, found: Findings) -> None:
        together = sorted(SWEPT_UNEQUAL) if self.limits else [TOGETHER_UNEQUAL]
        lines: dict[str, list[float]] = {}
        for selector, is_told in ((self.selector, True), (self.selector, False), ("round-robin", False)):
            name = f"{selector}{', told the speeds' if is_told else ''}"
            lines[name] = [self._over_ideal("rq", selector, is_told, count) for count in together]
        rows: list[list[Value]] = [[name, *line] for name, line in lines.items()]
        for name, line in lines.items():
            for count, over in zip(together, line, strict=True):
                found.records.append({"what": "makespan", "selector": name, "together": count, "ratio": over})
        columns = ["selector", *(f"{count} in flight" for count in together)]
        found.tables.append(Table("Makespan on paths of 1 : 2 : 4, in the ideal one", columns, rows))
        for mode in MODES:
            found.claims.append(
                Claim(
                    f"{mode}: makespan on paths of 1 : 2 : 4 that the selector was told, in the ideal one",
                    DERIVED,
                    self._over_ideal(mode, self.selector, True, TOGETHER_UNEQUAL),
                    0.999,
                    MAKESPAN_MAX,
                    WHERE,
                    REQUIREMENT,
                )
            )
        told = lines[f"{self.selector}, told the speeds"]
        broken = [count for count, over in zip(together, told, strict=True) if over > MAKESPAN_MAX]
        if broken:
            found.limits.append(
                f"the makespan is not within 5 % with {max(broken)} in flight ({told[together.index(max(broken))]:.2f} of the "
                "ideal)"
            )
        else:
            found.limits.append(
                f"the makespan is within 5 % from one I/O for each part of the speed ({told[0]:.3f}) on"
            )
        untold = lines[self.selector][-1]
        found.limits.append(
            f"what the selector is told matters for the end only: untold it is at {untold:.2f} of the ideal with "
            f"{together[-1]} in flight, as every path is busy until there is no more to ask for, and then the slow one has as "
            "much left as the others"
        )

    def _over_ideal(self, mode: str, selector: str, is_told: bool, together: int) -> float:
        size = 64 * KIB
        paths = [
            PathModel(
                fixed_ns=0,
                ns_per_kib=T4_NS // 4 // speed,
                slots=1,
                latency_ns=0,
                depth=128,
                weight=speed if is_told else 1,
            )
            for speed in SPEEDS
        ]
        bench = _bench(mode, selector, paths, LoadModel(sizes=[size], depth=together, batch=1, ios=self.ios))
        meter = keep_each(bench)
        bench.run()
        took_ns = max(at_ns + wait_ns for at_ns, wait_ns, _ in meter.each)
        return took_ns * sum(SPEEDS) / (self.ios * (size // BLOCK) * T4_NS)

    # (i) A path change with each.

    def _change(self, found: Findings) -> None:
        counts = (1, 2, 4, 8) if self.limits else (4,)
        gains: dict[str, list[float]] = {}
        rows: list[list[Value]] = []
        one = self._sequential("rq", 1)[0]
        for mode in MODES:
            played = [self._sequential(mode, paths) for paths in counts]
            gains[mode] = [speed / one for speed, _ in played]
            rows += [
                [mode, paths, gain, size] for paths, gain, (_, size) in zip(counts, gains[mode], played, strict=True)
            ]
        columns = ["mode", "paths", "throughput in that of one path", "KiB per command"]
        found.tables.append(Table("A sequential reader, each I/O unit on another path", columns, rows))
        gain = gains["rq"][counts.index(4)]
        found.claims += [
            Claim(
                "four paths, each request on another one: in one path",
                DERIVED,
                gain,
                GAIN_MIN,
                None,
                WHERE,
                REQUIREMENT,
            ),
            Claim(
                "the same by bios, in what it is by requests",
                DERIVED,
                gains["bio"][counts.index(4)] / gain,
                None,
                1 / 3,
                f"(1 + k) / (1 + k / 128) = {(1 + K) / (1 + K / 128):.2f} at k = {K:g} (seeds 1.6)",
                REQUIREMENT,
            ),
        ]
        broken = [paths for paths, gain in zip(counts, gains["rq"], strict=True) if gain < 0.95 * paths]
        if broken:
            found.limits.append(
                f"with {min(broken)} paths a sequential reader gains {gains['rq'][counts.index(min(broken))]:.2f} times one "
                "path only: its 512 in flight are 4 requests of 128 bios"
            )
        found.curves.append(
            Curve(
                "A sequential reader over more paths",
                "paths",
                "times one path",
                [Series(f"{mode}, round-robin", counts, line) for mode, line in gains.items()],
            )
        )

    def _sequential(self, mode: str, count: int) -> tuple[float, float]:
        """Bytes per ns, and KiB per command, with round-robin: each unit takes another path."""
        paths = [
            PathModel(fixed_ns=round(K * T4_NS), ns_per_kib=T4_NS // 4, slots=1, latency_ns=0, depth=32)
            for _ in range(count)
        ]
        load = LoadModel(pattern="sequential", sizes=[BLOCK], depth=512, batch=128, ios=self.sequential)
        bench = _bench(mode, "round-robin", paths, load, "mq-deadline")
        meter = keep_each(bench)
        bench.run()
        took_ns = max(at_ns + wait_ns for at_ns, wait_ns, _ in meter.each)
        commands = sum(path.commands for path in bench.paths)
        return self.sequential * BLOCK / took_ns, self.sequential * BLOCK / commands / KIB


def _bench(mode: str, selector: str, paths: Sequence[PathModel], load: LoadModel, scheduler: str = "none") -> Bench:
    merges = 0 if load.pattern == "sequential" else 2
    scenario = Scenario(
        name="load-balance",
        seconds=0,
        warm_up_s=0,
        window_ms=1,
        paths=list(paths),
        map=MapModel(mode=mode, selector=f"{selector} 0", scheduler=scheduler, nomerges=merges),
        manager=ManagerModel(enabled=False),
        loads=[load],
    )
    return Bench(scenario, 1)
