"""Groups `engine`, `lab` and `model`: the engine over a null driver, over the laboratory's simulated devices, and over its model
of paths that cost time and hold no data, in both modes and both builds, in interleaved rounds.

`bench.engine` is run by the Python of each build's virtual environment and prints one JSON object:
`{"mode", "build", "ns_per_io", "gc_pause_max_us"}`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from bench.cases import ENGINE_MODES, LONGER, MODEL_LONGER, MODEL_MODES, RAW, BenchError
from bench.fio import last_line
from bench.race import rotated

TIMEOUT_S = 120.0
# What stands below the engine, and what a simulated I/O costs more than one that does nothing.
OVER = {"engine": "null", "lab": "lab", "model": "model"}
LIGHTER = {"engine": 1, "lab": 8, "model": 16}
VENVS = {"compiled": ".venv", "interpreted": ".venv-pure"}


@dataclass(slots=True)
class EngineLane:
    """One mode of one build: nanoseconds per I/O and the longest garbage collection, a value per round."""

    mode: str
    build: str
    ns_per_io: list[float] = field(default_factory=list)
    gc_pause_max_us: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    group: str = "engine"


OnRound = Callable[[int, Sequence[EngineLane]], None]


def engine_lanes(modes: Sequence[str], group: str = "engine") -> list[EngineLane]:
    """A lane of each mode and build; over a null driver, of what the modes are to be seen beside, too."""
    if group == "engine":
        modes = [mode for mode in ENGINE_MODES if mode == RAW or mode.partition("-")[0] in modes]
    elif group == "model":
        modes = [mode for mode in MODEL_MODES if mode.partition("-")[0] in modes]
    return [EngineLane(mode, build, group=group) for build in VENVS for mode in modes]


def run_engine(root: Path, lanes: Sequence[EngineLane], rounds: int, ios: int, stop: Event, on_round: OnRound) -> None:
    """Fills the lanes; an absent virtual environment is an error of its lane."""
    for round_number in range(rounds):
        for lane in rotated(lanes, round_number):
            if stop.is_set():
                return
            try:
                _add(lane, run_once(root, lane, ios))
            except BenchError as error:
                lane.errors.append(f"round {round_number + 1}: {error}")
        on_round(round_number, lanes)


def run_once(root: Path, lane: EngineLane, ios: int) -> str:
    python = Path(VENVS[lane.build], "bin", "python")
    ios //= LIGHTER[lane.group]
    if lane.mode == MODEL_LONGER:
        ios *= LONGER
    command = [str(python), "-m", "bench.engine", "--over", OVER[lane.group], "--mode", lane.mode, "--ios", str(ios)]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise BenchError(f"{python}: not there; `make setup` makes it") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"bench.engine: not done within {TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise BenchError(f"bench.engine: exit status {done.returncode}: {last_line(done.stderr)}")
    return done.stdout


def parse_engine(text: str) -> dict[str, Any]:
    """The last line of what `bench.engine` printed."""
    try:
        said = json.loads(last_line(text))
        return {
            "build": str(said["build"]),
            "ns_per_io": float(said["ns_per_io"]),
            "gc_pause_max_us": float(said["gc_pause_max_us"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(f"bench.engine: JSON of an unknown shape: {error!r}") from error


def _add(lane: EngineLane, text: str) -> None:
    said = parse_engine(text)
    if said["build"] != lane.build:
        raise BenchError(f"{VENVS[lane.build]}: holds the {said['build']} build, not the {lane.build} one")
    lane.ns_per_io.append(said["ns_per_io"])
    lane.gc_pause_max_us.append(said["gc_pause_max_us"])
