"""failover: L-9, what it costs that one of four paths fails.

Three ways to fail: its server dies (known at once), nothing passes any more (known after the I/O timeout), and it answers with
errors of transport. What was in flight on it, and what was sent to it before that was known, is tried once more elsewhere; nobody
else may notice, and nobody may see an error.
"""

from dataclasses import dataclass
from typing import Any, Final

from hawser.core.clock import Timer
from hawser.core.units import GIB, KIB, NS_PER_MS, NS_PER_S, NS_PER_US
from hawser.lab.experiments.base import (
    DERIVED,
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
from hawser.lab.model.array import ModelPath
from hawser.lab.model.bench import Bench
from hawser.lab.model.each import keep_each
from hawser.lab.model.scenario import (
    BLACK_HOLE,
    ERROR,
    KILL,
    Fault,
    LoadModel,
    ManagerModel,
    MapModel,
    PathModel,
    Scenario,
)

PATHS: Final = 4
FIXED_NS: Final = 4 * NS_PER_MS
NS_PER_KIB: Final = 2_500
WIRE_NS: Final = 50 * NS_PER_US
SLOTS: Final = 16
TOGETHER: Final = 32
DEPTH: Final = 64
AT_S: Final = 0.5
SECONDS: Final = 1.5
TIMEOUT_MS: Final = 500
# An odd moment, so that commands are at every stage.
ODD_NS: Final = 123_457
KINDS: Final = (KILL, BLACK_HOLE, ERROR)
# After how long it is known, in ns.
DETECTED_NS: Final = {KILL: 0, BLACK_HOLE: TIMEOUT_MS * NS_PER_MS, ERROR: 0}
MODES: Final = ("rq", "bio")
# A disk on which writes overlap.
SMALL: Final = 1024 * KIB
WHERE: Final = "seeds 1.6, L-9"
REQUIREMENT: Final = "L-9"


@dataclass
class Failover:
    """`in_flight` on the failing path when it failed; `sent_after` that; `retried`: commands beyond one for each I/O; `hurt`:
    I/Os that took longer than the longest before; `added_ns`: the most that one of them took beyond the longest before; `errors`
    that clients saw; `events`: how often the engine failed a path."""

    in_flight: int
    sent_after: int
    retried: int
    hurt: int
    added_ns: int
    errors: int
    events: int
    usual_ns: int
    outcome: dict[str, Any]


class _Look(Timer):
    """What these paths hold when the time comes, and what they were sent before."""

    def __init__(self, paths: list[ModelPath]) -> None:
        super().__init__()
        self.paths = paths
        self.in_flight = 0
        self.commands = 0

    def expire(self) -> None:
        self.in_flight = sum(len(path.outstanding()) for path in self.paths)
        self.commands = sum(path.commands for path in self.paths)


class FailoverCost(Experiment):
    name = "failover"
    title = "What a failover costs: one of four paths dies, falls silent, or answers with errors"
    hypothesis = (
        "Exactly the I/Os that the failing path holds are tried again, once each; they take no longer than until it is known, "
        "and one service time; one path is failed, once, and no client sees an error"
    )
    model = (
        "four paths, 16 commands served at once by each, c + bytes / B, times 0.5 to 1.5, a wire of 50 us; random reads of 4 "
        "KiB, a closed loop of 32; no manager, so that nobody but I/O finds out; a silent path is known after the I/O "
        "timeout, the others at once"
    )
    parameters = {
        "P": PATHS,
        "d": DEPTH,
        "k": FIXED_NS / (4 * NS_PER_KIB),
        "slots": SLOTS,
        "together": TOGETHER,
        "fails_at_s": AT_S,
        "timeout_ms": TIMEOUT_MS,
        "seconds": SECONDS,
    }
    source = WHERE
    requirements = (REQUIREMENT,)

    def __init__(
        self,
        seconds: float = SECONDS,
        failing: tuple[int, ...] = (0,),
        kinds: tuple[str, ...] = KINDS,
        modes: tuple[str, ...] = MODES,
        limits: bool = True,
    ) -> None:
        """`failing`: the paths that fail at once; the claims are about one. `limits`: whether to look for where they stop
        holding."""
        self.seconds = seconds
        self.failing = list(failing)
        self.kinds = kinds
        self.modes = modes
        self.limits = limits

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        rows: list[list[Value]] = []
        lines: list[Series] = []
        rates: list[Series] = []
        for kind in self.kinds:
            for mode in self.modes:
                progress(0.1 * len(rows), f"{kind}, {mode}")
                cost = self._play(mode, kind, self.failing)
                row: list[Value] = [kind, mode, cost.in_flight, cost.sent_after, cost.retried, cost.hurt]
                rows.append([*row, cost.added_ns / NS_PER_MS, cost.errors, cost.events])
                self._claim(found, kind, mode, cost)
                if mode == "rq":
                    windows = cost.outcome["windows"]
                    at = [window["t"] - AT_S for window in windows]
                    lines.append(Series(kind, at, [window["max_us"] / 1000 for window in windows]))
                    length_s = windows[1]["t"] - windows[0]["t"]
                    rates.append(Series(kind, at, [window["ios"] / length_s / 1000 for window in windows]))
        columns = ["fault", "mode", "in flight", "sent after", "retried", "hurt", "added ms", "errors", "paths failed"]
        found.tables.append(Table("One of four paths fails", columns, rows, "added: of the I/O that was hurt most"))
        found.records += [dict(zip(columns, row, strict=True)) for row in rows]
        silent = Span(0, TIMEOUT_MS / 1000, "silence is not known yet")
        label = "seconds since it failed"
        found.curves += [
            Curve(
                "The longest I/O of each 20 ms, when one of four paths fails",
                label,
                "ms",
                lines,
                spans=[silent],
                log_y=True,
            ),
            Curve("Throughput, when one of four paths fails", label, "thousand I/Os a second", rates, spans=[silent]),
        ]
        if self.limits:
            progress(0.7, "limits")
            self._limits(found)
        return found

    def _claim(self, found: Findings, kind: str, mode: str, cost: Failover) -> None:
        what = f"{kind}, {mode}"
        # What is on its way when errors begin is still answered well.
        held = cost.sent_after + (0 if kind == ERROR else cost.in_flight)
        bound_ms = (DETECTED_NS[kind] + cost.usual_ns) / NS_PER_MS
        wanted = (
            f"{WHERE}: what was sent to it until that was known{'' if kind == ERROR else ', and what it held before'}"
        )
        found.claims += [
            Claim(f"{what}: I/Os tried again", DERIVED, cost.retried, max(1, held), held, wanted, REQUIREMENT),
            Claim(
                f"{what}: I/Os that took longer than any before, in those tried again",
                DERIVED,
                cost.hurt / cost.retried if cost.retried else float(cost.hurt),
                None,
                1,
                "nobody else notices",
                REQUIREMENT,
            ),
            Claim(f"{what}: I/Os that failed", DERIVED, cost.errors, 0, 0, "invariant I3", REQUIREMENT),
            Claim(f"{what}: path-failed events", DERIVED, cost.events, 1, 1, WHERE, REQUIREMENT),
            Claim(
                f"{what}: most that one I/O took beyond the usual",
                DERIVED,
                cost.added_ns / NS_PER_MS,
                None,
                bound_ms,
                f"{WHERE}: detection ({DETECTED_NS[kind] // NS_PER_MS} ms) and one service time",
                REQUIREMENT,
                "ms",
            ),
        ]

    def _play(
        self,
        mode: str,
        kind: str,
        failing: list[int],
        paths: int = PATHS,
        slots: int = SLOTS,
        write_percent: int = 0,
        again_ns: int = 0,
        size_bytes: int = GIB,
        more_s: float = 0.0,
    ) -> Failover:
        """`again_ns`: so long after the first, the next path fails as well."""
        at_ns = int(AT_S * NS_PER_S) + ODD_NS
        faults = [Fault(at_ns, kind, paths=[number]) for number in failing]
        if again_ns:
            faults.append(Fault(at_ns + again_ns, kind, paths=[failing[-1] + 1]))
        scenario = Scenario(
            name="failover",
            seconds=self.seconds + more_s,
            warm_up_s=0,
            window_ms=20,
            size_bytes=size_bytes,
            paths=[
                PathModel(
                    fixed_ns=FIXED_NS,
                    ns_per_kib=NS_PER_KIB,
                    slots=slots,
                    spread="uniform",
                    latency_ns=WIRE_NS,
                    depth=DEPTH,
                )
                for _ in range(paths)
            ],
            map=MapModel(mode=mode, selector="service-time 0", nomerges=2),
            manager=ManagerModel(enabled=False, io_timeout_ns=TIMEOUT_MS * NS_PER_MS),
            loads=[LoadModel(sizes=[4 * KIB], write_percent=write_percent, depth=TOGETHER, batch=1)],
            faults=faults,
        )
        bench = Bench(scenario, 1)
        meter = keep_each(bench)
        lost = [bench.paths[number] for number in failing]
        look = _Look(lost)
        bench.timers.arm(look, at_ns - 1)
        bench.run()
        usual_ns = max(took_ns for issued_ns, took_ns, _ in meter.each if issued_ns + took_ns < at_ns)
        issued = sum(client.issued for client in bench.clients)
        hurt = [took_ns for _, took_ns, _ in meter.each if took_ns > usual_ns]
        return Failover(
            look.in_flight,
            sum(path.commands for path in lost) - look.commands,
            sum(path.commands for path in bench.paths) - issued,
            len(hurt),
            max(hurt, default=usual_ns) - usual_ns,
            meter.failed,
            sum(path.fail_count for path in bench.target().state.paths),
            usual_ns,
            bench.outcome(),
        )

    def _limits(self, found: Findings) -> None:
        for paths, slots in ((4, 4), (4, 1), (3, 1), (2, 4), (2, 1)):
            cost = self._play("rq", KILL, self.failing, paths=paths, slots=slots)
            if cost.added_ns > cost.usual_ns:
                found.limits.append(
                    f"the bound on the added time does not hold where the others have no room: with {paths} paths that serve "
                    f"{slots} at once, and {TOGETHER} in flight, the I/O that was hurt most took "
                    f"{cost.added_ns / cost.usual_ns:.2f} times the usual longer"
                )
                break
        second = self._play("rq", KILL, self.failing, again_ns=NS_PER_MS)
        found.limits.append(
            f"once each is of one failure: when the next path dies 1 ms later, {second.retried} I/Os are tried again for "
            f"{second.in_flight} that were in flight on the first, and {second.events} paths fail"
        )
        written = self._play("rq", BLACK_HOLE, self.failing, write_percent=100, size_bytes=SMALL, more_s=2)
        held = written.in_flight + written.sent_after
        if written.hurt > held:
            found.limits.append(
                "that nobody else notices is of reads, and of writes elsewhere: of writes to a disk of "
                f"{SMALL // KIB} KiB {written.hurt} were hurt where {held} were on the path that fell silent, the longest by "
                f"{written.added_ns / NS_PER_MS:.0f} ms: they overlap one of unknown fate and wait (see ghost-write)"
            )
