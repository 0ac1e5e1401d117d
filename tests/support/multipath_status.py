"""The status line of a multipath map, word by word (`hawser dm status`, `dmsetup status`; Linux: multipath_status())."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PathStatus:
    """`state` is A or F; `words` are the selector's."""

    number: str
    state: str
    failures: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class GroupStatus:
    """`letter` is A (in use), E (enabled) or D (bypassed)."""

    letter: str
    paths: tuple[PathStatus, ...]


@dataclass(frozen=True)
class MultipathStatus:
    """`group`: the number of the next group, or else of the current one, or else 1; 0 where there is none."""

    queue_io: int
    pg_init_count: int
    group: int
    groups: tuple[GroupStatus, ...]

    def letters(self) -> str:
        return "".join(group.letter for group in self.groups)

    def paths(self) -> list[PathStatus]:
        return [path for group in self.groups for path in group.paths]

    def states(self) -> str:
        return "".join(path.state for path in self.paths())

    def failures(self) -> list[int]:
        return [path.failures for path in self.paths()]


class _Words:
    def __init__(self, line: str) -> None:
        self._left = line.split()

    def take(self, *allowed: str) -> str:
        assert self._left, "the status line ends too early"
        word = self._left.pop(0)
        assert not allowed or word in allowed, f"{word!r} is none of {allowed}"
        return word

    def number(self) -> int:
        return int(self.take())

    def several(self) -> tuple[str, ...]:
        """So many words as the first one says."""
        return tuple(self.take() for _ in range(self.number()))

    def end(self) -> None:
        assert not self._left, f"more than a status line: {self._left}"


def parse_status(line: str, name: str = "mpatha") -> MultipathStatus:
    """One line, the device's name in front. AssertionError or ValueError where it is anything else than the kernel's format."""
    words = _Words(line)
    words.take(f"{name}:")
    words.take("0")
    assert words.number() > 0
    words.take("multipath")
    queue_io, pg_init_count = words.several()
    assert words.several() == (), "there is no hardware handler that has a status"
    count, group = words.number(), words.number()
    groups = tuple(_group(words) for _ in range(count))
    words.end()
    assert (1 <= group <= count) or group == count == 0
    return MultipathStatus(int(queue_io), int(pg_init_count), group, groups)


def _group(words: _Words) -> GroupStatus:
    letter = words.take("A", "E", "D")
    words.several()
    count, selector_words = words.number(), words.number()
    paths = []
    for _ in range(count):
        number, state, failures = words.take(), words.take("A", "F"), words.number()
        paths.append(PathStatus(number, state, failures, tuple(words.take() for _ in range(selector_words))))
    return GroupStatus(letter, tuple(paths))
