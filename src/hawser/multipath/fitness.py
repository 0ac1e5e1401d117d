"""What a table may be made of, and the one disk that is behind its paths."""

from hawser.dm.target import TableError, TargetContext
from hawser.multipath.disk import SharedDisk, has_own_cache
from hawser.multipath.grammar import Geometry


def check_geometry(geometry: Geometry) -> None:
    """Refuse what this target cannot do, or cannot do safely."""
    if geometry.handler:
        raise TableError("error attaching hardware handler")
    for group in geometry.groups:
        own_cache = [path for path in group.paths if has_own_cache(path.device)]
        devices = {path.device.devt for path in group.paths}
        if own_cache and len(devices) > 1:
            raise TableError(
                f"group {group.number} would spread I/O over caches that do not know each other: {own_cache[0].device.name} "
                "has a cache of its own (cache=path); use one path per group, or declare cache=lun or cache=none if that is so"
            )


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
