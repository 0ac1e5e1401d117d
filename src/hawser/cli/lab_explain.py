"""`hawser lab explain`: why an I/O of a scenario took the path that it took, and what became of it."""

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import click

from hawser.cli.places import reason
from hawser.core.trace import ANSWERED, FENCED, ISSUED, MAPPED
from hawser.core.units import NS_PER_MS, NS_PER_S, NS_PER_US
from hawser.lab.model.explain import Explained, Step, Told, explain, slowest
from hawser.lab.model.grid import cells, parse_over
from hawser.lab.model.onlooker import Choice
from hawser.lab.model.scenario import Scenario, ScenarioError
from hawser.lab.model.scenario_file import loads

USAGE: Final = 2
WIDTH: Final = 120
STATES: Final = {"A": "in use", "F": "failed", "aside": "slow, spared"}


def run_explain(file: str, seed: int, numbers: Sequence[int], slow: int, over: Sequence[str]) -> int:
    """The exit status: 2 when there is nothing to explain."""
    try:
        scenario = _one(loads(Path(file).read_text()), over)
        wanted = list(numbers)
        if slow:
            wanted += slowest(scenario, seed, slow)
        found = explain(scenario, seed, wanted)
    except (OSError, UnicodeDecodeError) as error:
        click.echo(f"hawser lab explain: {reason(error, file)}", err=True)
        return USAGE
    except (ScenarioError, ValueError) as error:
        click.echo(f"hawser lab explain: {file}: {error}", err=True)
        return USAGE
    click.echo("\n".join(told(found, scenario, seed)))
    return 0


def _one(scenario: Scenario, over: Sequence[str]) -> Scenario:
    """The scenario with the one value of each key that `over` says; of what the file varies the first, where it says nothing."""
    chosen = {key: [texts[0]] for key, texts in scenario.over.items()}
    for key, texts in parse_over(list(over)).items():
        if len(texts) != 1:
            raise ScenarioError(
                f"--with {key}: want one value, as in --with selector='queue-length 0', not {len(texts)}"
            )
        chosen[key] = texts
    (cell,) = cells(scenario, chosen)
    return cell.scenario


def told(found: Explained, scenario: Scenario, seed: int) -> list[str]:
    """All of them, as lines."""
    lines = [
        f"{scenario.name}, seed {seed}: {found.ios:,} I/Os in {found.now_ns / NS_PER_S:g} s, over {len(scenario.paths)} paths "
        f"by {scenario.map.selector}, {scenario.map.mode}, {scenario.map.scheduler}"
    ]
    for each in found.told:
        lines += ["", *_life(each, found)]
    return lines


def _life(each: Told, found: Explained) -> list[str]:
    took = each.took_ns(found.now_ns)
    if each.end_ns < 0:
        verdict = f"not answered when the scenario was over, {_time(took)} later"
    else:
        verdict = f"{each.status} after {_time(took)}, {_rank(each, found)}"
    lines = [f"I/O {each.number}: {each.words}, of client {each.client}, at {each.at_ns / NS_PER_S:.6f} s: {verdict}"]
    parts = _parts(each, found.now_ns)
    if parts:
        lines.append(f"  of that {parts}")
    for step in each.steps:
        lines += _step(step, each.at_ns)
    if each.left_out:
        lines.append(f"  and {each.left_out} steps more, of the same kind")
    return lines


def _rank(each: Told, found: Explained) -> str:
    if each.rank == 0:
        return "and none took longer"
    return f"and {each.rank:,} of {found.ios:,} took longer ({100 * each.rank / found.ios:.2g} %)"


def _parts(each: Told, now_ns: int) -> str:
    """Where the time went: until a path was chosen, until it was sent there, and there; the last time, if it was tried again."""
    mapped = [step for step in each.steps if step.name == MAPPED]
    if not mapped:
        return ""
    last = mapped[-1]
    sent = next((step for step in each.steps if step.name == ISSUED and _is_behind(step, last, each)), None)
    tries = f", for the {_ordinal(len(mapped))} time" if len(mapped) > 1 else ""
    fenced_ns = _fenced_ns(each.steps)
    fence = f" ({_time(fenced_ns)} of it behind a fence)" if fenced_ns else ""
    text = f"{_time(last.at_ns - each.at_ns)} until a path was chosen{tries}{fence}"
    if sent is None:
        return text
    back = next((step for step in each.steps if step.name == ANSWERED and _is_behind(step, sent, each)), None)
    until_ns = back.at_ns if back is not None else now_ns
    if sent.at_ns > last.at_ns:
        text += f", {_time(sent.at_ns - last.at_ns)} for a place in its queue"
    return f"{text}, {_time(until_ns - sent.at_ns)} on the path"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _fenced_ns(steps: Sequence[Step]) -> int:
    """How long it stood behind fences."""
    return sum(after.at_ns - before.at_ns for before, after in pairwise(steps) if before.name == FENCED)


def _is_behind(step: Step, other: Step, each: Told) -> bool:
    return each.steps.index(step) > each.steps.index(other)


def _step(step: Step, from_ns: int) -> list[str]:
    head = f"  {'+' + _time(step.at_ns - from_ns):>12}  {step.name:10}"
    choice = step.choice
    if choice is None:
        return _wrapped(head, step.detail)
    where = step.detail.split(": ", 1)[0]
    return [*_wrapped(head, f"{where}, by {choice.selector}: {choice.why}"), *_choice(choice)]


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _choice(choice: Choice) -> list[str]:
    indent = " " * 26
    columns = ["", "path", "", "in flight", "bytes", "weight", "score"]
    rows = [columns]
    for each in choice.standings:
        mark = "->" if each.is_chosen else ""
        numbers = [f"{each.commands:,}", f"{each.size_bytes:,}", str(each.weight)]
        rows.append([mark, each.name, STATES[each.letter], *numbers, each.score])
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    lines = []
    for row in rows:
        cells_shown = [
            cell.rjust(width) if 3 <= place <= 5 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"{indent}{'  '.join(cells_shown)}".rstrip())
    lines.append(f"{indent}what others would have chosen in this state, by what I/O took up to now:")
    width = max(len(name) for name, _ in choice.instead)
    for name, text in choice.instead:
        lines += _wrapped(f"{indent}   {name.ljust(width)}  ", text)
    return lines


def _time(took_ns: int) -> str:
    """`12.3 us`, `4.56 ms`, `7.8 s`."""
    if took_ns < NS_PER_MS:
        return f"{took_ns / NS_PER_US:.1f} us"
    if took_ns < NS_PER_S:
        return f"{took_ns / NS_PER_MS:.2f} ms"
    return f"{took_ns / NS_PER_S:.3f} s"
