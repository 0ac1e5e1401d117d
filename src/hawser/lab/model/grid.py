"""Grids: every combination of what is varied, each a scenario of its own.

`over` maps keys to texts: {"selector": ["service-time 0", "queue-length 0"], "depth": ["1", "8", "64"]} has six cells, and the
last key goes fastest. Keys are those of hawser.lab.model.scenario_words; `size=4k+64k` is a mixture.
"""

from dataclasses import dataclass
from itertools import product
from typing import Final

from hawser.lab.model.scenario import Scenario, ScenarioError
from hawser.lab.model.scenario_check import check
from hawser.lab.model.scenario_file import check_over, copy_of, vary
from hawser.lab.model.scenario_words import PATHS, full_key

CELLS_MAX: Final = 10_000
AS_WRITTEN: Final = "as written"


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
