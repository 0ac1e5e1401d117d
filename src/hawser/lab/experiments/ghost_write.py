"""ghost-write: a write that was given up, resent and acknowledged lands after all. What is lost, and what fences cost.

Three looks: the six hazards of docs/hazards.md with and without fences; random worlds, the same ones with and without; and an
incident that was published (linux-nvme, 2025-02/053834), rebuilt from its times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.draw import draw_plan, draw_unsafe
from hawser.lab.experiments.base import (
    BAR,
    DERIVED,
    PREDICTED,
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
from hawser.lab.hazard_plans import HAZARDS, START_NS
from hawser.lab.plan import ClientPlan, Op, PathPlan, Plan, ServerPlan, Step
from hawser.lab.shrink import is_loss, kind_of
from hawser.lab.spans import Span as Io
from hawser.lab.spans import Spans
from hawser.lab.trial import Trial, attempt

SECTORS: Final = 8
MAIL: Final = "linux-nvme 2025-02/053834"
# Of that mail: after so long an I/O was given up, and for so long the path held it; the write that was retried took so long.
TIMEOUT_S: Final = 30
HELD_S: Final = 40
RETRIED_S: Final = 30.3181
# What its machine took beyond the timeout is not known: reconnects, and the retry itself.
TOLERANCE: Final = 0.02
WORLDS: Final = 200


@dataclass
class Incident:
    """Writes 1 and 2 of one sector: what they took, in seconds, and whether the first came back over the second."""

    retried_s: float
    newer_s: float
    is_lost: bool


class GhostWrite(Experiment):
    name = "ghost-write"
    title = "Ghost writes: what a naive resend loses, and what a fence costs"
    hypothesis = (
        "To resend a write of unknown fate on another path loses acknowledged data as soon as the first server holds it "
        "longer than the I/O timeout; fences lose none, and make only overlapping writes wait, until the fate is known"
    )
    model = (
        "simulated servers that execute what they received even when nobody waits for it, as real ones do (anchors 3.8); the "
        "shipped engine with its switch unsafe_no_fence on and off; judged sector by sector at every read"
    )
    parameters = {
        "P": 2,
        "d": 32,
        "k": 9.8,
        "hazards": len(HAZARDS),
        "worlds": WORLDS,
        "incident_timeout_s": TIMEOUT_S,
        "incident_held_s": HELD_S,
        "incident_tolerance": TOLERANCE,
        "sweep_timeout_s": 1,
    }
    source = f"{MAIL} (anchors 3.4); what real servers do: anchors 3.8 and hazards/ghost-write.py"
    requirements = ()

    def __init__(self, worlds: Sequence[int] = range(WORLDS), fences: bool = True) -> None:
        """`worlds`: their seeds. `fences` False: off where they should be on, so that the claims about them must fail."""
        self.worlds = worlds
        self.fences = fences

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._hazards(found)
        progress(0.05, "the incident")
        self._incident(found)
        progress(0.1, "how long a server holds a write")
        self._holds(found)
        self._quiesce(found)
        self._worlds(found, progress)
        return found

    def _hazards(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        for hazard in HAZARDS:
            lost = [attempt(hazard.plan(fences=fences)).faults for fences in (False, self.fences)]
            kinds = [kind_of(faults[0]) if faults else "nothing" for faults in lost]
            rows.append([hazard.title, *kinds])
        found.tables.append(
            Table("What is lost in the hazards of docs/hazards.md", ["hazard", "no fences", "fences"], rows)
        )
        where = "tests/lab/test_hazards.py; the same on real servers: anchors 3.8"
        found.claims += [
            Claim("hazards that lose data without fences", DERIVED, _count(rows, 1), len(HAZARDS), len(HAZARDS), where),
            Claim("hazards that lose data with fences", DERIVED, _count(rows, 2), 0, 0, where),
        ]

    def _incident(self, found: Findings) -> None:
        naive, fenced = (play_incident(TIMEOUT_S, HELD_S, fences) for fences in (False, self.fences))
        rows: list[list[Value]] = [
            [name, each.retried_s, each.newer_s, each.is_lost]
            for name, each in (("no fences", naive), ("fences", fenced))
        ]
        found.tables.append(
            Table(
                f"The incident of {MAIL}: a path holds a write for {HELD_S} s, which is given up after {TIMEOUT_S} s",
                ["", "the write that is retried, s", "the newer write, s", "the older one is back"],
                rows,
                f"published: {RETRIED_S} s, 0.00048 s, and the stale write landed; the second figure is that machine's own",
            )
        )
        found.records += [
            {
                "what": "incident",
                "fences": name,
                "retried_s": each.retried_s,
                "newer_s": each.newer_s,
                "lost": each.is_lost,
            }
            for name, each in (("off", naive), ("on", fenced))
        ]
        found.claims += [
            Claim(
                "what the retried write took, without fences",
                PREDICTED,
                naive.retried_s,
                RETRIED_S * (1 - TOLERANCE),
                RETRIED_S * (1 + TOLERANCE),
                f"{MAIL}: {RETRIED_S} s; set were its timeout and its delay",
                unit="s",
            ),
            Claim("stale sectors without fences", PREDICTED, float(naive.is_lost), 1, 1, f"{MAIL}: read back stale"),
            Claim("stale sectors with fences", DERIVED, float(fenced.is_lost), 0, 0, "docs/guarantees.md"),
            Claim(
                "what the newer write waits for the proof, with fences",
                DERIVED,
                fenced.newer_s,
                HELD_S - TIMEOUT_S - 0.1,
                HELD_S - TIMEOUT_S + 0.1,
                f"until the server answers after all: {HELD_S} - {TIMEOUT_S} s",
                unit="s",
            ),
        ]

    def _holds(self, found: Findings) -> None:
        """Timeout 1 s; the server holds the write for so long."""
        rows: list[list[Value]] = []
        holds = (0.5, 0.9, 1.1, 1.5, 2.0, 3.0, 5.0)
        for held_s in holds:
            naive, fenced = (play_incident(1, held_s, fences) for fences in (False, self.fences))
            rows.append([held_s, naive.is_lost, fenced.is_lost, naive.newer_s, fenced.newer_s])
        found.tables.append(
            Table(
                "How long the server holds a write that is given up after 1 s",
                ["held s", "lost, no fences", "lost, fences", "newer write s, no fences", "newer write s, fences"],
                rows,
            )
        )
        safe = [float(row[0]) for row in rows if not row[1]]
        if safe:
            found.limits.append(
                f"without fences nothing is lost while servers answer within the timeout: up to {max(safe):g} of it"
            )
        found.curves.append(
            Curve(
                "What the newer write to the same sector takes",
                "seconds for which the server holds the older one",
                "seconds",
                [
                    Series("no fences (and it is lost)", holds, [float(row[3]) for row in rows]),
                    Series("fences", holds, [float(row[4]) for row in rows]),
                ],
                spans=[Span(1.0, max(holds), "given up: a ghost")],
            )
        )

    def _quiesce(self, found: Findings) -> None:
        """A bound that is declared and does not hold."""
        held_s = 3.0
        lost: list[float] = []
        right: list[float] = []
        for quiesce_s in (0.5, 1.0, 1.4, 1.6, 2.0, 3.0):
            # Given up after 1 s; the connection lingers for half a second, is reset, and then the bound runs.
            incident = play_incident(1, held_s, self.fences, linger_s=0.5, quiesce_s=quiesce_s)
            (lost if incident.is_lost else right).append(quiesce_s)
        if lost and right:
            found.limits.append(
                "with fences data is lost when a path declares a quiesce time that is not true: a server that holds a write "
                f"for {held_s:g} s, with quiesce={max(lost):g} s declared; with {min(right):g} s it is not"
            )

    def _worlds(self, found: Findings, progress: Progress) -> None:
        counts = [0, 0]
        other = 0
        for number, seed in enumerate(self.worlds):
            if number % 10 == 0:
                progress(0.2 + 0.8 * number / len(self.worlds), f"world {seed}")
            plans = (draw_unsafe(seed), draw_plan(seed) if self.fences else draw_unsafe(seed))
            for arm, plan in enumerate(plans):
                faults = attempt(plan).faults
                counts[arm] += any(is_loss(fault) for fault in faults)
                other += arm == 1 and bool(faults)
        total = len(self.worlds)
        found.tables.append(
            Table(
                f"Random worlds: {total} of them, with random loads and faults",
                ["", "worlds that lost acknowledged data"],
                [["no fences", counts[0]], ["fences", counts[1]]],
                "the same worlds; `hawser lab fuzz --unsafe-no-fence` goes on with it",
            )
        )
        where = "the oracles of tests/lab/test_fuzz.py"
        found.claims += [
            Claim("worlds that lost data without fences", DERIVED, counts[0], 1, None, where),
            Claim("worlds that lost data with fences", DERIVED, counts[1], 0, 0, where),
            Claim("worlds in which anything else was wrong, with fences", DERIVED, other, 0, 0, where),
        ]
        found.curves.append(
            Curve(
                f"Random worlds that lost acknowledged data, of {total}",
                "",
                "worlds",
                [Series("worlds", ["no fences", "fences"], [float(count) for count in counts])],
                kind=BAR,
            )
        )


def _count(rows: list[list[Value]], column: int) -> int:
    return sum(row[column] != "nothing" for row in rows)


def play_incident(
    timeout_s: float, held_s: float, fences: bool, linger_s: float = 100, quiesce_s: float | None = None
) -> Incident:
    """Two writes to a sector, one after the other is acknowledged; the first one's server holds it. The last read comes when the
    ghost has landed."""
    timeout_ns = int(timeout_s * NS_PER_S)
    late_s = max(held_s - timeout_s, 0) + 1
    ops = [
        Op("write", 0, 1),
        Op("write", 0, 1),
        Op("read", 0, 1),
        Op("read", 0, 1, barrier=True, delay_ns=int(late_s * NS_PER_S)),
    ]
    plan = Plan(
        name="incident",
        size_sectors=SECTORS,
        tables=[f"0 {SECTORS} multipath 3 queue_if_no_path queue_mode rq 0 1 1 round-robin 0 2 0 {{p0}} {{p1}}"],
        # (A server that a bound is declared for keeps to `drains_ns`: here it is longer than whatever is declared.)
        servers=[ServerPlan(drains_ns=int(10 * held_s * NS_PER_S)), ServerPlan()],
        paths=[
            PathPlan(
                number,
                cache="lun",
                io_timeout_ns=timeout_ns,
                linger_ns=int(linger_s * NS_PER_S),
                quiesce_ns=None if quiesce_s is None else int(quiesce_s * NS_PER_S),
            )
            for number in range(2)
        ],
        clients=[ClientPlan("c", ops, depth=1, start_ns=START_NS)],
        steps=[Step(50 * NS_PER_MS, "execute_late", "s0", int(held_s * NS_PER_S), word="write")],
        manager=False,
        unsafe_no_fence=not fences,
    )
    trial = attempt(plan, keep_events=True)
    older, newer = _writes(trial)
    return Incident(_s(older), _s(newer), any(is_loss(fault) for fault in trial.faults))


def _writes(trial: Trial) -> list[Io]:
    return [io for io in Spans(trial.events).ios if io.op == "write"]


def _s(io: Io) -> float:
    return round((io.end_ns - io.start_ns) / NS_PER_S, 6)
