"""Measurements -> the rows of `latest.json`: ours against each peer, per case, connections and mode.

`hawser` and `peer` are medians of I/Os per second. The interval is `bench.stats`'s; latencies and CPU are
medians over the rounds. Only rounds in which both were measured count, if there are any. Rows of the groups `engine` and
`lab` compare the compiled build with the interpreted one; they have no latencies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench.engine_group import EngineLane
from bench.race import Lane, Measurement
from bench.stats import ratio_of_medians

METRICS = ("p50_us", "p99_us", "p999_us", "cpu_us")
ResultRow = dict[str, Any]


def race_rows(lanes: Sequence[Sequence[Lane]]) -> list[ResultRow]:
    """All pairs of ours and a peer within each row; without any of ours, the peers by themselves."""
    rows: list[ResultRow] = []
    for row_lanes in lanes:
        tried = [lane for lane in row_lanes if lane.measurements or lane.errors]
        ours = [lane for lane in tried if lane.contender.ours]
        peers = [lane for lane in tried if not lane.contender.ours]
        pairs = [(a, b) for a in ours for b in peers if a.contender.opposes(b.contender)]
        rows += [_pair_row(a, b) for a, b in pairs] if ours else [_peer_row(lane) for lane in peers]
    return rows


def _pair_row(ours: Lane, peer: Lane) -> ResultRow:
    both = {m.round for m in ours.measurements} & {m.round for m in peer.measurements}
    mine = [m for m in ours.measurements if m.round in both or not both]
    its = [m for m in peer.measurements if m.round in both or not both]
    row = _head(ours, ours.contender.mode, ours.contender.build) | {
        "hawser": _median(mine, "iops"),
        "peer_name": peer.contender.name,
        "peer": _median(its, "iops"),
        "ratio": None,
        "ratio_low": None,
        "ratio_high": None,
    }
    if both:
        ratio = ratio_of_medians([m.iops for m in mine], [m.iops for m in its])
        row |= {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
    row |= {name: _median(mine, name) for name in METRICS}
    row |= {f"peer_{name}": _median(its, name) for name in METRICS}
    row["errors"] = [f"{lane.contender.label}: {error}" for lane in (ours, peer) for error in lane.errors]
    row["rounds"] = {"hawser": [asdict(m) for m in mine], "peer": [asdict(m) for m in its]}
    return row


def _peer_row(peer: Lane) -> ResultRow:
    row = _head(peer, None, None) | {
        "hawser": None,
        "peer_name": peer.contender.name,
        "peer": _median(peer.measurements, "iops"),
        "ratio": None,
    }
    row |= {f"peer_{name}": _median(peer.measurements, name) for name in METRICS}
    row["errors"] = [f"{peer.contender.label}: {error}" for error in peer.errors]
    row["rounds"] = {"peer": [asdict(m) for m in peer.measurements]}
    return row


def _head(lane: Lane, mode: str | None, build: str | None) -> ResultRow:
    where = {"group": lane.row.group, "case": lane.row.case.name, "connections": lane.row.connections}
    return {**where, "mode": mode, "build": build}


def _median(measurements: Sequence[Measurement], name: str) -> float | None:
    return median(getattr(m, name) for m in measurements) if measurements else None


def engine_rows(lanes: Sequence[EngineLane]) -> list[ResultRow]:
    """I/Os per second of each build and mode; the compiled build's peer is the interpreted one."""
    interpreted = {(lane.group, lane.mode): lane for lane in lanes if lane.build == "interpreted"}
    tried = (lane for lane in lanes if lane.ns_per_io or lane.errors)
    return [_engine_row(lane, interpreted.get((lane.group, lane.mode))) for lane in tried]


def _engine_row(lane: EngineLane, interpreted: EngineLane | None) -> ResultRow:
    peer = interpreted if interpreted is not lane else None
    mine, its = _per_second(lane), _per_second(peer) if peer else []
    case = {"engine": "null-driver", "lab": "simulated-devices", "model": "model"}[lane.group]
    row: ResultRow = {"group": lane.group, "case": case, "connections": 0}
    row |= {"mode": lane.mode, "build": lane.build, "hawser": median(mine) if mine else None}
    row |= {"peer_name": peer.build if peer else None, "peer": median(its) if its else None}
    row |= {"ratio": None, "ratio_low": None, "ratio_high": None}
    if mine and len(mine) == len(its):
        ratio = ratio_of_medians(mine, its)
        row |= {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
    row["ns_per_io"] = median(lane.ns_per_io) if lane.ns_per_io else None
    row["gc_pause_max_us"] = max(lane.gc_pause_max_us, default=None)
    row["errors"] = lane.errors
    row["rounds"] = {"ns_per_io": lane.ns_per_io, "gc_pause_max_us": lane.gc_pause_max_us}
    return row


def _per_second(lane: EngineLane) -> list[float]:
    return [1e9 / ns for ns in lane.ns_per_io]


def write_json(rows: Sequence[ResultRow], path: Path) -> None:
    path.write_text(json.dumps([_rounded(row) for row in rows], indent=1) + "\n")


def _rounded(value: Any) -> Any:
    """Floats to a thousandth: more digits than a measurement has, fewer than a float prints."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
