"""Plug-ins: path selectors of other packages, by entry points of the group `hawser.path_selectors`.

    [project.entry-points."hawser.path_selectors"]
    my-selector = "my_package.my_module:MySelector"

The name is what tables call it. What it points at is called with the selector's own arguments in the table, a list of words, and
answers with a PathSelector (hawser.multipath.selectors.base): a class will do, whose constructor, if it has one, takes that
list. What it raises refuses the table. It is looked for when a table names a selector that there is none of yet, as Linux loads a
module then. The engine looks nowhere: who runs it, the service or the laboratory, says `offer()`.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from hawser.multipath.selectors.base import SOURCES, PathSelector, SelectorError, SelectorSource, register_selector
from hawser.multipath.selectors.guard import Guard, told

GROUP: Final = "hawser.path_selectors"


def offer() -> None:
    """Let tables name selectors of other packages from now on."""
    if not SOURCES:
        SOURCES.append(EntryPoints())


class EntryPoints(SelectorSource):
    """What the packages that can be imported offer."""

    def load(self, name: str) -> None:
        found = list(entry_points(group=GROUP, name=name))
        if not found:
            return
        if len(found) > 1:
            raise SelectorError(f"path selector {name!r} is offered by several: {', '.join(map(_where, found))}")
        origin = f"path selector {name!r} of {_where(found[0])}"
        try:
            make = found[0].load()
        except Exception as error:
            raise SelectorError(f"{origin}: cannot be loaded: {told(error)}") from error
        if not callable(make):
            raise SelectorError(f"{origin}: is a {type(make).__name__}, and no class or function that makes a selector")
        register_selector(name, Maker(name, make, origin))

    def names(self) -> list[str]:
        return [point.name for point in entry_points(group=GROUP)]


class Maker:
    """Makes a selector, with a guard before it."""

    def __init__(self, name: str, make: Any, origin: str) -> None:
        self.name = name
        self.make = make
        self.origin = origin

    def __call__(self, words: list[str]) -> PathSelector:
        return Guard(self.name, make_plugin(self.make, words, self.origin), self.origin)


def make_plugin(make: Any, words: list[str], origin: str) -> PathSelector:
    """What `make` makes of a selector's arguments, if that is one. SelectorError; `origin` says what it is, for people."""
    try:
        made = make(words)
    except Exception as error:
        raise SelectorError(f"{origin}: constructor failed: {told(error)}") from error
    if not isinstance(made, PathSelector):
        raise SelectorError(f"{origin}: makes a {type(made).__name__}, which is no PathSelector")
    if not hasattr(made, "valid"):
        raise SelectorError(f"{origin}: its constructor does not call super().__init__()")
    return made


def _where(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unnamed package"
    return f"{package} ({point.value})"
