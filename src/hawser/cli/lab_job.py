"""One job, in whichever process it is played: what it came to, or what went wrong, as text."""

import traceback
from threading import Lock

from hawser.cli.lab_identity import identity
from hawser.lab.model.jobs import play_text

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


def play_job_if_same(play: str, scenario: str, seed: int, wanted: str) -> tuple[str, str]:
    """The same, by a worker that has come after all others were asked which hawser they have."""
    if identity() != wanted:
        return "", f"a worker has hawser {identity()}; this is {wanted}"
    return play_job(play, scenario, seed)
