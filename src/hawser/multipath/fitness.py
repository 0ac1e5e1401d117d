"""What a table may be made of, and the one disk that is behind its paths.

A path with a cache of its own carries I/O alone, and what it has acknowledged is counted and kept (hawser.multipath.disk). So it
stands right below a multipath target, and below one only: nobody would count what another device sends it, and of two maps each
would have an active path of its own.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import TableError, TargetContext
from hawser.multipath.disk import SharedDisk, has_own_cache
from hawser.multipath.grammar import Geometry

REMEDY: Final = "declare cache=lun or cache=none if that is so"


def check_geometry(geometry: Geometry, context: TargetContext) -> None:
    """Refuse what this target cannot do, or cannot do safely."""
    for group in geometry.groups:
        own_cache = [path for path in group.paths if has_own_cache(path.device)]
        devices = {path.device.devt for path in group.paths}
        if own_cache and len(devices) > 1:
            raise TableError(
                f"group {group.number} would spread I/O over caches that do not know each other: {own_cache[0].device.name} "
                f"has a cache of its own (cache=path); use one path per group, or {REMEDY}"
            )
        for path in group.paths:
            _check_path(path.device, context)


def _check_path(device: BlockDevice, context: TargetContext) -> None:
    hidden = unseen_cache(device)
    if hidden is not None:
        raise TableError(
            f"{device.name} leads to {hidden.name}, which has a cache of its own (cache=path): nobody would know what is in it; "
            f"use {hidden.name} itself, or {REMEDY}"
        )
    disk = device.disk
    if has_own_cache(device) and isinstance(disk, SharedDisk):
        for host in disk.hosts_over_caches():
            if host is not context.host:
                raise TableError(
                    f"{device.name} has a cache of its own (cache=path), and {host.name()} uses {disk.name} already: of such "
                    f"paths one at a time carries I/O; remove {host.name()}, or {REMEDY}"
                )


def unseen_cache(device: BlockDevice) -> BlockDevice | None:
    """A path with a cache of its own to which `device` leads without a multipath target right above it."""
    if not isinstance(device, MappedDevice):
        return None
    for target in device.live_targets():
        for below in target.devices():
            if has_own_cache(below) and target.own_disk() is None:
                return below
            found = unseen_cache(below)
            if found is not None:
                return found
    return None


def shared_disk(geometry: Geometry, context: TargetContext) -> SharedDisk:
    """The disk of the paths; without paths that of the table before; for paths that belong to none (dm devices,
    say) one of this map's own."""
    for path in geometry.groups[0].paths if geometry.groups else []:
        disk = path.device.disk
        if isinstance(disk, SharedDisk):
            return disk
    if isinstance(context.disk, SharedDisk):
        return context.disk
    return SharedDisk(context.host.name(), context.log)
