"""The `stats` verb of the control socket: counters of /proc/diskstats and latencies, per device and path."""

from typing import Any, Final

import msgspec

from hawser.block.device import BlockDevice
from hawser.block.stats import Counters
from hawser.core.histogram import bucket_top
from hawser.core.units import NS_PER_US
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway

QUANTILES: Final = (0.5, 0.9, 0.99, 0.999)
LATENCY_COLUMNS: Final = ("p50", "p90", "p99", "p99.9", "max")
FIELDS: Final = (
    *("rd_ios", "rd_merges", "rd_sectors", "rd_ticks", "wr_ios", "wr_merges", "wr_sectors", "wr_ticks"),
    *("in_flight", "io_ticks", "time_in_queue"),
    *("ds_ios", "ds_merges", "ds_sectors", "ds_ticks", "fl_ios", "fl_ticks"),
)


class DeviceLatency(msgspec.Struct):
    """One row of `stats latency`; `microseconds` are the LATENCY_COLUMNS. `number`: of the device, as in 259:0."""

    device: str
    number: str
    group: str
    count: int
    microseconds: list[float]


def stats(chosen: Chosen, args: list[str]) -> str:
    """`stats [latency|json|hedges]`."""
    devices = _devices(chosen)
    now_ns = chosen.common.loop.clock.now_ns
    if not args:
        return "".join(_line(device, now_ns) for device in devices)
    if args == ["latency"]:
        rows = [row for device in devices for row in _latencies(device)]
        return msgspec.json.encode(rows).decode()
    if args == ["json"]:
        rows_found = [_whole(device, now_ns) for device in devices]
        for gateway in chosen.gateways:
            hedges = _hedges(gateway)
            for row_found in rows_found:
                if hedges is not None and gateway.device is not None and row_found["number"] == gateway.device.devt:
                    row_found["hedges"] = hedges
        return msgspec.json.encode(rows_found).decode() + "\n"
    if args == ["hedges"]:
        return "".join(_hedge_line(gateway) for gateway in chosen.gateways)
    raise ControlVerbError("stats takes nothing, or one of: latency, json, hedges")


def _hedges(gateway: Gateway) -> dict[str, int] | None:
    """What became of reads that were asked for twice; None where nobody does that."""
    hedger = gateway.manager.hedger if gateway.manager is not None else None
    if hedger is None:
        return None
    return {"sent": hedger.sent, "won": hedger.won, "refused": hedger.refused}


def _hedge_line(gateway: Gateway) -> str:
    hedges = _hedges(gateway)
    name = gateway.options.name
    if hedges is None:
        return f"{name}: reads are not hedged (--hedge-after)\n"
    return f"{name}: hedges sent {hedges['sent']}, won {hedges['won']}, refused by budget {hedges['refused']}\n"


def _devices(chosen: Chosen) -> list[BlockDevice]:
    paths = [device for gateway in chosen.gateways for device in gateway.devices]
    return [*chosen.maps(), *paths]


def _line(device: BlockDevice, now_ns: int) -> str:
    """A line of /proc/diskstats. (Documentation/admin-guide/iostats.rst.)"""
    major, _, minor = device.devt.partition(":")
    numbers = " ".join(str(number) for number in device.counters(now_ns))
    # As /proc/mounts has it: fields are told apart by spaces.
    name = device.name.replace(" ", "\\040")
    return f"{major:>4} {minor:>7} {name} {numbers}\n"


def _groups(device: BlockDevice) -> list[tuple[str, Counters]]:
    stats = device.stats
    return [("read", stats.reads), ("write", stats.writes), ("discard", stats.discards), ("flush", stats.flushes)]


def _latencies(device: BlockDevice) -> list[DeviceLatency]:
    rows: list[DeviceLatency] = []
    for name, group in _groups(device):
        histogram = group.latencies()
        if histogram.count:
            values = [histogram.quantile(fraction) for fraction in QUANTILES] + [histogram.maximum]
            microseconds = [value / NS_PER_US for value in values]
            rows.append(DeviceLatency(device.name, device.devt, name, histogram.count, microseconds))
    return rows


def _whole(device: BlockDevice, now_ns: int) -> dict[str, Any]:
    """Counters by name, and of each histogram the buckets that are not empty: [largest value in ns, count]."""
    latencies = {
        name: [[bucket_top(index), count] for index, count in enumerate(group.latencies().counts) if count]
        for name, group in _groups(device)
    }
    fields = dict(zip(FIELDS, device.counters(now_ns), strict=True))
    return {"device": device.name, "number": device.devt, **fields, "latency_ns": latencies}
