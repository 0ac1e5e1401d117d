"""replay: what a load that was recorded from a live server would have met with under other policies.

It is no experiment of the catalogue, as it needs a trace file: `hawser lab replay TRACE.json`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from hawser.core.histogram import Histogram
from hawser.core.units import NS_PER_MS, NS_PER_S, NS_PER_US
from hawser.lab.experiments.base import (
    FITTED,
    PREDICTED,
    Claim,
    Experiment,
    Findings,
    Progress,
    Table,
    Value,
    quietly,
)
from hawser.lab.experiments.replay_told import QUANTILES, commands_of, curves, label, records, shares_of
from hawser.lab.model.replay import (
    Source,
    is_waiting,
    play_sliced,
    recorded_latencies,
    recorded_shares,
    scenario_of,
    slice_ns,
    slower,
    under,
)
from hawser.lab.model.scenario import MapModel, Scenario
from hawser.lab.model.stats import ratio_interval
from hawser.lab.model.trace_fit import fit_paths

# What is compared with the recorded policy, unless somebody says what; the recorded one is there in any case.
SELECTORS: Final = ("service-time 0", "queue-length 0", "round-robin 0", "historical-service-time 0")
SELECTORS_MIN: Final = 3
SEEDS: Final = 3
# I/O that was on its way when the trace began is not in it: so much of it (and no more than so long) is not compared.
WARM_PART: Final = 0.1
WARM_S_MAX: Final = 0.1
# Within these the model is called right about what was recorded: replayed by recorded.
P50_LOW, P50_HIGH = 0.75, 1.33
P99_LOW, P99_HIGH = 0.5, 2.0
SHARE_MAX: Final = 0.1
# How much slower and quicker the paths are made, to see whether the verdict stays.
TIMES: Final = (0.8, 1.25)
TESTED: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}

# Plays scenarios with seeds (hawser.lab.model.replay.play_sliced); the outcomes in that order.
Work = tuple[Scenario, int, int]
Player = Callable[[Sequence[Work]], Iterable[dict[str, Any]]]


def one_by_one(work: Sequence[Work]) -> Iterable[dict[str, Any]]:
    """In this process."""
    return (play_sliced(*each) for each in work)


def policies_of(
    recorded: MapModel, selectors: Sequence[str], modes: Sequence[str], schedulers: Sequence[str]
) -> list[MapModel]:
    """The recorded one first, then every combination of the others; what is not said is as it was recorded."""
    chosen = list(selectors)
    if not chosen:
        chosen = [each for each in SELECTORS if each != recorded.selector][:SELECTORS_MIN]
    found = [recorded]
    for mode in modes or [recorded.mode]:
        for scheduler in schedulers or [recorded.scheduler]:
            for selector in [*(() if selectors else (recorded.selector,)), *chosen]:
                policy = MapModel(mode=mode, selector=selector, scheduler=scheduler)
                if policy not in found:
                    found.append(policy)
    return found


class Replay(Experiment):
    """ValueError when nothing can be said of the paths; TraceError and ScenarioError as their makers say."""

    name = "replay"

    def __init__(
        self,
        source: Source,
        policies: Sequence[MapModel],
        is_closed: bool = False,
        seeds: int = SEEDS,
        player: Player = one_by_one,
    ) -> None:
        self.load = source
        self.policies = list(policies)
        self.is_closed = is_closed
        self.seeds = seeds
        self.player = player
        # What the paths are like is learnt from every other slice of the trace, if these have enough to say, and tested on those
        # between. (Not from the first half for the second: a machine that is slow for a while would be what is tested.)
        self.kind = PREDICTED
        self.slice_ns = slice_ns(source)
        try:
            self.fits = fit_paths(source.recording, source.paths, lambda at_ns: at_ns // self.slice_ns % 2 == 0)
        except ValueError:
            self.kind = FITTED
            self.fits = fit_paths(source.recording, source.paths)
        self.scenario = scenario_of(source, self.fits, is_closed)
        self.warm_s = min(WARM_S_MAX, WARM_PART * source.span_ns / NS_PER_S)
        how = "when as many of their I/Os are open as were then" if is_closed else "at the recorded times"
        self.title = (
            f"{len(source.ios):,} I/Os of {source.recorded.name}, recorded live, under {len(policies)} policies"
        )
        self.hypothesis = (
            f"paths of the model, fitted to the commands of {source.recording.path}, show under the recorded policy what was "
            "recorded; so what they show under others is worth something"
        )
        self.model = (
            "a command of n bytes takes its path c + n/B, times a factor out of those that were recorded; so many at once; the "
            f"wire's latency comes on top. Clients ask for what they asked for {how}"
        )
        self.source = f"{source.recording.path}, recorded by hawser {source.recording.version}"
        self.parameters = {
            "recorded_policy": label(self.policies[0], None),
            "P": len(source.paths),
            "d": ", ".join(str(path.depth) for path in source.paths),
            "ios": len(source.ios),
            "seconds": round(source.span_ns / NS_PER_S, 3),
            "clients": len(self.scenario.loads),
            "seeds": seeds,
        }

    def run(self, progress: Progress = quietly) -> Findings:
        work: list[Work] = []
        for place, policy in enumerate(self.policies):
            every_other_ns = self.slice_ns if place == 0 else 0
            work += [(under(self.scenario, policy, self.warm_s), seed, every_other_ns) for seed in range(self.seeds)]
        for times in TIMES:
            work += [(under(slower(self.scenario, times), policy, self.warm_s), 0, 0) for policy in self.policies]
        outcomes: list[dict[str, Any]] = []
        for outcome in self.player(work):
            outcomes.append(outcome)
            progress(len(outcomes) / len(work), f"run {len(outcomes)} of {len(work)}")
        seeds = self.seeds
        runs = [outcomes[seeds * place : seeds * (1 + place)] for place in range(len(self.policies))]
        others = outcomes[seeds * len(self.policies) :]
        findings = Findings()
        findings.tables = [self._fit_table(), self._test_table(runs[0]), self._policy_table(runs)]
        findings.claims = self._claims(runs[0])
        findings.limits = self._limits(runs, others)
        findings.curves = curves(self.load, self._recorded(0), self.policies, runs)
        findings.records = records(self.policies, runs)
        return findings

    # Tables.

    def _fit_table(self) -> Table:
        rows: list[list[Value]] = []
        for place, fit in enumerate(self.fits):
            per_4k = fit.ns_per_kib * 4
            rows.append(
                [
                    f"p{place}",
                    fit.name,
                    fit.commands,
                    fit.fixed_ns / NS_PER_US,
                    fit.ns_per_kib / NS_PER_US,
                    fit.fixed_ns / per_4k if per_4k else "not told",
                    fit.slots,
                    fit.latency_ns / NS_PER_US,
                    round(100 * fit.spread(), 1),
                    round(100 * fit.error, 1),
                ]
            )
        note = "; ".join(f"p{place}: {text}" for place, fit in enumerate(self.fits) for text in fit.notes)
        return Table(
            "the paths, fitted to the recorded commands" + self._of_what(),
            ["path", "name", "commands", "c us", "us/KiB", "k", "at once", "away us", "spread %", "off by %"],
            rows,
            "off by: how far a single command is from c + n/B on average, which the spread makes up for. " + note,
        )

    def _of_what(self) -> str:
        return f" of every other {self._slice()}" if self.kind == PREDICTED else ""

    def _slice(self) -> str:
        return f"{self.slice_ns / NS_PER_MS:.3g} ms"

    def _test_table(self, outcomes: Sequence[dict[str, Any]]) -> Table:
        rows: list[list[Value]] = []
        for text, recorded, key in (
            ("all of it", self._recorded(0), "latency_us"),
            ("between", self._recorded(self.slice_ns), "between_us"),
        ):
            for name, part in TESTED.items():
                was = recorded.quantile(part) / NS_PER_US
                replayed = _mean(outcomes, name, key)
                rows.append([text, name, was, replayed, replayed / was if was else 0.0])
        return Table(
            f"under {label(self.policies[0], None)}: recorded, and replayed",
            ["of", "latency", "recorded us", "replayed us", "ratio"],
            rows,
            f"between: I/Os that began in the slices of {self._slice()} that the paths were not fitted to",
        )

    def _recorded(self, every_other_ns: int) -> Histogram:
        return recorded_latencies(self.load, round(self.warm_s * NS_PER_S), every_other_ns)

    def _policy_table(self, runs: Sequence[Sequence[dict[str, Any]]]) -> Table:
        rows: list[list[Value]] = []
        for policy, outcomes in zip(self.policies, runs, strict=True):
            rows.append(
                [
                    label(policy, self.policies[0]),
                    *(_mean(outcomes, name) for name in ("mean", *QUANTILES)),
                    self._ratio(runs[0], outcomes, "mean"),
                    self._ratio(runs[0], outcomes, "p99"),
                    *([_iops(outcomes)] if self.is_closed else []),
                    round(sum(commands_of(outcome) for outcome in outcomes) / len(outcomes)),
                    " ".join(f"{100 * share:.0f}" for share in shares_of(outcomes)),
                ]
            )
        return Table(
            "the policies, replayed; latencies in us",
            [
                "policy",
                "mean",
                *QUANTILES,
                "mean, ratio",
                "p99, ratio",
                *(["IOPS"] if self.is_closed else []),
                "commands",
                "share of p0.. %",
            ],
            rows,
            "means over the seeds, which draw the factors of service anew; ratios to the first row, with 95 % "
            "intervals, seed by seed (Student's t). The first row is the recorded policy, replayed as well: compare others with "
            "it, not with what was recorded",
        )

    def _ratio(self, base: Sequence[dict[str, Any]], outcomes: Sequence[dict[str, Any]], name: str) -> str:
        if outcomes is base:
            return "1"
        first = [outcome["latency_us"][name] for outcome in base]
        other = [outcome["latency_us"][name] for outcome in outcomes]
        ratio = ratio_interval(first, other)
        if ratio is None:
            return "-"
        if ratio.low is None or ratio.high is None:
            return f"{ratio.mean:.3g}"
        return f"{ratio.mean:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"

    # Claims.

    def _claims(self, outcomes: Sequence[dict[str, Any]]) -> list[Claim]:
        where = "the bounds are hawser's own, fixed beforehand"
        text, recorded, key = f"the {self._slice()} between, by paths fitted to the others", self.slice_ns, "between_us"
        if self.kind == FITTED:
            text, recorded, key = "all of it, by paths fitted to it", 0, "latency_us"
        histogram = self._recorded(recorded)
        claims: list[Claim] = []
        for name, low, high in (("p50", P50_LOW, P50_HIGH), ("p99", P99_LOW, P99_HIGH)):
            was = histogram.quantile(TESTED[name]) / NS_PER_US
            ratio = _mean(outcomes, name, key) / was if was else 0.0
            claims.append(Claim(f"{name} of {text}: replayed by recorded", self.kind, ratio, low, high, where))
        was_shares = recorded_shares(self.load)
        apart = max(abs(share - was) for share, was in zip(shares_of(outcomes), was_shares, strict=True))
        claims.append(
            Claim(
                "a path's share of the commands: furthest from the recorded", self.kind, apart, None, SHARE_MAX, where
            )
        )
        return claims

    # Limits.

    def _limits(self, runs: Sequence[Sequence[dict[str, Any]]], others: Sequence[dict[str, Any]]) -> list[str]:
        source = self.load
        found = [self._sensitivity(runs, others)]
        gone = sum(1 for io in source.ios if io.end_ns < 0)
        failed = sum(1 for io in source.ios if io.outcome)
        refused = sum(fit.failed for fit in self.fits)
        if failed or refused:
            found.append(
                f"{refused} commands and {failed} I/Os failed while it was recorded: failures are not replayed, paths are what "
                "they were when they worked"
            )
        if not self.is_closed and is_waiting(source):
            found.append(
                "clients nearly always had as many I/Os open as ever, so they probably waited for answers: at the recorded times "
                "a policy that is slower piles up what they would not have asked for; --closed lets them wait"
            )
        if gone or source.recording.passed_over:
            found.append(
                f"{gone} I/Os had not ended when the trace did, and {source.recording.passed_over} were not followed for want "
                "of room"
            )
        if source.left_out:
            found.append(f"not in use when the trace began, and left out: {', '.join(source.left_out)}")
        if any(path.max_sectors < 2560 for path in source.paths):
            found.append("a path takes smaller commands than 1280 KiB, which is where the replay cuts them")
        found.append(
            "paths are taken for independent of each other: what they share (a server, a cable, this machine's processors) is "
            "in the recorded times, and stays as it was under every policy; and the engine takes no time here"
        )
        return found

    def _sensitivity(self, runs: Sequence[Sequence[dict[str, Any]]], others: Sequence[dict[str, Any]]) -> str:
        best = _least_p99([_mean(outcomes, "p99") for outcomes in runs])
        parts: list[str] = []
        count = len(self.policies)
        for place, times in enumerate(TIMES):
            values = [outcome["latency_us"]["p99"] for outcome in others[place * count : (place + 1) * count]]
            then = _least_p99(values)
            verdict = "it is still" if then == best else "it is"
            name = label(self.policies[then], self.policies[0])
            parts.append(f"with services {times:g} times as long {verdict} {name} ({values[then]:.0f} us)")
        name = label(self.policies[best], self.policies[0])
        return f"the least p99 is that of {name}, {_mean(runs[best], 'p99'):.0f} us; {'; '.join(parts)}"


def _mean(outcomes: Sequence[dict[str, Any]], name: str, key: str = "latency_us") -> float:
    return float(sum(outcome[key][name] for outcome in outcomes) / len(outcomes))


def _iops(outcomes: Sequence[dict[str, Any]]) -> int:
    """(At the recorded times it is what was asked for, whatever the policy.)"""
    return round(float(sum(outcome["iops"] for outcome in outcomes)) / len(outcomes))


def _least_p99(values: Sequence[float]) -> int:
    return min(range(len(values)), key=lambda place: (values[place], place))
