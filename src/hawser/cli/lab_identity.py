"""Which hawser this is, exactly: its version and a digest of the source of whatever decides the outcome of a run.

Two builds of one source, compiled or interpreted, are the same: their outcomes are equal to the last bit.
"""

import json
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hawser import __version__
from hawser.build_info import ENGINE_ROOMS
from hawser.lab.model.scenario import Scenario, ScenarioError
from hawser.lab.model.scenario_file import of_plain

ROOMS: Final = (*ENGINE_ROOMS, "lab")
# Parts of the laboratory that only look at what came out.
_LOOKS: Final = ("experiments", "report")


@lru_cache(maxsize=1)
def identity() -> str:
    """`0.1.0 (1f0a...)`, the same on every machine that has the same source."""
    package = Path(__file__).parent.parent
    digest = blake2b(digest_size=8)
    for room in ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            below = path.relative_to(package)
            if room == "lab" and below.parts[1] in _LOOKS:
                continue
            digest.update(below.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{__version__} ({digest.hexdigest()})"


def outside(scenario: Scenario) -> str:
    """A digest of the files that a scenario needs beside itself: the source of selectors and elevators of one's own, which are
    named `module:Class` or `FILE.py:Class`. ScenarioError when one of them is not there."""
    digest = blake2b(digest_size=8)
    schedulers = dict.fromkeys([scenario.map.scheduler, *(path.scheduler for path in scenario.paths)])
    for words in (scenario.map.selector, *schedulers):
        place, colon, _ = words.partition(" ")[0].partition(":")
        if colon:
            digest.update(_source(place))
    return digest.hexdigest()


@lru_cache(maxsize=64)
def outside_of(scenario: str) -> str:
    """The same of a scenario as jobs have it (hawser.lab.model.jobs)."""
    return outside(of_plain(json.loads(scenario)))


def _source(place: str) -> bytes:
    path = Path(place)
    if path.suffix != ".py":
        try:
            spec = find_spec(place)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.origin is None:
            raise ScenarioError(f"there is no module {place!r} that could be imported")
        path = Path(spec.origin)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
