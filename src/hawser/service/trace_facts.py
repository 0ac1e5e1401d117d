"""What a trace was recorded in: the maps, their paths and how clients' batches are cut, so that it can be replayed elsewhere."""

from typing import Any

from hawser import __version__
from hawser.dm.mapped_device import MappedDevice
from hawser.exports.connection import BATCH_BYTES, BATCH_IOS
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import PriorityGroup
from hawser.multipath.target import Multipath
from hawser.service.chosen import Chosen


def trace_facts(chosen: Chosen, seconds: float) -> dict[str, Any]:
    """As they are now, for `otherData` of a trace of `seconds`."""
    maps: list[dict[str, Any]] = []
    for gateway in chosen.gateways:
        if gateway.device is not None and gateway.target is not None:
            maps.append(_map(gateway.device, gateway.target))
    return {
        "hawser": __version__,
        "seconds": seconds,
        "batch": {"ios": BATCH_IOS, "bytes": BATCH_BYTES},
        "maps": maps,
        "paths": [_path(device) for gateway in chosen.gateways for device in gateway.devices],
    }


def _map(device: MappedDevice, target: Multipath) -> dict[str, Any]:
    return {
        "name": device.name,
        "number": device.devt,
        "sectors": device.size_sectors,
        "mode": target.queue_mode(),
        "scheduler": device.queue.scheduler if device.queue is not None else "none",
        "queue_if_no_path": target.queue_if_no_path,
        "groups": [_group(group) for group in target.state.groups],
    }


def _group(group: PriorityGroup) -> dict[str, Any]:
    """`words` are those that the table has for a path."""
    selector = group.selector
    paths: list[dict[str, str]] = []
    for path in group.paths:
        state = "aside" if path.is_aside else path.letter()
        paths.append({"number": path.device.devt, "words": selector.table_words(path), "state": state})
    return {"selector": f"{selector.name} {selector.group_words()}", "paths": paths}


def _path(device: PathDevice) -> dict[str, Any]:
    limits = device.limits
    return {
        "name": device.name,
        "number": device.devt,
        "depth": device.requests.depth,
        "weight": device.weight,
        "scheduler": device.requests.scheduler,
        "block_bytes": limits.logical_block_size,
        "max_sectors": limits.max_sectors,
    }
