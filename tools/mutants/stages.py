"""The stages that a mutant goes through until one fails, and who killed it.

Each is a program run from a private copy of the tree by `guard.py`, which makes sure that the copy's engine, interpreted, is what
it imports. The programs are the project's own: pytest over the engine's tests (first those nearest to the mutant, see
tools.mutants.nearby), `hawser lab conformance`, `hawser lab fuzz`, `hawser lab explore`. Of the rooms outside of the engine the
laboratory runs nothing: their mutants meet tests only, which start real processes.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NEAR: Final = "near"
UNIT: Final = "unit"
TRANSCRIPTS: Final = "transcripts"
SEEDS: Final = "seeds"
EXPLORE: Final = "explore"
NAMES: Final = (NEAR, UNIT, TRANSCRIPTS, SEEDS, EXPLORE)
# Those of pytest.
TESTS: Final = (NEAR, UNIT)

UNIT_ROOMS: Final = ("block", "dm", "multipath", "manager", "core")
OUTER_ROOMS: Final = ("paths", "service")
OUTER_TESTS: Final = (
    "tests/paths",
    *(
        f"tests/service/test_{name}.py"
        for name in ("options", "gateway", "gateways", "fence_agent", "state_dir", "shutdown", "stuck")
    ),
    *(f"tests/service/test_{name}.py" for name in ("rules_of_state_dir", "witness_file", "paths_verb")),
    *(f"tests/service/test_{name}.py" for name in ("probe", "probe_connection")),
)
# A test that does not end is a mutant that hangs. Those that start servers take longer where the machine has much to do.
UNIT_TEST_TIMEOUT_S: Final = 20
OUTER_TEST_TIMEOUT_S: Final = 120
UNIT_COMMAND: Final = (*("pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"), *("--tb", "line"))
CONFORMANCE: Final = ("lab", "conformance", "--jobs", "1")
TRANSCRIPTS_COMMAND: Final = (
    *("hawser", *CONFORMANCE, "tests/conformance/transcripts"),
    *("++", *CONFORMANCE, "tests/conformance/corners"),
    *("++", *CONFORMANCE, "tests/conformance/more"),
    *("++", *CONFORMANCE, "tests/conformance/random"),
)
SEEDS_COMMAND: Final = ("hawser", "lab", "fuzz", "--seeds", "0..200", "--jobs", "1", "--no-marks")
EXPLORE_COMMAND: Final = ("hawser", "lab", "explore", "--bound", "small")

# What is copied for a mutant; the guard comes along.
TREE: Final = ("src/hawser", "tests", "pyproject.toml")
GUARD: Final = Path(__file__).with_name("guard.py")
# The guard's own exit status: the run itself is at fault.
WRONG_SOURCE: Final = 97
# pytest's for wrong usage and for no tests.
PYTEST_TROUBLE: Final = (4, 5)

_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)
_STEP: Final = re.compile(r"^(\S+\.jsonl\[\d+\])", re.MULTILINE)
_SEED: Final = re.compile(r"\bseed[ =:]+(\d+)", re.IGNORECASE)
_SEED_OPTION: Final = re.compile(r"--seeds? (\d+)")
_TIMED_OUT: Final = re.compile(r"Timeout \(?>?\s*\d")


@dataclass(frozen=True)
class Outcome:
    """How a stage's program ended. `killer` names the test or seed. `hung`: time ran out. `trouble`: the run is at fault."""

    passed: bool
    killer: str = ""
    hung: bool = False
    trouble: str = ""


def is_met(stage: str, room: str) -> bool:
    """Whether a mutant of `room` is run by this stage at all."""
    return stage in TESTS or room not in OUTER_ROOMS


def unit_tests(room: str) -> list[str]:
    if room in OUTER_ROOMS:
        return sorted(OUTER_TESTS, key=lambda name: not name.startswith(f"tests/{room}"))
    return [f"tests/{name}" for name in sorted(UNIT_ROOMS, key=lambda name: name != room)]


def command(stage: str, room: str, near: list[str]) -> list[str]:
    """What the guard runs for a mutant of `room`: the tests `near` it, or all unit tests, its room's first."""
    if stage in TESTS:
        timeout_s = OUTER_TEST_TIMEOUT_S if room in OUTER_ROOMS else UNIT_TEST_TIMEOUT_S
        return [*UNIT_COMMAND, "--timeout", str(timeout_s), *(near if stage == NEAR else unit_tests(room))]
    return list({TRANSCRIPTS: TRANSCRIPTS_COMMAND, SEEDS: SEEDS_COMMAND, EXPLORE: EXPLORE_COMMAND}[stage])


def guarded(stage: str, room: str, modules: list[str], near: list[str]) -> list[str]:
    """The whole command line, to be run in the copy's root."""
    return [sys.executable, str(GUARD), ",".join(modules), *command(stage, room, near)]


def judge(stage: str, status: int | None, output: str) -> Outcome:
    """What the exit status (None: time ran out, negative: a signal) and the output of a stage's program mean."""
    if status is None:
        return Outcome(False, "does not end", hung=True)
    if status == 0:
        return Outcome(True)
    last = output.strip().splitlines()[-1] if output.strip() else f"exit status {status}"
    misused = status in PYTEST_TROUBLE if stage in TESTS else "Usage: " in output
    if status == WRONG_SOURCE or misused:
        return Outcome(False, trouble=last)
    if stage in TESTS:
        found = _FAILED.search(output)
        return Outcome(False, found[1] if found is not None else last, hung=_TIMED_OUT.search(output) is not None)
    step = _STEP.search(output)
    if stage == TRANSCRIPTS and step is not None:
        return Outcome(False, step[1])
    seed = _SEED_OPTION.search(output) or _SEED.search(output)
    if stage == SEEDS and seed is not None:
        return Outcome(False, f"seed {seed[1]}")
    return Outcome(False, last[:160])
