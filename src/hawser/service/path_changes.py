"""The `path` verb of the control socket: paths are added, removed and replaced while clients are served.

    path add URI [group N] [force]      path remove PATH [force]      path replace PATH URI [force]

What an operator would do with dmsetup is done here: the map is suspended (noflush: what has no path yet stays), a new path is
admitted (hawser.service.path_admission), a table with or without a path is loaded, and the map is resumed. Whatever is refused
leaves the table as it was. A path that goes away is let go when nothing of it is left that might still reach the disk; until then
it stays connected, out of the table.

PATH is a path's number, name or URI. multipathd: `add path`, `remove path`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from hawser.block.orphan import Orphan
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ControlError, ControlListener
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.multipath.disk import PathDevice
from hawser.multipath.target import Multipath
from hawser.paths.uri import PathUri, UriError, parse_path_uri
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway
from hawser.service.one_disk import path_of_another
from hawser.service.options import OptionError, build_table
from hawser.service.path_admission import check_abilities, close_path, compare, flush_caches, open_path
from hawser.service.path_factory import RealPath
from hawser.service.patience import until
from hawser.service.table_shape import TableShape, parse_shape

USAGE: Final = "path takes: add URI [group N] [force], or remove PATH [force], or replace PATH URI [force]"
# So long what is in flight may take to end, before the change is given up.
SUSPEND_SECONDS: Final = 10.0
PATHS_MAX: Final = 64


@dataclass(frozen=True)
class _Asked:
    verb: str
    words: list[str]
    group: int
    is_forced: bool


async def change_paths(chosen: Chosen, args: list[str], is_gone: Callable[[], bool]) -> AsyncIterator[str]:
    """`path add|remove|replace`: says what was done. ControlVerbError when it is refused; then the table is what it was."""
    asked = _parse(args)
    gateway = chosen.one() if asked.verb == "add" else chosen.with_path(asked.words[0])
    if gateway.is_changing:
        raise ControlVerbError(f"path {asked.verb}: the paths are being changed already; wait for the end of that")
    gateway.is_changing = True
    try:
        change = _Change(gateway, asked.is_forced)
        if asked.verb == "add":
            said = await change.add(asked.words[0], asked.group)
        elif asked.verb == "remove":
            said = await change.remove(asked.words[0])
        else:
            said = await change.replace(asked.words[0], asked.words[1])
        for line in said:
            yield line + "\n"
    finally:
        gateway.is_changing = False


def _parse(args: list[str]) -> _Asked:
    verb = args[0] if args else ""
    words = args[1:]
    is_forced = words[-1:] == ["force"]
    if is_forced:
        words = words[:-1]
    group = 0
    if verb == "add" and len(words) == 3 and words[1] == "group" and words[2].isascii() and words[2].isdecimal():
        group = int(words[2])
        words = words[:1]
        if not 1 <= group <= PATHS_MAX:
            raise ControlVerbError(f"path add: group {group}: groups are numbered from 1")
    if {"add": 1, "remove": 1, "replace": 2}.get(verb) != len(words):
        raise ControlVerbError(USAGE)
    return _Asked(verb, words, group, is_forced)


class _Ear(ControlListener):
    def __init__(self) -> None:
        self.is_suspended = False

    def suspended(self) -> None:
        self.is_suspended = True


class _Change:
    """One change of the paths."""

    def __init__(self, gateway: Gateway, is_forced: bool) -> None:
        self.gateway = gateway
        self.is_forced = is_forced

    # What is done.

    async def add(self, text: str, group: int) -> list[str]:
        uri = self._new_uri(text)
        device, target = self._map()
        shape = parse_shape(target.status_table())
        path, new = await self._open(uri)
        with self._dropped_if_it_fails(path, new):
            if shape.groups:
                number = _group_for(shape, group or uri.group or 0, new, self.gateway)
                shape.add(new.devt, new.weight, number)
                line = shape.text()
            else:
                line = self._line_of_one(uri, new)
            await self._swap(device, line, path, new, None)
        self._take_in(uri)
        return [f"{new.devt} ({new.name}) is a path of {device.name}"]

    async def remove(self, name: str) -> list[str]:
        device, target = self._map()
        path, old = self._find(name)
        shape = parse_shape(target.status_table())
        if all(each.devt != old.devt for each in shape.paths()):
            # It was taken out before, and stayed connected.
            return [self._let_go(path, old)]
        self._check_users(device, old)
        shape.remove(old.devt)
        if not shape.groups and not self.is_forced:
            raise ControlVerbError(f"{old.devt} ({old.name}) is the last path of {device.name}; without one: --force")
        await self._swap(device, shape.text(), None, None, old)
        return [f"{old.devt} ({old.name}) is no path of {device.name} any more", *self._ends(path, old)]

    async def replace(self, name: str, text: str) -> list[str]:
        device, target = self._map()
        old_path, old = self._find(name)
        uri = self._new_uri(text)
        shape = parse_shape(target.status_table())
        if all(each.devt != old.devt for each in shape.paths()):
            raise ControlVerbError(f"{old.devt} ({old.name}) is no path of {device.name}: add the other one")
        self._check_users(device, old)
        path, new = await self._open(uri, old_path)
        with self._dropped_if_it_fails(path, new):
            shape.replace(old.devt, new.devt, new.weight)
            await self._swap(device, shape.text(), path, new, old)
        self._take_in(uri)
        return [
            f"{new.devt} ({new.name}) is a path of {device.name} in the place of {old.devt} ({old.name})",
            *self._ends(old_path, old),
        ]

    # What may be changed.

    def _map(self) -> tuple[MappedDevice, Multipath]:
        device, target = self.gateway.device, self.gateway.target
        if device is None or target is None or device.live_targets() != [target]:
            raise ControlVerbError(
                "the table is more than one multipath line: it has to be loaded by hand, with hawser dm"
            )
        if device.is_suspended() or device.is_suspending():
            raise ControlVerbError(f"{device.name} is suspended: hawser dm resume {device.name} comes first")
        if device.inactive is not None:
            raise ControlVerbError(
                f"{device.name} has an inactive table, which would be lost: hawser dm resume {device.name}, or clear"
            )
        return device, target

    def _new_uri(self, text: str) -> PathUri:
        try:
            uri = parse_path_uri(text)
        except UriError as error:
            raise ControlVerbError(str(error)) from None
        if any(path.uri.text == uri.text for path in self.gateway.paths):
            raise ControlVerbError(f"{text} is a path already")
        problem = path_of_another(self.gateway, uri)
        if problem:
            raise ControlVerbError(f"path {text}: {problem}")
        if len(self.gateway.paths) >= PATHS_MAX:
            raise ControlVerbError(f"there are {PATHS_MAX} paths, which is the most")
        return uri

    def _find(self, name: str) -> tuple[RealPath, PathDevice]:
        gateway = self.gateway
        device = gateway.find_path(name)
        if device is None:
            known = ", ".join(f"{path.devt} ({path.name})" for path in gateway.devices)
            raise ControlVerbError(f"{name!r} is no path; there {f'are {known}' if known else 'is none'}")
        return gateway.paths[gateway.devices.index(device)], device

    def _check_users(self, device: MappedDevice, path: PathDevice) -> None:
        others = [other.name for other in self.gateway.registry.holders(path) if other is not device]
        if others:
            raise ControlVerbError(f"{path.devt} ({path.name}) is used by {', '.join(others)}, too")

    def _line_of_one(self, uri: PathUri, new: PathDevice) -> str:
        """The line of a map that had no path left."""
        try:
            options = replace(self.gateway.options, paths=[uri])
            return build_table(options, [new.devt], new.size_sectors).split("multipath ", 1)[1]
        except OptionError as error:
            raise ControlVerbError(str(error)) from None

    # A new path.

    async def _open(self, uri: PathUri, old: RealPath | None = None) -> tuple[RealPath, PathDevice]:
        gateway = self.gateway
        path = await open_path(gateway, uri, old)
        made: list[PathDevice] = []
        gateway.loop.run(lambda: made.append(gateway.add_path(path)))
        with self._dropped_if_it_fails(path, made[0]):
            assert gateway.device is not None
            check_abilities(gateway.device.limits, made[0])
        return path, made[0]

    @contextmanager
    def _dropped_if_it_fails(self, path: RealPath, device: PathDevice) -> Iterator[None]:
        """A new path does not stay when what is done with it goes wrong, or is broken off."""
        try:
            yield
        except BaseException:
            self._drop(path, device)
            raise

    def _drop(self, path: RealPath, device: PathDevice) -> None:
        """A path that is not to be one after all, or not any more."""
        gateway = self.gateway

        def forget() -> None:
            gateway.remove_path(path, device)

        gateway.loop.run(forget)
        close_path(gateway, path)

    def _take_in(self, uri: PathUri) -> None:
        self.gateway.left_out.pop(uri.text, None)

    # The exchange.

    async def _swap(
        self, device: MappedDevice, line: str, path: RealPath | None, new: PathDevice | None, old: PathDevice | None
    ) -> None:
        """Hold I/O back, look at what is new and at what goes, and go on with another table; or, on any error, with this one."""
        gateway = self.gateway
        await self._suspend(device)
        try:
            unflushed = await flush_caches(gateway)
            if old is not None and not self.is_forced:
                reason = unflushed.get(old.devt) or self._why_not(old)
                if reason:
                    raise ControlVerbError(f"{old.devt} ({old.name}): {reason}; all the same: --force")
            if path is not None and new is not None:
                await compare(gateway, path, new, self.is_forced)
            self._load(device, f"0 {device.size_sectors} multipath {line}")
        finally:
            self._resume(device)

    async def _suspend(self, device: MappedDevice) -> None:
        ear = _Ear()
        loop = self.gateway.loop
        try:
            loop.run(lambda: device.suspend(True, ear))
            await until(lambda: ear.is_suspended, SUSPEND_SECONDS, f"{device.name}: what is in flight has not ended")
        except ControlError as error:
            raise ControlVerbError(f"{device.name}: {error}") from None
        except BaseException:
            loop.run(device.cancel_suspend)
            if device.is_suspended():
                self._resume(device)
            raise

    def _load(self, device: MappedDevice, line: str) -> None:
        try:
            self.gateway.loop.run(lambda: device.load(parse_lines(line), self.gateway.registry))
        except TableError as error:
            raise ControlVerbError(f"{device.name}: {error}") from None

    def _resume(self, device: MappedDevice) -> None:
        """With the new table, if there is one; with the old one if that turns out not to fit."""
        loop = self.gateway.loop
        try:
            loop.run(lambda: _resume_now(device))
        except TableError as error:
            loop.run(device.clear)
            loop.run(lambda: _resume_now(device))
            raise ControlVerbError(f"{device.name}: {error}") from None

    # A path that goes away.

    def _orphans(self, device: PathDevice) -> list[Orphan]:
        names = (device.name, device.name.partition(" (path ")[0])
        return [orphan for orphan in self.gateway.disk.fences.orphans if orphan.path_name in names]

    def _why_not(self, device: PathDevice) -> str:
        """Why a path cannot be let go without a loss of knowledge: what it did last may still reach the disk, or be lost."""
        count = len(self._orphans(device))
        if count:
            return f"{count} writes of unknown fate are on their way there"
        if device.under_way():
            return "I/O is on its way there"
        if device.left_behind is not None or device.is_lost or device.doubted or device.is_dirty():
            return "its cache may hold writes that were acknowledged and not flushed"
        return ""

    def _ends(self, path: RealPath, device: PathDevice) -> list[str]:
        """What becomes of a path that is out of the table."""
        reason = self._why_not(device)
        if reason:
            return [f"{device.devt} stays connected: {reason}; hawser path remove {device.devt} lets it go afterwards"]
        self._drop(path, device)
        return []

    def _let_go(self, path: RealPath, device: PathDevice) -> str:
        reason = self._why_not(device)
        holders = [holder.name for holder in self.gateway.registry.holders(device)]
        if reason or holders:
            raise ControlVerbError(
                f"{device.devt} ({device.name}) stays connected: {reason or 'it is used by ' + ', '.join(holders)}"
            )
        self._drop(path, device)
        return f"{device.devt} ({device.name}) is let go"


def _resume_now(device: MappedDevice) -> None:
    if device.is_suspended():
        device.resume()


def _group_for(shape: TableShape, asked: int, new: PathDevice, gateway: Gateway) -> int:
    """The number of the group for a new path, which may be the next one: one of its own where caches or the table want that."""
    count = len(shape.groups)
    if asked:
        if asked > count + 1:
            raise ControlVerbError(f"group {asked}: there are {count}, and the next one would be {count + 1}")
        return asked
    devices = {device.devt: device for device in gateway.devices}
    own_caches = [path.devt for path in shape.paths() if path.devt in devices and devices[path.devt].has_own_cache]
    if new.has_own_cache or own_caches:
        return count + 1
    sizes = [len(group.paths) for group in shape.groups]
    if count == 1:
        return 2 if gateway.options.grouping == "failover" else 1
    if max(sizes) == 1:
        return count + 1
    raise ControlVerbError(f"there are {count} groups of several paths: say which one, --group 1 to {count + 1}")
