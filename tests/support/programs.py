"""Real programs that tests drive: there, or a skip with the reason; in CI their absence is a failure."""

import os
import shutil
from typing import NoReturn

import pytest

# Where system programs live that an unprivileged user's PATH does not name.
SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def in_ci() -> bool:
    """Whether this is a continuous integration run, where nothing may be missing."""
    return bool(os.environ.get("CI"))


def find_program(name: str) -> str | None:
    """The full path of a program, looked for in PATH and in the system directories."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=os.pathsep.join((path, *SYSTEM_DIRECTORIES)))


def require_program(name: str) -> str:
    """The full path of a program; without it the calling test skips, in CI it fails."""
    found = find_program(name)
    if found is None:
        missing(f"the program {name} is not installed")
    return found


def missing(what: str) -> NoReturn:
    """Skip the calling test because `what`; in CI, fail it: there everything a test wants is installed."""
    if in_ci():
        pytest.fail(f"{what}, and this is CI", pytrace=False)
    pytest.skip(what)
