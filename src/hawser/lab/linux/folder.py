"""Folder: a directory of sysfs, whose files are shown and stored by what they stand for.

Linux: fs/sysfs; an attribute has a mode and a show() and a store() of its own. Also root may only do what the mode says.
"""

import re
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.dm.parameters import NO_PATH_TIMEOUT, Parameters
from hawser.lab.linux.facts import Json
from hawser.lab.linux.files import OsError

UINT_MAX: Final = 0xFFFF_FFFF
ULONG_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF
# As the kernel's kstrto...() with base 0: hexadecimal behind 0x, octal behind 0.
_NUMBER: Final = re.compile(r"\+?(0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))\n?", re.ASCII)


@mypyc_attr(allow_interpreted_subclasses=True)
class Folder:
    """Empty, until a subclass says more."""

    def names(self) -> list[str]:
        """Files and folders in it, sorted."""
        return []

    def folder(self, name: str) -> "Folder | None":
        """A folder in it."""
        return None

    def show(self, name: str) -> str:
        """What reading the file gives, without the end of the line. OsError: EACCES where it cannot be read."""
        raise OsError("ENOENT")

    def store(self, name: str, value: str) -> None:
        """Write `value`, without an end of line, to a file. OsError: EACCES where it cannot be written."""
        raise OsError("EACCES" if name in self.names() else "ENOENT")


@mypyc_attr(allow_interpreted_subclasses=True)
class FixedFolder(Folder):
    """Files that never change, and folders."""

    def __init__(self, values: dict[str, str], folders: dict[str, Folder]) -> None:
        self.values = values
        self.folders = folders

    def names(self) -> list[str]:
        return sorted([*self.values, *self.folders])

    def folder(self, name: str) -> Folder | None:
        return self.folders.get(name)

    def show(self, name: str) -> str:
        if name not in self.values:
            raise OsError("ENOENT")
        return self.values[name]


class ParameterFolder(Folder):
    """Parameters of a module, all of which can be set. A flag shows Y or N, whatever was written."""

    def __init__(self, values: Json) -> None:
        self.values = {name: str(value) for name, value in values.items()}

    def names(self) -> list[str]:
        return sorted(self.values)

    def show(self, name: str) -> str:
        if name not in self.values:
            raise OsError("ENOENT")
        return self.values[name]

    def store(self, name: str, value: str) -> None:
        if name not in self.values:
            raise OsError("ENOENT")
        if self.values[name] in ("Y", "N"):
            if value[:1] not in ("Y", "y", "1", "N", "n", "0"):
                raise OsError("EINVAL")
            self.values[name] = "Y" if value[:1] in ("Y", "y", "1") else "N"
        else:
            self.values[name] = str(parse_parameter(value, self.most(name)))

    def most(self, name: str) -> int:
        """What a number may be at most."""
        return UINT_MAX


class MachineFolder(ParameterFolder):
    """Parameters of which those that decide something are the machine's: it is told of them."""

    def __init__(self, values: Json, parameters: Parameters) -> None:
        super().__init__(values)
        self.parameters = parameters
        for name in values:
            self.tell(name)

    def store(self, name: str, value: str) -> None:
        super().store(name, value)
        self.tell(name)

    def tell(self, name: str) -> None:
        """What the parameter of that name is now."""


class MultipathFolder(MachineFolder):
    """The parameters of dm_multipath."""

    def most(self, name: str) -> int:
        return ULONG_MAX if f"dm_multipath.{name}" == NO_PATH_TIMEOUT else super().most(name)

    def tell(self, name: str) -> None:
        if f"dm_multipath.{name}" == NO_PATH_TIMEOUT:
            self.parameters.set(NO_PATH_TIMEOUT, self.values[name])


class CoreFolder(MachineFolder):
    """Those of dm_mod."""

    def show(self, name: str) -> str:
        known = self.parameters.core.get(name)
        return super().show(name) if known is None else str(known)

    def tell(self, name: str) -> None:
        if name in self.parameters.core:
            self.parameters.core[name] = int(self.values[name])


class LinkFolder(Folder):
    """Links to devices (`slaves`, `holders`), of which only the names matter."""

    def __init__(self, links: list[str]) -> None:
        self.links = links

    def names(self) -> list[str]:
        return sorted(self.links)

    def folder(self, name: str) -> Folder | None:
        return Folder() if name in self.links else None


def parse_parameter(text: str, high: int) -> int:
    """A number up to `high` as a module takes it. OsError (EINVAL; ERANGE for one that is too large)."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise OsError("EINVAL")
    if match["hex"] is not None:
        value = int(match["hex"], 16)
    elif match["octal"] is not None:
        value = int(match["octal"], 8)
    else:
        value = int(match["decimal"])
    if value > high:
        raise OsError("ERANGE")
    return value


def parse_number(text: str, low: int, high: int) -> int:
    """A decimal number in [low, high], as kstrtoul() and its like read it. OsError (EINVAL)."""
    word = text.removesuffix("\n")
    digits = word[1:] if word[:1] in ("+", "-") else word
    if not (digits.isascii() and digits.isdecimal()):
        raise OsError("EINVAL")
    value = int(word)
    if not low <= value <= high:
        raise OsError("EINVAL")
    return value
