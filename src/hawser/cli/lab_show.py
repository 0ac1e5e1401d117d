"""`hawser lab show`: one run, told and drawn."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from hawser.cli.lab_plans import NoPlanError, find
from hawser.cli.places import PlaceError, check_file, reason
from hawser.lab.figure import NO_MATPLOTLIB, NoMatplotlibError
from hawser.lab.figure import draw as draw_figure
from hawser.lab.plan import Plan
from hawser.lab.plan_file import dumps
from hawser.lab.shrink import shrink
from hawser.lab.spans import FOREVER
from hawser.lab.story import BAD, FAULT, FOLD, GOOD, PLAIN, STEP, Line, header, tell, verdict
from hawser.lab.trial import Trial, attempt
from hawser.lab.words import milliseconds, plural

TONES: Final = {PLAIN: "", BAD: "yellow", FAULT: "bold red", GOOD: "green", STEP: "magenta", FOLD: "dim"}
LANES: Final = {"client": "cyan", "path": "blue", "server": "bright_black", "map": "bold", "judge": "bold red"}
LANE_WIDTH: Final = 11
PROGRESS_EVERY_S: Final = 0.2
# As the help says.
ENDINGS: Final = (".png", ".svg", ".pdf")


def run_show(
    what: str, kind: str, figure: str | None, dark: bool, shrinks: bool, plan_file: str | None, everything: bool
) -> int:
    """The exit status: 0 if nothing was wrong, 1 if something was, 2 if there was nothing to be shown."""
    try:
        if figure is not None:
            check_figure(figure)
        if plan_file is not None:
            check_file(plan_file)
        plan = find(what, kind)
        if shrinks:
            plan = shrunk_with_progress(plan)
        trial = tell_plan(plan, everything)
        if plan_file is not None:
            Path(plan_file).write_text(dumps(plan))
        if figure is not None:
            draw_figure(trial, figure, dark)
    except (NoPlanError, NoMatplotlibError, PlaceError) as error:
        click.echo(f"hawser lab show: {error}", err=True)
        return 2
    except OSError as error:
        click.echo(f"hawser lab show: {reason(error)}", err=True)
        return 2
    return 1 if trial.faults else 0


def check_figure(file: str) -> None:
    """Before anything is played: can it be drawn, and written? PlaceError, NoMatplotlibError."""
    if Path(file).suffix.lower() not in ENDINGS:
        raise PlaceError(f"--figure {file}: its ending says as what it is drawn: {', '.join(ENDINGS)}")
    check_file(file)
    if find_spec("matplotlib") is None:
        raise NoMatplotlibError(NO_MATPLOTLIB)


def tell_plan(plan: Plan, everything: bool) -> Trial:
    """Play it and print its story."""
    console = Console(highlight=False, soft_wrap=True)
    trial = attempt(plan, keep_events=True)
    for line in header(plan):
        console.print(Text(line, "dim"))
    console.print()
    for told in tell(trial, everything):
        console.print(_coloured(told))
    console.print()
    for line in verdict(trial):
        console.print(Text(line, TONES[FAULT] if trial.faults else TONES[GOOD]))
    return trial


def shrunk_with_progress(plan: Plan) -> Plan:
    """The plan cut down; as it is if it does not fail."""
    console = Console(stderr=True)
    with console.status("shrinking ...") as status:
        next_s = time.monotonic()

        def say(runs: int, best: Plan) -> None:
            nonlocal next_s
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + PROGRESS_EVERY_S
                status.update(f"shrinking: {runs} runs, {size_of(best)}")

        try:
            shrunk = shrink(plan, progress=say)
        except ValueError as error:
            click.echo(f"hawser lab: {error}", err=True)
            return plan
    click.echo(f"shrunk in {shrunk.runs} runs: {size_of(plan)} -> {size_of(shrunk.plan)}", err=True)
    return shrunk.plan


def size_of(plan: Plan) -> str:
    """`3 clients, 40 I/Os, 6 steps, 4 paths`."""
    ops = sum(len(client.ops) for client in plan.clients)
    counts = [(len(plan.clients), "client"), (ops, "I/O"), (len(plan.steps), "step"), (len(plan.paths), "path")]
    return ", ".join(plural(count, word) for count, word in counts)


def _coloured(line: Line) -> Text:
    if line.time_ns == FOREVER:
        return Text(line.plain(), TONES[line.tone])
    kind = line.lane.partition(" ")[0]
    return Text.assemble(
        (f"{milliseconds(line.time_ns):>12} ms  ", "dim"),
        (f"{line.lane:<{LANE_WIDTH}} ", LANES.get(kind, "")),
        (line.text, TONES[line.tone]),
    )
