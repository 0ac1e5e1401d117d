"""The shape of a multipath line: its words, taken apart into groups and paths, changed, and put together again.

The words are those that the live target prints (STATUSTYPE_TABLE), so that they need no checking; what comes of a change is
checked by loading it. See hawser.multipath.grammar for what they mean.
"""

from dataclasses import dataclass, field
from typing import Final

SERVICE_TIME: Final = "service-time"


@dataclass
class PathWords:
    """A path's device, as `major:minor`, and what its selector is told of it."""

    devt: str
    words: list[str]


@dataclass
class GroupWords:
    selector: list[str]
    paths: list[PathWords]

    def like(self, devt: str, weight: int) -> PathWords:
        """The words of another path: as the first one's, but for the weight, of the selector that has one."""
        words = list(self.paths[0].words)
        if self.selector[0] == SERVICE_TIME and len(words) == 2:
            words[1] = str(weight)
        return PathWords(devt, words)


@dataclass
class TableShape:
    """`head` is what stands before the groups; `initial` the number of the group that is tried first, from 1; 0 of none."""

    head: list[str]
    initial: int = 0
    groups: list[GroupWords] = field(default_factory=list)

    def text(self) -> str:
        words = [*self.head, str(len(self.groups)), str(self.initial)]
        for group in self.groups:
            words += [*group.selector, str(len(group.paths)), str(len(group.paths[0].words))]
            for path in group.paths:
                words += [path.devt, *path.words]
        return " ".join(words)

    def paths(self) -> list[PathWords]:
        return [path for group in self.groups for path in group.paths]

    def remove(self, devt: str) -> None:
        """Take every path over a device out, and groups of which nothing is left."""
        kept: list[GroupWords] = []
        initial = 1
        for number, group in enumerate(self.groups, 1):
            group.paths = [path for path in group.paths if path.devt != devt]
            if not group.paths:
                continue
            kept.append(group)
            if number <= self.initial:
                initial = len(kept)
        self.groups = kept
        self.initial = min(initial, len(kept))

    def replace(self, devt: str, other: str, weight: int) -> None:
        """Put another device in the place of one."""
        for group in self.groups:
            group.paths = [path if path.devt != devt else group.like(other, weight) for path in group.paths]

    def add(self, devt: str, weight: int, number: int) -> None:
        """A path at the end of a group, which is a new one behind the others if there are not so many."""
        if number <= len(self.groups):
            group = self.groups[number - 1]
            group.paths.append(group.like(devt, weight))
            return
        last = self.groups[-1]
        self.groups.append(GroupWords(list(last.selector), [last.like(devt, weight)]))


def parse_shape(text: str) -> TableShape:
    """Take the words of a live target apart."""
    words = text.split()
    place = 1 + int(words[0])
    place += 1 + int(words[place])
    shape = TableShape(words[:place], int(words[place + 1]))
    place += 2
    while place < len(words):
        arguments = 2 + int(words[place + 1])
        selector = words[place : place + arguments]
        place += arguments
        count, each = int(words[place]), int(words[place + 1])
        place += 2
        paths: list[PathWords] = []
        for _ in range(count):
            paths.append(PathWords(words[place], words[place + 1 : place + 1 + each]))
            place += 1 + each
        shape.groups.append(GroupWords(selector, paths))
    return shape
