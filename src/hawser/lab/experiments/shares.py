"""Which share of a random load each of unequal paths gets: what selector-shares and clock-resolution have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hawser.core.units import KIB, NS_PER_S
from hawser.lab.model.bench import Bench
from hawser.lab.model.old_clock import give_old_clock
from hawser.lab.model.scenario import LoadModel, ManagerModel, MapModel, PathModel, Scenario

SERVICE_TIME: Final = "service-time"
HISTORICAL: Final = "historical-service-time"
# The tolerance of L-7, absolute.
TOLERANCE: Final = 0.03
# A machine that has been up for some time when the load begins.
UPTIME_NS: Final = 1000 * NS_PER_S


@dataclass(frozen=True)
class Machine:
    """`times`: of each path, how many times as long as the quickest it takes for a command of 4 KiB, which takes that one
    `unit_ns`, of which the data take one part in 1 + k. Paths serve one command at a time."""

    times: Sequence[float]
    mode: str
    unit_ns: int = 100_000
    k: float = 4.0
    spread: str = "constant"
    depth: int = 64

    def paths(self) -> list[PathModel]:
        data_ns = self.unit_ns / (1 + self.k)
        return [
            PathModel(
                fixed_ns=round((self.unit_ns - data_ns) * times),
                ns_per_kib=round(data_ns * times / 4),
                slots=1,
                spread=self.spread,
                latency_ns=0,
                depth=self.depth,
            )
            for times in self.times
        ]


@dataclass(frozen=True)
class OldTime:
    """The clock of hawser.lab.model.old_clock."""

    jiffy_ns: int
    early_ns: int


def shares(
    machine: Machine, selector: str, together: int, ios: int, old: OldTime | None = None, seed: int = 1
) -> list[float]:
    """Of `ios` random writes of 4 KiB, `together` of them in flight, which part each path got."""
    scenario = Scenario(
        name="shares",
        seconds=0,
        warm_up_s=0,
        paths=machine.paths(),
        map=MapModel(mode=machine.mode, selector=f"{selector} 0", nomerges=2),
        manager=ManagerModel(enabled=False),
        loads=[LoadModel(pattern="random", write_percent=100, sizes=[4 * KIB], depth=together, batch=1, ios=ios)],
    )
    bench = Bench(scenario, seed)
    if old is not None:
        give_old_clock(bench, old.jiffy_ns, old.early_ns)
    bench.clock.now_ns = UPTIME_NS
    bench.run()
    total = sum(path.commands for path in bench.paths)
    return [path.commands / total for path in bench.paths]


def farthest(found: Sequence[float], published: Sequence[float]) -> float:
    """The largest difference."""
    return max(abs(mine - theirs) for mine, theirs in zip(found, published, strict=True))
