"""One job, in whichever process it is played: what it came to, or what went wrong, as text."""

import traceback
from threading import Lock

from hawser.cli.lab_identity import identity, outside_of
from hawser.lab.model.jobs import play_text
from hawser.lab.model.scenario import ScenarioError

# A worker of Dask has several threads; the engine's worlds are made for one at a time, and Python runs one at a time anyhow.
_ONE_AT_A_TIME = Lock()


def play_job(play: str, scenario: str, seed: int) -> tuple[str, str]:
    """The outcome as JSON, or an error: one of the two is empty. Nothing that a job does may end the process that plays it."""
    try:
        with _ONE_AT_A_TIME:
            return play_text(play, scenario, seed), ""
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
        return "", f"{type(error).__name__}: {error}{where}"


def play_job_if_same(play: str, scenario: str, seed: int, hawser: str, files: str) -> tuple[str, str]:
    """The same, by a worker that may have come after all others were asked which hawser they have, and that may have other files
    where the scenario says that a selector of one's own is."""
    if identity() != hawser:
        return "", f"a worker has hawser {identity()}; this is {hawser}"
    try:
        if outside_of(scenario) != files:
            return "", "a worker has another selector or elevator where the scenario says that it is"
    except ScenarioError as error:
        return "", f"on a worker: {error}"
    return play_job(play, scenario, seed)
