"""Which of the thousands of mechanical mutants are tried: the same ones for the same source, and mostly the same after a change.

Of two parts of the source: `engine`, the rooms of the data plane, and `protections`, the files that hold what keeps acknowledged
data safe, wherever they live. Every file of a part gives mutants by its size. Within a file the operators take turns, and each
operator's mutants come in the order of a hash of their key and the seed: a change of one function neither moves nor replaces the
mutants of another.
"""

import hashlib
from pathlib import Path
from typing import Final

from tools.mutants.mutant import PACKAGE, SAMPLED, Mutant
from tools.mutants.operators import Edit, compiles, find_edits

ROOMS: Final = ("block", "dm", "multipath")
SEED: Final = "hawser"
LINES_MIN: Final = 8
ENGINE: Final = "engine"
PROTECTIONS: Final = "protections"
# How many of each part, about.
SAMPLES: Final = {ENGINE: 240, PROTECTIONS: 400}


# What of `src/hawser` is sampled: directories, with all that is in them, and modules by their room.
_PROTECTING: Final = {
    "block": "orphan",
    "dm": "suspension",
    "multipath": (
        "demotion disk fence fitness hedge orphan_index queueing replay retained state twins waiting witness"
    ),
    "manager": "check_read ears identity keepalive latency manager marginal policy probe trial_record",
    "paths": "aftermath disk_lock facts machine nbd_facts recovered tcp write_record write_table",
    "service": "fence_agent path_states resize state_dir watchdog witness_file",
}
PARTS: Final[dict[str, tuple[str, ...]]] = {
    ENGINE: ROOMS,
    PROTECTIONS: (
        *(f"{room}/{name}.py" for room, names in _PROTECTING.items() for name in names.split()),
        "service/probe",
    ),
}


def source_files(root: Path, part: str = ENGINE) -> list[str]:
    """The files of `part` that are mutated, relative to `root`; a file of registrations only is none."""
    found: list[Path] = []
    for name in PARTS[part]:
        place = root / PACKAGE / name
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [path.relative_to(root).as_posix() for path in found if len(path.read_text().splitlines()) >= LINES_MIN]


def candidates(path: str, source: str) -> list[tuple[str, Mutant]]:
    """Every mechanical mutant of one file, with its operator's name."""
    short = path.removeprefix(PACKAGE + "/")
    times: dict[str, int] = {}
    found: list[tuple[str, Mutant]] = []
    data = source.encode()
    for edit in find_edits(source):
        said = f"{edit.function or 'module'}: {edit.what}"
        times[said] = times.get(said, 0) + 1
        again = f" ({times[said]})" if times[said] > 1 else ""
        key, name = f"{short} {said}{again}", f"{short}:{edit.line} {said}{again}"
        found.append((edit.operator, Mutant(key, name, SAMPLED, {path: edit.apply(data).decode()})))
    return found


def sample(root: Path, count: int | None = None, part: str = ENGINE) -> list[Mutant]:
    """About `count` mutants (of the part's own number) of a part of the tree at `root`, in the order of the files."""
    count = SAMPLES[part] if count is None else count
    texts = {path: (root / path).read_text() for path in source_files(root, part)}
    lines = sum(len(text.splitlines()) for text in texts.values())
    chosen: list[Mutant] = []
    for path, text in texts.items():
        quota = max(1, round(count * len(text.splitlines()) / lines))
        chosen += _choose(candidates(path, text), quota)
    return chosen


def _choose(found: list[tuple[str, Mutant]], quota: int) -> list[Mutant]:
    """The operators in turn, each one's mutants in the order of their hash; what is no Python is passed over."""
    queues: dict[str, list[Mutant]] = {}
    for operator, mutant in sorted(found, key=lambda each: _rank(each[1].key)):
        queues.setdefault(operator, []).append(mutant)
    chosen: set[str] = set()
    while queues and len(chosen) < quota:
        for operator in sorted(queues, key=_rank):
            if len(chosen) < quota:
                mutant = queues[operator].pop(0)
                if all(compiles(text) for text in mutant.files.values()):
                    chosen.add(mutant.key)
            if not queues[operator]:
                del queues[operator]
    return [mutant for _, mutant in found if mutant.key in chosen]


def _rank(text: str) -> bytes:
    return hashlib.sha256(f"{SEED} {text}".encode()).digest()


__all__ = ["ENGINE", "PARTS", "PROTECTIONS", "ROOMS", "SAMPLES", "Edit", "candidates", "sample", "source_files"]
