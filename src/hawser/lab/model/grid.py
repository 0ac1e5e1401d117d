"""Grids: every combination of what is varied, each a scenario of its own.

`over` maps keys to texts: {"selector": ["service-time 0", "queue-length 0"], "depth": ["1", "8", "64"]} has six cells, and the
last key goes fastest. Keys are those of hawser.lab.model.scenario_words; `size=4k+64k` is a mixture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from hawser.lab.model.scenario import Scenario, ScenarioError
from hawser.lab.model.scenario_check import check
from hawser.lab.model.scenario_file import check_over, copy_of, vary
from hawser.lab.model.scenario_words import PATHS, full_key

CELLS_MAX: Final = 10_000
AS_WRITTEN: Final = "as written"
LOAD_HEAD: Final = "load"


@dataclass
class Cell:
    """`words`: what is special about it. Its scenario varies nothing itself."""

    words: dict[str, str]
    scenario: Scenario

    def label(self) -> str:
        return ", ".join(f"{key}={text}" for key, text in self.words.items()) or AS_WRITTEN


def cells(scenario: Scenario, over: dict[str, list[str]]) -> list[Cell]:
    """All combinations in a fixed order; one, as written, if nothing is varied. ScenarioError names the cell that is none."""
    check_over(scenario, over)
    count = 1
    for texts in over.values():
        count *= len(texts)
    if count > CELLS_MAX:
        raise ScenarioError(f"over: {count:,} combinations; at most {CELLS_MAX:,} are compared")
    return [_cell(scenario, dict(zip(over, texts, strict=True))) for texts in product(*over.values())]


def load_keys(found: Sequence[Cell]) -> list[str]:
    """What is varied of the load, if anything else is varied besides: within its values the others are compared."""
    keys = list(found[0].words)
    of_load = [key for key in keys if full_key(key).startswith(f"{LOAD_HEAD}.")]
    return of_load if len(of_load) < len(keys) else []


def by_load(found: Sequence[Cell]) -> list[list[int]]:
    """The numbers of the cells, those of one load together, in their order."""
    keys = load_keys(found)
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, cell in enumerate(found):
        groups.setdefault(tuple(cell.words[key] for key in keys), []).append(number)
    return list(groups.values())


def _cell(scenario: Scenario, words: dict[str, str]) -> Cell:
    cell = Cell(words, copy_of(scenario))
    cell.scenario.over = {}
    # How many paths there are comes first: the others may be about one of them.
    for key in sorted(words, key=lambda key: full_key(key) != PATHS):
        vary(cell.scenario, key, words[key])
    try:
        check(cell.scenario)
    except ScenarioError as error:
        raise ScenarioError(f"{cell.label()}: {error}") from None
    return cell


def parse_over(texts: list[str]) -> dict[str, list[str]]:
    """What `--over KEY=VALUE,...` said, each time. ScenarioError."""
    over: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not key or not values.strip():
            raise ScenarioError(f"over {text!r}: want KEY=VALUE,VALUE..., as in depth=1,8,64")
        if key in over:
            raise ScenarioError(f"over {key}: stands there twice: want all of its values in one")
        over[key] = [value.strip() for value in values.split(",")]
    return over
