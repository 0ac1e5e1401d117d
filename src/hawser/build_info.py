"""What this installation is made of: compiled or interpreted modules.

One source, two builds. This file owns the list of what is compiled (the build hook reads it from here), and
tells afterwards what an installation really holds, from where each module would be loaded.
"""

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Kind = Literal["compiled", "interpreted"]

# The rooms of the engine: no I/O, no time, no chance.
ENGINE_ROOMS = ("core", "block", "dm", "multipath", "manager", "nbd", "scsi")

# What is compiled, as glob patterns below the package: the engine, and the hot files round it.
COMPILED_PATTERNS = (
    *(f"{room}/**/*.py" for room in ENGINE_ROOMS),
    "exports/**/*.py",
    "paths/**/*.py",
    "lab/**/*.py",
    "service/loop.py",
)

# What stays interpreted all the same: path below the package -> the reason. One that ends in a slash is a whole folder.
_PLAIN = "plain dataclasses, which msgspec reads and process pools pickle"
_COLD = "runs once per plan or not at all in a run"
_STEP = "runs once per step of a transcript"
INTERPRETED: dict[str, str] = {
    "lab/plan.py": _PLAIN,
    "lab/axis.py": _COLD,
    "lab/chart.py": _COLD,
    "lab/conformance/comparer.py": _STEP,
    "lab/conformance/judge.py": _STEP,
    "lab/conformance/kinds.py": _STEP,
    "lab/conformance/protocol.py": _STEP,
    "lab/conformance/report.py": _STEP,
    "lab/conformance/runner.py": _STEP,
    "lab/conformance/transcript.py": _STEP,
    "lab/conformance/words.py": _STEP,
    "lab/linux/build.py": _STEP,
    "lab/linux/errnos.py": _STEP,
    "lab/linux/machine.py": _STEP,
    "lab/linux/mersenne.py": _STEP,
    "lab/linux/nodes.py": _STEP,
    "lab/linux/programs/blockdev.py": _STEP,
    "lab/linux/programs/coreutils.py": _STEP,
    "lab/linux/programs/dd.py": _STEP,
    "lab/linux/programs/io.py": _STEP,
    "lab/linux/programs/small.py": _STEP,
    "lab/linux/programs/streams.py": _STEP,
    "lab/linux/programs/words.py": _STEP,
    "lab/linux/shell.py": _STEP,
    "lab/linux/surroundings.py": _STEP,
    "lab/linux/sysfs.py": _STEP,
    "lab/linux/sysfs_disk.py": _STEP,
    "lab/linux/sysfs_queue.py": _STEP,
    "lab/linux/sysfs_scsi.py": _STEP,
    "lab/linux/system.py": _STEP,
    "lab/experiments/": "says what is to be run; what runs is compiled",
    "lab/report/": _COLD,
    "lab/model/scenario.py": _PLAIN,
    "lab/model/jobs.py": _PLAIN,
    "lab/model/scenario_check.py": _COLD,
    "lab/model/scenario_file.py": _COLD,
    "lab/model/scenario_words.py": _COLD,
    "lab/model/word_kinds.py": _COLD,
    "lab/model/grid.py": _COLD,
    "lab/model/stats.py": _COLD,
    "lab/model/explain.py": "watches single I/Os of a run that is told, not measured",
    "lab/model/onlooker.py": "watches single I/Os of a run that is told, not measured",
    "lab/model/replay.py": _COLD,
    "lab/model/trace_fit.py": _COLD,
    "lab/model/trace_read.py": _PLAIN,
    "lab/draw.py": _COLD,
    "lab/draw_clients.py": _COLD,
    "lab/draw_faults.py": _COLD,
    "lab/draw_programs.py": _COLD,
    "lab/draw_scenes.py": _COLD,
    "lab/draw_shapes.py": _COLD,
    "lab/draw_tables.py": _COLD,
    "lab/figure.py": _COLD,
    "lab/hazard_plans.py": _COLD,
    "lab/look.py": _COLD,
    "lab/plan_file.py": _COLD,
    "lab/programs.py": _COLD,
    "lab/recordings.py": _COLD,
    "lab/shrink.py": _COLD,
    "lab/shrink_numbers.py": _COLD,
    "lab/shrink_table.py": _COLD,
    "lab/spans.py": _COLD,
    "lab/story.py": _COLD,
    "lab/trial.py": _COLD,
    "lab/words.py": _COLD,
    "lab/workloads.py": _COLD,
}


def compiled_sources(package_dir: Path) -> list[Path]:
    """The source files below `package_dir` that a compiled build compiles, in a fixed order.

    Package files (`__init__.py`) hold no code worth it, and compiled ones confuse importers.
    """
    found = {path for pattern in COMPILED_PATTERNS for path in package_dir.glob(pattern)}
    return sorted(
        path for path in found if path.name != "__init__.py" and not _is_interpreted(path.relative_to(package_dir))
    )


def _is_interpreted(path: Path) -> bool:
    return path.as_posix() in INTERPRETED or any(f"{folder.as_posix()}/" in INTERPRETED for folder in path.parents)


def module_kinds() -> dict[str, Kind]:
    """Each module that a compiled build compiles -> what it is here. Nothing is imported but packages."""
    package_dir = Path(__file__).parent
    names = (
        "hawser." + ".".join(path.relative_to(package_dir).with_suffix("").parts)
        for path in compiled_sources(package_dir)
    )
    return {name: _kind_of(name) for name in names}


def build_kind() -> Kind:
    """`compiled` if every module that should be is, else `interpreted`."""
    kinds = module_kinds()
    return "compiled" if kinds and "interpreted" not in kinds.values() else "interpreted"


def describe() -> str:
    """One line for people: `compiled (41 modules)`, or how many of how many are."""
    kinds = list(module_kinds().values())
    compiled = kinds.count("compiled")
    if compiled in (0, len(kinds)):
        return f"{build_kind()} ({len(kinds)} modules)"
    return f"mixed ({compiled} of {len(kinds)} modules compiled)"


def _kind_of(name: str) -> Kind:
    spec = find_spec(name)
    origin = spec.origin if spec is not None and spec.origin is not None else ""
    return "compiled" if origin.endswith(tuple(EXTENSION_SUFFIXES)) else "interpreted"
