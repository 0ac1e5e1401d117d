"""`hawser lab hazards`: docs/hazards.md and its figures, from hawser.lab.hazard_plans."""

import re
from pathlib import Path
from typing import Final

import click

from hawser.cli.places import PlaceError, make_folder, reason
from hawser.lab.figure import NoMatplotlibError, draw
from hawser.lab.hazard_plans import HAZARDS, Hazard
from hawser.lab.story import tell
from hawser.lab.trial import Trial, attempt
from hawser.lab.words import tidy

HEAD: Final = """# Hazards

<!-- Written by `hawser lab hazards` from src/hawser/lab/hazard_plans.py: change it there. -->

Six ways in which multipath without fences loses acknowledged data, each found on real servers, and here played in virtual
time: the same engine, with and without its fences (`--unsafe-no-fence`), in front of simulated servers that do what real
ones have done. Nothing in them is rare: a hung server, a lost packet, an ordinary retry.

How to read a figure: a bar in a client's lane is an I/O from issue to answer. A bar in a path's lane is a command until it
is answered or, outlined in red, given up. In a server's lane it lasts until the command takes effect; cross-hatched is what
is left of it after it was given up: the ghost. A hatched box in the map's lane is a fence.

What is promised, and under which conditions, is in [guarantees.md](guarantees.md). `hawser lab explore` goes through *all*
interleavings of small worlds like these, `hawser lab fuzz` through random large ones.
"""


# What a story of a few I/Os can do without: each is said by another line.
_LEFT_OUT: Final = re.compile(
    r"session 1 is open|connects$|is answered: .*: ok$|commands without an answer|\(p\d\): timeout error|fences are off"
)


def write_hazards(into: str) -> int:
    """The exit status. The files are the same whenever the plans and the engine are."""
    directory = Path(into)
    figures = directory / "figures"
    parts = [HEAD]
    try:
        make_folder(figures)
        for number, hazard in enumerate(HAZARDS, start=1):
            parts.append(chapter(number, hazard, figures))
        (directory / "hazards.md").write_text("\n".join(parts))
    except (NoMatplotlibError, PlaceError, OSError) as error:
        click.echo(f"hawser lab hazards: {reason(error)}", err=True)
        return 2
    click.echo(f"{directory / 'hazards.md'}: {len(HAZARDS)} hazards")
    return 0


def chapter(number: int, hazard: Hazard, figures: Path) -> str:
    """One hazard: what happens without fences, and what with them."""
    lost = attempt(hazard.plan(fences=False), keep_events=True)
    kept = attempt(hazard.plan(fences=True), keep_events=True)
    draw(lost, str(figures / f"{hazard.name}.svg"), title=f"{hazard.title}: fences off")
    draw(kept, str(figures / f"{hazard.name}-fenced.svg"), title=f"{hazard.title}: fences on")
    return f"""
## {number}. {hazard.title}

{hazard.happens}

![{hazard.title}, fences off](figures/{hazard.name}.svg)

```text
{story(lost)}
```

**The rule.** {hazard.rule}

![{hazard.title}, fences on](figures/{hazard.name}-fenced.svg)

```text
{story(kept)}
```

On real servers: `{hazard.script}`. Through hawser: `{hazard.tests}`.
"""


def story(trial: Trial) -> str:
    """From the first I/O to the first fault, or to the last answer."""
    lines: list[str] = []
    for line in tell(trial):
        if line.text.startswith("everything is repaired"):
            break
        if line.lane == "judge":
            lines.append(line.plain().replace(line.text, f"FAULT: {_what(trial.faults[0])}"))
            break
        if not _LEFT_OUT.search(line.text):
            lines.append(line.plain())
    return "\n".join(text.rstrip() for text in lines)


def _what(fault: str) -> str:
    return tidy(fault).partition("returned what it must not: ")[2] or tidy(fault)
