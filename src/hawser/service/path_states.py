"""The `paths` verb of the control socket: every path of every map, how it is, and why; every fence, and what would lift it.

multipathd: `show paths`. The status text of dmsetup is the kernel's and knows active and failed only; here is the rest: what the
last check found, by what a path was taken for another disk, whether it is used last and why, and in whose cache unflushed writes
are.
"""

from typing import Final

import msgspec

from hawser.block.device import BlockDevice
from hawser.block.orphan import CACHE, CLIENT, FULL, LOOK, Orphan
from hawser.dm.mapped_device import MappedDevice
from hawser.manager.probe import DOWN, MISMATCH, UNTOLD, UP
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path
from hawser.multipath.target import Multipath
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway

COLUMNS: Final = ("map", "group", "path", "state", "check", "in flight", "fences", "cache", "name", "why")
USAGE: Final = "paths takes nothing, or json, or recheck and a path's number, name or URI"
_CHECKS: Final = {UNTOLD: "cannot be told"}


class PathRow(msgspec.Struct):
    """`path` is the device's number; `state` as the status text has it, in full; `check` what the last check found, `why` the
    reason where that is not good. `slow`: why it is used last, if it is. `fences`: how many writes of unknown fate it has."""

    map: str
    group: int
    path: str
    name: str
    state: str
    check: str
    why: str
    slow: str
    in_flight: int
    fences: int
    cache: str


class FenceRow(msgspec.Struct):
    """What overlaps sectors [start, end) of the disk of `map` waits, until one of `lifts` happens."""

    map: str
    path: str
    what: str
    start: int
    end: int
    lifts: str


class LeftOut(msgspec.Struct):
    """A path of `map` that was named at the start and cannot be used."""

    map: str
    name: str
    why: str


class PathStates(msgspec.Struct):
    paths: list[PathRow]
    fences: list[FenceRow]
    left_out: list[LeftOut]


def paths(chosen: Chosen, args: list[str]) -> str:
    """`paths [json | recheck NAME]`."""
    if not args:
        return _text(path_states(chosen), chosen.shows_several())
    if args == ["json"]:
        return msgspec.json.encode(path_states(chosen)).decode() + "\n"
    if len(args) == 2 and args[0] == "recheck":
        return _recheck(chosen.with_path(args[1]), args[1])
    raise ControlVerbError(USAGE)


def path_states(chosen: Chosen) -> PathStates:
    rows = [row for device in chosen.maps() for row in _rows(chosen, device)]
    shown = [row.path for row in rows]
    states = PathStates(rows, [], [])
    for gateway in chosen.gateways:
        name = gateway.map_name()
        states.paths += [_row_below(gateway, device) for device in gateway.devices if device.devt not in shown]
        states.fences += [_fence(gateway, orphan) for orphan in gateway.disk.fences.orphans]
        states.left_out += [LeftOut(name, uri, why) for uri, why in gateway.left_out.items()]
    return states


def _rows(chosen: Chosen, device: MappedDevice) -> list[PathRow]:
    found: list[PathRow] = []
    for target in device.live_targets():
        if isinstance(target, Multipath):
            found += [_row(_owner(chosen, path.device), device, path) for path in target.state.paths]
    return found


def _owner(chosen: Chosen, device: BlockDevice) -> Gateway:
    """The disk whose path that is, of those that were chosen; of a path that is none of theirs, the first."""
    found = [gateway for gateway in chosen.gateways if device in gateway.devices]
    return (found or chosen.gateways)[0]


def _row_below(gateway: Gateway, device: PathDevice) -> PathRow:
    """A device that no map has for a path: a table names it below a map, or none does."""
    driver = device.requests.driver
    check = MISMATCH if driver.mismatch else DOWN if driver.trouble() else UP
    why = driver.mismatch or driver.trouble()
    fences = len(_own_fences(gateway, device))
    return PathRow(
        "-", 0, device.devt, device.name, "-", check, why, "", device.requests.in_flight, fences, _cache(device)
    )


def _own_fences(gateway: Gateway, device: BlockDevice) -> list[Orphan]:
    # Orphans are named after the driver; devices too, but for a number where two have the same name.
    names = (device.name, device.name.partition(" (path ")[0])
    return [orphan for orphan in gateway.disk.fences.orphans if orphan.path_name in names]


def _row(gateway: Gateway, device: MappedDevice, path: Path) -> PathRow:
    below = path.device
    check, why = _found(gateway, path)
    slow = ""
    if path.is_demoted and gateway.manager is not None:
        slow = gateway.manager.marginal.get(below.devt, "") or "another path is quicker"
    queue = below.queue
    return PathRow(
        device.name,
        path.group.number,
        below.devt,
        below.name,
        "active" if path.is_active else "failed",
        check,
        why,
        slow,
        queue.in_flight if queue is not None else len(below.outstanding()),
        len(_own_fences(gateway, below)),
        _cache(below) if isinstance(below, PathDevice) else "",
    )


def _found(gateway: Gateway, path: Path) -> tuple[str, str]:
    """What is known of a path: the check's verdict, in words, and its reason."""
    device = path.device
    manager = gateway.manager
    if not isinstance(device, PathDevice) or manager is None:
        return "-", ""
    driver = device.requests.driver
    if driver.mismatch:
        return MISMATCH, driver.mismatch
    if path.is_active:
        return UP, ""
    if path.failed_by_user:
        return "failed by hand", ""
    trouble = driver.trouble()
    verdict = DOWN if trouble else manager.verdicts.get(device.devt, "not checked")
    return _CHECKS.get(verdict, verdict), trouble or manager.reasons.get(device.devt, "")


def _cache(device: PathDevice) -> str:
    """Where a path's cache is; of one of its own, how it is: `lost` has to be written again, `left` flushed or proved gone,
    before anything else happens; `in doubt`: whether it has lost acknowledged writes cannot be told."""
    if not device.has_own_cache:
        return device.cache
    if device.is_lost:
        return f"{device.cache}, lost"
    if device.doubted:
        return f"{device.cache}, in doubt"
    if device.left_behind is not None:
        return f"{device.cache}, left dirty"
    return f"{device.cache}, {'dirty' if device.is_dirty() else 'clean'}"


def _fence(gateway: Gateway, orphan: Orphan) -> FenceRow:
    return FenceRow(
        gateway.map_name(), orphan.path_name, orphan.describe(), orphan.start, orphan.end, _lifts(gateway, orphan)
    )


def _lifts(gateway: Gateway, orphan: Orphan) -> str:
    if orphan.kind == FULL:
        return "a flush, which is under way"
    if orphan.kind == LOOK:
        return "the end of the look at that path, within a second"
    if orphan.kind == CLIENT:
        return "the end of what a client that went away has on its way"
    found = [device.requests.driver.lifts(orphan) for device in gateway.devices]
    if gateway.state is not None:
        found += [recovered.lifts() for recovered in gateway.state.recovered if orphan in recovered.orphans]
    words = [text for text in found if text]
    if orphan.kind == CACHE:
        words.insert(0, "a flush of its cache by the same server")
    return ", or ".join(words) or "its answer"


def _recheck(gateway: Gateway, name: str) -> str:
    device = gateway.find_path(name)
    if gateway.manager is None or gateway.target is None:
        raise ControlVerbError("nobody looks after the paths yet")
    if device is None:
        known = ", ".join(path.devt for path in gateway.devices)
        raise ControlVerbError(f"{name!r} is no path; there {f'are {known}' if known else 'is none'}")
    found = gateway.target.state.over(device)
    if any(path.is_active for path in found):
        raise ControlVerbError(f"{device.devt} is in use: there is nothing to look at")
    if found and all(path.failed_by_user for path in found):
        raise ControlVerbError(f"{device.devt} was failed by hand: reinstate_path takes that back, and looks")
    gateway.manager.look_again(device)
    return f"{device.devt} ({device.name}) is looked at\n"


# As text.


def _text(states: PathStates, with_maps: bool) -> str:
    lines = _aligned([COLUMNS, *[_cells(row) for row in states.paths]])
    if states.fences:
        lines += ["", "fences:"]
        lines += [
            f"  {f'{fence.map}: ' if with_maps else ''}{fence.what}: until {fence.lifts}" for fence in states.fences
        ]
    if states.left_out:
        lines += ["", "left out:"]
        lines += [f"  {f'{path.map}: ' if with_maps else ''}{path.name}: {path.why}" for path in states.left_out]
    return "\n".join(lines) + "\n"


def _cells(row: PathRow) -> tuple[str, ...]:
    why = row.why
    if row.check == MISMATCH:
        why += f"; when it is right again: hawser paths --recheck {row.path}"
    if row.slow:
        why += f"{'; ' if why else ''}used last: {row.slow}"
    numbers = (str(row.in_flight), str(row.fences))
    return (row.map, str(row.group), row.path, row.state, row.check, *numbers, row.cache, row.name, why)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
