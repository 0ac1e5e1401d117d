"""`hawser demo operator`: a database over two servers with separate caches, of which one is killed and one is black-holed."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import click
import msgspec

from hawser import __version__
from hawser.build_info import describe
from hawser.cli.demo_operator_chart import duration, write_figures
from hawser.cli.places import PlaceError, make_folder, reason
from hawser.service.demo_child import ChildError
from hawser.service.demo_cost import Cost, measure
from hawser.service.demo_database import KINDS
from hawser.service.demo_outage import Event, Outage, Outcome
from hawser.service.demo_servers import missing_packages
from hawser.service.hangup import end_signals

ROUND_SECONDS = 1.2
USAGE = 2


def run_operator(pace_s: float, rounds: int, into: str | None) -> int:
    """The exit status: 0 if the checker is satisfied, 1 if it is not, 2 if what was asked for cannot be had, 3 where something is
    missing. KeyboardInterrupt when a signal has ended it."""
    missing = missing_packages()
    if missing:
        names = " ".join(missing)
        click.echo(f"hawser demo operator: it needs the Debian packages {names}: apt install {names}", err=True)
        return 3
    if into is not None:
        try:
            make_folder(into)
        except PlaceError as error:
            click.echo(f"hawser demo operator: {error}", err=True)
            return USAGE
    stop = threading.Event()
    with _Signals(stop):
        costs = _measure(rounds, stop)
        outcome = Outcome() if stop.is_set() else Outage(pace_s, _say, stop).play()
    if stop.is_set():
        # Everything that was started has ended.
        raise KeyboardInterrupt
    outcome.costs = costs
    _print_summary(outcome)
    try:
        if into is not None:
            _keep(outcome, into)
    except OSError as error:
        click.echo(f"hawser demo operator: {reason(error)}", err=True)
        return USAGE
    return 0 if outcome.is_good() else 1


class _Signals:
    """While the block lasts a signal asks for an orderly end; a second one of the same kind ends it as it would anyway."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in end_signals():
            self._before[number] = signal.signal(number, self._heard)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()


def _measure(rounds: int, stop: threading.Event) -> list[Cost]:
    if not rounds:
        return []
    click.echo(
        f"what it costs when nothing fails: {rounds} rounds of {ROUND_SECONDS:g} s over hawser and over one nbdkit"
    )
    try:
        costs = measure(rounds, ROUND_SECONDS, stop.is_set)
    except ChildError as error:
        click.echo(f"  it could not be measured: {error}", err=True)
        return []
    if stop.is_set():
        return []
    for line in cost_lines(costs):
        click.echo(f"  {line}")
    click.echo("")
    return costs


def cost_lines(costs: list[Cost]) -> list[str]:
    """A line for each kind: per second, and the ratio with its interval."""
    lines = []
    for cost in costs:
        ours, theirs = sorted(cost.ours)[len(cost.ours) // 2], sorted(cost.direct)[len(cost.direct) // 2]
        lines.append(
            f"{cost.kind:<20}{ours:>8,.0f}/s over hawser, {theirs:>7,.0f}/s over nbdkit: "
            f"{cost.ratio:.2f} ({cost.low:.2f}-{cost.high:.2f})"
        )
    return lines


def _say(event: Event) -> None:
    click.echo(f"{max(0.0, event.at_s):6.2f} s  {event.text}")


def _print_summary(outcome: Outcome) -> None:
    click.echo("")
    for line in summary_lines(outcome):
        click.echo(line)


def summary_lines(outcome: Outcome) -> list[str]:
    """What came of it; the verdict last."""
    lines = []
    for kind in KINDS:
        operations = outcome.latencies.get(kind, [])
        if operations:
            took = sorted(each for _, each in operations)
            lines.append(
                f"{kind:<20}{len(took):>8,}   median {duration(took[len(took) // 2])}, "
                f"99 % within {duration(took[int(len(took) * 0.99)])}, longest {duration(took[-1])}"
            )
    for fault in outcome.faults:
        lines.append(f"server {fault.server}, {fault.kind}: the longest wait was {duration(fault.longest_ms)}")
    for title, each in outcome.audits.items():
        state = "all there" if each.is_clean() else "NOT AS ACKNOWLEDGED"
        lines.append(f"{each.rows:,} rows of {each.commits:,} acknowledged commits, {title}: {state}")
    problems = outcome.all_problems()
    lines += [f"problem: {problem}" for problem in problems]
    lines.append("nothing that was acknowledged is lost" if outcome.is_good() else "FAILED")
    return lines


def _keep(outcome: Outcome, into: str) -> None:
    with open(os.path.join(into, "results.json"), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(results(outcome)), indent=1) + b"\n")
    names = ["results.json"]
    try:
        # Without a database there is nothing to draw.
        names += write_figures(outcome, into) if outcome.seconds else []
    except ImportError:
        click.echo("no figure: it needs matplotlib: pip install 'hawser[lab]'", err=True)
    click.echo(f"kept in {into}: {', '.join(names)}")


def results(outcome: Outcome) -> dict[str, Any]:
    """Everything that was measured, as plain data: times in seconds, latencies in milliseconds."""
    return {
        "hawser": __version__,
        "build": describe(),
        "good": outcome.is_good(),
        "problems": outcome.all_problems(),
        "seconds": outcome.seconds,
        "events": outcome.events,
        "faults": outcome.faults,
        "servers": outcome.moments,
        "audits": outcome.audits,
        "costs": outcome.costs,
        "latencies_ms": outcome.latencies,
    }
