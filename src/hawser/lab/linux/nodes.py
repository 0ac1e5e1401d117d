"""Nodes: the files in /dev that stand for block devices, and the few other files that commands of a transcript name."""

from typing import Final

# Character devices and plain files that exist.
OTHER_FILES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/kmsg", "/etc/passwd")
DIRECTORIES: Final = ("/", "/dev", "/dev/mapper", "/etc", "/sys", "/proc", "/run", "/tmp", "/bin", "/sbin")
MAPPER: Final = "/dev/mapper"


class Nodes:
    """`major:minor` by path."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        # Plain files that somebody has made where no device is.
        self._plain: set[str] = set()

    def add(self, path: str, number: str) -> None:
        self._numbers[path] = number

    def remove(self, path: str) -> None:
        self._numbers.pop(path, None)

    def rename(self, path: str, new: str) -> None:
        number = self._numbers.pop(path, None)
        if number is not None:
            self._numbers[new] = number

    def number_of(self, path: str) -> str:
        """The device's number, or an empty string. A relative path begins at the root, where commands are run."""
        return "" if self.is_below_a_file(path) else self._numbers.get(absolute(path), "")

    def is_below_a_file(self, path: str) -> bool:
        """Whether it leads through something that is no directory, be it by a slash at its end."""
        start = path.find("/", 1)
        while start > 0:
            above = path[:start]
            if self.exists(above) and not self.is_directory(above):
                return True
            start = path.find("/", start + 1)
        return False

    def exists(self, path: str) -> bool:
        place = absolute(path)
        return place in self._numbers or self.is_other_file(place)

    def is_directory(self, path: str) -> bool:
        return absolute(path) in DIRECTORIES

    def is_other_file(self, path: str) -> bool:
        """Whether there is something at `path` that is no block device."""
        place = absolute(path)
        return place in OTHER_FILES or place in DIRECTORIES or place in self._plain

    def make_plain(self, path: str) -> None:
        """A program has created a file."""
        self._plain.add(absolute(path))

    def in_mapper(self) -> list[str]:
        """The names in /dev/mapper."""
        start = f"{MAPPER}/"
        found = {path[len(start) :] for path in [*self._numbers, *self._plain] if path.startswith(start)}
        return sorted({"control", *found})


def absolute(path: str) -> str:
    """Without doubled slashes, and from the root."""
    words: list[str] = []
    for word in path.split("/"):
        if word == "..":
            words = words[:-1]
        elif word not in ("", "."):
            words.append(word)
    return "/" + "/".join(words)
