"""What a run came to, as plain data."""

from typing import TYPE_CHECKING, Any

from hawser.core.histogram import Histogram
from hawser.core.units import NS_PER_S
from hawser.lab.model.array import ModelPath
from hawser.lab.model.meter import told

if TYPE_CHECKING:
    from hawser.lab.model.bench import Bench


def outcome_of(bench: "Bench") -> dict[str, Any]:
    """Plain data, the same on every machine; its words are at the head of hawser.lab.model.play."""
    measured_ns = bench.clock.now_ns - bench.warm_ns
    seconds = measured_ns / NS_PER_S
    together = Histogram()
    for meter in bench.meters:
        together.merge(meter.latencies)
    ios = sum([meter.ios for meter in bench.meters])
    size = sum([meter.bytes_done for meter in bench.meters])
    found: dict[str, Any] = {
        "scenario": bench.scenario.name,
        "seed": bench.seed,
        "measured_s": seconds,
        "ios": ios,
        "bytes": size,
        "failed": sum([meter.failed for meter in bench.meters]),
        "unanswered": sum([client.issued - client.answered for client in bench.clients]),
        "iops": round(ios / seconds, 3) if seconds else 0.0,
        "mb_per_s": round(size / seconds / 1e6, 6) if seconds else 0.0,
        "latency_us": told(together),
    }
    found["loads"] = [
        {"name": meter.name, "ios": meter.ios, "bytes": meter.bytes_done, "latency_us": told(meter.latencies)}
        for meter in bench.meters
    ]
    found["paths"] = _paths_told(bench, measured_ns)
    sizes: dict[int, int] = {}
    for path in bench.paths:
        for command_size, count in path.sizes.items():
            sizes[command_size] = sizes.get(command_size, 0) + count
    found["sizes"] = {str(command_size): sizes[command_size] for command_size in sorted(sizes)}
    queue = bench.map.queue
    stats = queue.stats if queue is not None else None
    found["merges"] = int(stats.reads.merges + stats.writes.merges) if stats is not None else 0
    found["windows"] = bench.course.windows
    found["events"] = [{"t": at_ns / NS_PER_S, "text": text} for at_ns, text in bench.log.events]
    return found


def _paths_told(bench: "Bench", measured_ns: int) -> list[dict[str, Any]]:
    rows: list[tuple[int, int, int]] = []
    for path, marks in zip(bench.paths, bench.marks, strict=True):
        rows.append((path.commands - marks[0], path.bytes_done - marks[1], merges_of(path) - marks[2]))
    commands = sum([row[0] for row in rows]) or 1
    size = sum([row[1] for row in rows]) or 1
    found: list[dict[str, Any]] = []
    fails = {path.device.name: path.fail_count for path in bench.target().state.paths}
    for number, path in enumerate(bench.paths):
        server = bench.servers.index(path.server)
        busy_ns = path.server.busy_ns - bench.busy_before[server]
        found.append(
            {
                "name": path.name,
                "commands": rows[number][0],
                "bytes": rows[number][1],
                "share": round(rows[number][0] / commands, 6),
                "byte_share": round(rows[number][1] / size, 6),
                "busy": round(busy_ns / (measured_ns * path.server.slots), 6) if measured_ns else 0.0,
                "merges": rows[number][2],
                "failures": fails.get(path.name, 0),
                "latency_us": told(path.latencies),
            }
        )
    return found


def merges_of(path: ModelPath) -> int:
    """How many bios were merged in the path's own queue."""
    assert path.device is not None
    stats = path.device.requests.stats
    return int(stats.reads.merges + stats.writes.merges)
