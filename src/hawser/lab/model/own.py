"""Own: selectors and elevators that a scenario names by where they are, instead of by the name that Linux gave them.

    selector = "examples/quickest.py:Quickest 0"       a file (as seen from where hawser was started, or one of its own examples),
                                                       and a class in it
    selector = "my_package.my_module:MySelector 1 7"   a module that can be imported, and a class in it
    scheduler = "my_elevators.py:Newest"

What follows a selector are its own arguments, with their count in front, as in a table. A selector is made as a plug-in's is
(hawser.plugins: with the list of its arguments), an elevator as the engine's own are (hawser.block.elevators.base: with its
queue). Both run behind a guard. Where a server goes on without a selector that has made a mistake, an experiment that went on
would measure something else: here the first mistake ends the run, a ScenarioError that names the method.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hawser.block.bio import Bio
from hawser.block.elevators.base import ELEVATORS, Elevator, register_elevator
from hawser.block.request import Request
from hawser.lab.examples import example
from hawser.lab.model.scenario import Scenario, ScenarioError
from hawser.multipath.selectors.base import SELECTORS, PathSelector, register_selector
from hawser.multipath.selectors.guard import Guard, told
from hawser.plugins import make_plugin

if TYPE_CHECKING:
    from hawser.block.dispatch import DispatchQueue

FILE_ENDING: Final = ".py"
_NAMES_SHOWN: Final = 8

# Files that were read -> their modules: two classes of one file share what it holds.
_MODULES: Final[dict[str, Any]] = {}


def is_own(name: str) -> bool:
    """Whether a name says where something is."""
    return ":" in name


def learn(scenario: Scenario) -> None:
    """Let tables and queues name whatever the scenario names by where it is. ScenarioError."""
    learn_selector(scenario.map.selector)
    for scheduler in [scenario.map.scheduler, *(path.scheduler for path in scenario.paths)]:
        learn_elevator(scheduler)


def learn_selector(words: str) -> None:
    """`words`: its name, and its arguments as in a table. ScenarioError. Nothing happens where it is known, or no own one."""
    name = words.split()[0] if words.split() else ""
    if is_own(name) and name not in SELECTORS:
        register_selector(name, _SelectorMaker(name, find(name, "path selector")).made)


def learn_elevator(name: str) -> None:
    """The same for an elevator."""
    if is_own(name) and name not in ELEVATORS:
        register_elevator(name, _ElevatorMaker(name, find(name, "elevator")).made)


def find(name: str, what: str) -> Callable[..., Any]:
    """What `FILE.py:CLASS` or `package.module:CLASS` points at; `what` it is to be, for messages. ScenarioError."""
    place, _, attribute = name.partition(":")
    if not place or not attribute:
        raise ScenarioError(f"{what} {name!r}: FILE.py:CLASS or package.module:CLASS is wanted")
    module = _read(place, name, what) if place.endswith(FILE_ENDING) else _import(place, name, what)
    found = getattr(module, attribute, None)
    if found is None:
        classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        has = f"it has {', '.join(classes[:_NAMES_SHOWN])}" if classes else "it has no class"
        raise ScenarioError(f"{what} {name!r}: nothing in {place} is called {attribute!r}; {has}")
    if not callable(found):
        raise ScenarioError(f"{what} {name!r}: is a {type(found).__name__}, and no class or function that makes one")
    return found  # type: ignore[no-any-return]


def _import(place: str, name: str, what: str) -> Any:
    try:
        return importlib.import_module(place)
    except Exception as error:
        hint = f"; a file's name ends in {FILE_ENDING}" if "/" in place else ""
        raise ScenarioError(f"{what} {name!r}: cannot be imported: {told(error)}{hint}") from error


def _read(place: str, name: str, what: str) -> Any:
    path = os.path.realpath(example(place))
    if path in _MODULES:
        return _MODULES[path]
    if not os.path.isfile(path):
        raise ScenarioError(f"{what} {name!r}: there is no file {place!r} here")
    called = f"hawser_own_{len(_MODULES)}_{os.path.basename(path)[: -len(FILE_ENDING)]}"
    spec = importlib.util.spec_from_file_location(called, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[called] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[called]
        raise ScenarioError(f"{what} {name!r}: {place} cannot be read: {told(error)}") from error
    _MODULES[path] = module
    return module


class _SelectorMaker:
    """Makes a selector, with a guard before it that lets no mistake pass."""

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name = name
        self.make = make

    def made(self, words: list[str]) -> PathSelector:
        origin = f"path selector {self.name!r}"
        return StrictGuard(self.name, make_plugin(self.make, words, origin), origin)


class StrictGuard(Guard):
    """A selector's first mistake ends the run."""

    def __init__(self, name: str, inner: PathSelector, origin: str) -> None:
        super().__init__(name, inner, origin)
        self.mistake = ""

    def _broke(self, what: str) -> None:
        self.is_broken = True
        # The guard may catch what is raised here, and ask again.
        self.mistake = self.mistake or f"{self.origin}: {what}"
        raise ScenarioError(self.mistake)


class _ElevatorMaker:
    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name = name
        self.make = make

    def made(self, queue: "DispatchQueue") -> Elevator:
        origin = f"elevator {self.name!r}"
        try:
            elevator = self.make(queue)
        except Exception as error:
            raise ScenarioError(f"{origin}: constructor failed: {told(error)}") from error
        if not isinstance(elevator, Elevator):
            raise ScenarioError(f"{origin}: makes a {type(elevator).__name__}, which is no Elevator")
        if not hasattr(elevator, "queue"):
            raise ScenarioError(f"{origin}: its constructor does not call super().__init__(queue)")
        return GuardedElevator(queue, elevator, origin)


class GuardedElevator(Elevator):
    """What goes in comes out, once: counted at each call."""

    def __init__(self, queue: "DispatchQueue", inner: Elevator, origin: str) -> None:
        super().__init__(queue)
        self.inner = inner
        self.origin = origin
        self.sorts = inner.sorts
        self.held = 0

    def insert(self, request: Request, at_head: bool) -> None:
        try:
            self.inner.insert(request, at_head)
            now = self.inner.waiting()
        except Exception as error:
            raise self._wrong(f"insert: {told(error)}") from error
        # One that waited may have taken it in.
        if now != self.held + 1 and not (now == self.held and now > 0):
            raise self._wrong(f"insert: {self.held} requests waited, and one more makes {now}")
        self.held = now

    def merge(self, bio: Bio) -> Request | None:
        try:
            request = self.inner.merge(bio)
        except Exception as error:
            raise self._wrong(f"merge: {told(error)}") from error
        self._check_count("merge")
        return request

    def peek(self) -> Request | None:
        try:
            request = self.inner.peek()
        except Exception as error:
            raise self._wrong(f"peek: {told(error)}") from error
        self._check_count("peek")
        return request

    def next(self) -> Request | None:
        try:
            request = self.inner.next()
        except Exception as error:
            raise self._wrong(f"next: {told(error)}") from error
        if request is not None:
            self.held -= 1
        self._check_count("next")
        return request

    def waiting(self) -> int:
        return self.held

    def requests(self) -> list[Request]:
        try:
            return self.inner.requests()
        except Exception as error:
            raise self._wrong(f"requests: {told(error)}") from error

    def take_all(self) -> list[Request]:
        try:
            taken = self.inner.take_all()
        except Exception as error:
            raise self._wrong(f"take_all: {told(error)}") from error
        if len(taken) != self.held:
            raise self._wrong(f"take_all: gives {len(taken)} of the {self.held} requests that waited")
        self.held = 0
        self._check_count("take_all")
        return taken

    def finished(self, request: Request) -> None:
        try:
            self.inner.finished(request)
        except Exception as error:
            raise self._wrong(f"finished: {told(error)}") from error

    def attributes(self) -> dict[str, int]:
        return self.inner.attributes()

    def set_attribute(self, name: str, value: int) -> None:
        self.inner.set_attribute(name, value)

    def _check_count(self, method: str) -> None:
        now = self.inner.waiting()
        if now != self.held:
            raise self._wrong(f"{method}: {self.held} requests have to wait, it says {now}")

    def _wrong(self, what: str) -> ScenarioError:
        return ScenarioError(f"{self.origin}: {what}")
