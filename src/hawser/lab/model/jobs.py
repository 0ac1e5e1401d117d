"""Jobs: a scenario and a seed to be played, as text that any process on any machine can have; and who plays them.

What a job comes to is JSON, always written the same way, so that two who played the same job can be compared byte by byte.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from hawser.lab.model.grid import Cell
from hawser.lab.model.scenario import Scenario
from hawser.lab.model.scenario_file import of_plain, plain

# What plays a scenario: module:function, called with the scenario and the seed; it answers with plain data.
PLAY: Final = "hawser.lab.model.play:play"
# Fields of a scenario that change nothing of a run.
_TEXTS: Final = ("name", "hypothesis", "source", "seeds", "over")


@dataclass(frozen=True)
class Job:
    """`number`: its place. `scenario`: the cell's, as JSON."""

    number: int
    label: str
    scenario: str
    seed: int

    def name(self) -> str:
        return f"{self.label}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """`text`: what `play` answered, as JSON; or why there is none."""

    text: str = ""
    error: str = ""


class Executor:
    """Plays jobs, somewhere. The same jobs come to the same outcomes whoever it is."""

    def run(self, jobs: Sequence[Job], play: str) -> Iterator[tuple[Job, Outcome]]:
        """Each job with its outcome, in the order in which they end. `play` is a name as PLAY."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing more is to be played."""


class Here(Executor):
    """In this process, one after the other; what goes wrong is the caller's to see."""

    def run(self, jobs: Sequence[Job], play: str) -> Iterator[tuple[Job, Outcome]]:
        for job in jobs:
            yield job, Outcome(play_text(play, job.scenario, job.seed))


def make_jobs(cells: Sequence[Cell], seeds: Sequence[int]) -> list[Job]:
    """Cell by cell, and in each the seeds in their order."""
    jobs: list[Job] = []
    for cell in cells:
        text = write(plain(bare(cell.scenario)))
        jobs += [Job(len(jobs) + place, cell.label(), text, seed) for place, seed in enumerate(seeds)]
    return jobs


def bare(scenario: Scenario) -> Scenario:
    """Without what changes nothing of a run: two that are equal then are the same."""
    copied = of_plain(plain(scenario))
    usual = Scenario()
    for field in _TEXTS:
        setattr(copied, field, getattr(usual, field))
    return copied


def write(data: Any) -> str:
    """JSON on one line, keys sorted: equal data is equal text. ValueError for what JSON has no number for."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def play_text(play: str, scenario: str, seed: int) -> str:
    """Play a scenario that `write` wrote, and write what it came to."""
    return write(find_play(play)(of_plain(json.loads(scenario)), seed))


def find_play(name: str) -> Callable[[Scenario, int], dict[str, Any]]:
    """What `module:function` names."""
    module, _, function = name.partition(":")
    found: Callable[[Scenario, int], dict[str, Any]] = getattr(import_module(module), function)
    return found
