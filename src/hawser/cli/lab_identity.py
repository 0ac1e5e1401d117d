"""Which hawser this is, exactly: its version and a digest of the source of whatever decides the outcome of a run.

Two builds of one source, compiled or interpreted, are the same: their outcomes are equal to the last bit.
"""

from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hawser import __version__
from hawser.build_info import ENGINE_ROOMS
from hawser.lab.model.scenario import Scenario, ScenarioError

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
    """A digest of the files that a scenario needs beside itself: the source of selectors and elevators of one's own.

    ScenarioError when one of them is not there.
    """
    digest = blake2b(digest_size=8)
    schedulers = [scenario.map.scheduler, *dict.fromkeys(path.scheduler for path in scenario.paths)]
    for where, words in (("map.selector", scenario.map.selector), *(("scheduler", name) for name in schedulers)):
        module, colon, _ = words.partition(" ")[0].partition(":")
        if colon:
            digest.update(_source(module, where))
    return digest.hexdigest()


def _contents(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"{where}: {path}: {error.strerror}") from None


def _source(module: str, where: str) -> bytes:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise ScenarioError(f"{where}: there is no module {module!r} that could be imported")
    return _contents(Path(spec.origin), where)
