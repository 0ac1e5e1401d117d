"""Catalogue: which experiments there are, and how to get at one: by its name, or from a file of one's own.

A file of one's own is Python that defines a subclass of Experiment (hawser.lab.experiments.base), or several; or a scenario in
TOML (hawser.lab.model.scenario), whose `over` is compared.
"""

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from hawser.lab.experiments.base import Experiment
from hawser.lab.model.scenario import ScenarioError
from hawser.lab.model.scenario_file import load

# In the order in which they are printed: from the block layer up to what an operator sees.
NAMES: Final[tuple[str, ...]] = (
    "merge-before-map",
    "busy-feedback",
    "elevator",
    "merge-deadline",
    "random-io",
    "granularity",
    "big-bios",
    "resplit",
    "rfc-2008",
    "modes",
    "selector-shares",
    "clock-resolution",
    "latency-path",
    "load-balance",
    "failover",
    "gray-failure",
    "ghost-write",
    "service-time-overflow",
)

_PACKAGE: Final = "hawser.lab.experiments"


class ExperimentError(Exception):
    """There is no such experiment, or it cannot be used. The message says which, and what would be right."""


def find_experiments(what: str) -> list[Experiment]:
    """Those that a name or a file stands for; at least one. ExperimentError."""
    if what.endswith(".toml"):
        return [_comparison(Path(what))]
    if what.endswith(".py"):
        return _of_file(Path(what))
    if what not in NAMES:
        near = get_close_matches(what, NAMES, 1)
        known = f"the nearest is {near[0]}" if near else f"there are {', '.join(NAMES)}"
        raise ExperimentError(f"{what}: no experiment of that name ({known}), and no file that ends in .toml or .py")
    return _of_module(import_module(f"{_PACKAGE}.{what.replace('-', '_')}"), what)


def _comparison(file: Path) -> Experiment:
    from hawser.lab.experiments.comparison import Comparison

    try:
        return Comparison(load(file))
    except ScenarioError as error:
        text = str(error)
        raise ExperimentError(text if text.startswith(str(file)) else f"{file}: {text}") from None


def _of_file(file: Path) -> list[Experiment]:
    spec = spec_from_file_location(f"hawser_experiment_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ExperimentError(f"{file}: no such file")
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ExperimentError(f"{file}: cannot be loaded: {type(error).__name__}: {error}") from error
    return _of_module(module, str(file))


def _of_module(module: ModuleType, what: str) -> list[Experiment]:
    """Those that the module itself defines, in the order of the file."""
    found: list[Experiment] = []
    for value in list(vars(module).values()):
        is_one = isinstance(value, type) and issubclass(value, Experiment) and value is not Experiment
        if is_one and value.__module__ == module.__name__ and not value.__name__.startswith("_"):
            experiment = value()
            _check(experiment, what)
            found.append(experiment)
    if not found:
        raise ExperimentError(f"{what}: defines no subclass of hawser.lab.experiments.base.Experiment")
    return found


def _check(experiment: Experiment, what: str) -> None:
    missing = [word for word in ("name", "title", "hypothesis", "model", "source") if not getattr(experiment, word)]
    if missing:
        name = type(experiment).__name__
        raise ExperimentError(
            f"{what}: {name} does not say its {' and '.join(missing)}: an experiment is fixed before it is run"
        )
