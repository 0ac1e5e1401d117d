"""A small world that is explored to its end."""

from typing import Final

from hawser.lab.explore.scenarios import SCENARIOS, SMALL
from hawser.lab.explore.search import explore

# How long one of them may take, interpreted and on a busy machine, in seconds.
EXPLORING_S: Final = 600


def nothing_is_wrong(name: str, mode: str) -> None:
    """With the fences on, whatever the order of events."""
    found = explore(SCENARIOS[name], mode, fences=True, bound=SMALL)
    assert found.counter_example is None, "\n".join(found.counter_example.story)
    assert found.complete, found.line()
    assert found.states > 10, found.line()
