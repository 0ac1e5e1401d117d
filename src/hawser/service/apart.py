"""Several disks of one process do not get in each other's way: what two of them cannot share, before anything is opened."""

import os
from collections.abc import Hashable

from hawser.service.one_disk import place_key
from hawser.service.options import OptionError, ServeOptions


def check_apart(disks: list[ServeOptions]) -> None:
    """OptionError when two disks share a device's name, a path, an export's name at one address, or a state directory."""
    seen: dict[tuple[str, Hashable], str] = {}
    for disk in disks:
        for key, what, told in _claims(disk):
            other = seen.setdefault(key, disk.name)
            if other != disk.name:
                raise OptionError(f"[disk.{disk.name}] {what}: [disk.{other}] {told}")
    _check_exports(disks)


def _claims(disk: ServeOptions) -> list[tuple[tuple[str, Hashable], str, str]]:
    """What belongs to a disk alone; what that is, as the user wrote it; and what is to be said when another one has it."""
    found: list[tuple[tuple[str, Hashable], str, str]] = []
    found.append((("name", disk.name), "name", "has a device of that name"))
    for name, _ in disk.devices:
        found.append((("name", name), f"device {name!r}", "has that name, or a device of it"))
    for path in disk.paths:
        place = place_key(path)
        if place is not None:
            found.append((("path", place), f"path {path.text!r}", "has that path, too: one disk has it"))
    if disk.state_dir:
        key = ("state", os.path.realpath(disk.state_dir))
        found.append((key, f"state-dir {disk.state_dir!r}", "has that directory, too: each disk needs one of its own"))
    return found


def _check_exports(disks: list[ServeOptions]) -> None:
    seen: dict[tuple[tuple[str, int], str], str] = {}
    for disk in disks:
        for uri in disk.listen:
            address = uri.address()
            if address is None:
                continue
            key = (address, uri.export)
            if key in seen:
                where = (
                    "it stands there twice"
                    if seen[key] == disk.name
                    else f"[disk.{seen[key]}] has the same export there"
                )
                raise OptionError(
                    f"[disk.{disk.name}] listen {uri.text!r}: {where}; exports at one address have names of their own"
                )
            seen[key] = disk.name
