"""Results as experiments leave them, for tests of reports: a gray fault over time, shares of paths, a sweep on log axes."""

import json
from math import sin
from pathlib import Path
from typing import Any

from hawser.core.rng import Rng

SELECTORS = ("round-robin 0", "queue-length 0", "service-time 0", "historical-service-time 0")


def series(name: str, xs: list, ys: list, half: float | None = None) -> dict[str, Any]:
    """`half`: the interval is so much of the value to each side."""
    lows = None if half is None else [y * (1 - half) for y in ys]
    highs = None if half is None else [y * (1 + half) for y in ys]
    return {"name": name, "xs": xs, "ys": ys, "lows": lows, "highs": highs}


def curve(title: str, x_label: str, y_label: str, lines: list, **more: Any) -> dict[str, Any]:
    plain = {"kind": "line", "spans": [], "log_x": False, "log_y": False}
    return {"title": title, "x_label": x_label, "y_label": y_label, "series": lines} | plain | more


def claim(text: str, measured: float, wanted: str, holds: bool, **more: Any) -> dict[str, Any]:
    plain = {"kind": "derived", "where": "RFC of 2008, 4.2", "requirement": "", "unit": ""}
    return {"text": text, "measured": measured, "wanted": wanted, "holds": holds} | plain | more


def experiment(name: str, **more: Any) -> dict[str, Any]:
    plain = {
        "title": f"what {name} does", "hypothesis": "", "model": "", "parameters": {}, "source": "", "requirements": [],
        "tables": [], "claims": [], "limits": [], "curves": [], "records": [],
    }  # fmt: skip
    return {"name": name} | plain | more


def gray_latency() -> dict[str, Any]:
    """200 windows of 50 ms; from 3 s to 7 s one of four paths is gray."""
    rng = Rng(7)
    times = [round(0.05 * number, 2) for number in range(200)]
    lines = []
    for place, (name, peak) in enumerate(zip(SELECTORS, (21_000.0, 6_000.0, 5_200.0, 900.0), strict=True)):
        ys = []
        for time in times:
            base = 520.0 + 30 * place + 25 * sin(3 * time) + rng.below(60)
            fault = peak * (0.8 + rng.below(400) / 1000) if 3 <= time < 7 else 0.0
            ys.append(base + fault)
        lines.append(series(name, times, ys))
    spans = [{"start": 3.0, "end": 7.0, "text": "p0: 5 % of commands 20 ms late"}]
    return curve(
        "Latency over time (p99)", "time, s", "latency, p99 of each window, µs", lines, spans=spans, log_y=True
    )


def throughput() -> dict[str, Any]:
    """Two faults whose words would overlap, one of them without an end, and a stretch without any I/O."""
    rng = Rng(8)
    times = [round(0.05 * number, 2) for number in range(200)]
    lines = []
    for name, lost in (("rq", 0.30), ("bio", 0.42)):
        ys: list[float | None] = []
        for time in times:
            value = 42.0 * (1 - (lost if time >= 3 else 0.0)) + rng.below(200) / 100
            ys.append(None if 4.4 <= time < 4.8 else value)
        lines.append(series(name, times, ys))
    spans = [
        {"start": 3.0, "end": None, "text": "p0, p1: server killed"},
        {"start": 3.4, "end": 3.4, "text": "message fail_path 259:1"},
    ]
    return curve("Throughput over time", "time, s", "throughput, thousand I/Os per second", lines, spans=spans)


def shares() -> dict[str, Any]:
    names = ["p0", "p1", "p2", "p3"]
    values = ([25.0, 25.0, 25.0, 25.0], [9.1, 30.2, 30.4, 30.3], [3.2, 32.4, 32.1, 32.3], [0.7, 33.0, 33.2, 33.1])
    lines = [series(name, names, ys, 0.03) for name, ys in zip(SELECTORS, values, strict=True)]
    return curve("Shares of the paths (commands)", "path", "commands, %", lines, kind="bar")


def selectors_flat() -> dict[str, Any]:
    """Names that do not fit side by side."""
    names = [*SELECTORS, "io-affinity 0", "a selector of one's own that has quite a long name indeed"]
    lines = [series("p99", names, [21_400.0, 6_630.0, 5_690.0, 1_410.0, 14_000.0, 880.0], 0.1)]
    return curve("Tail latency of six selectors", "selector", "latency, p99, µs", lines, kind="bar")


def sweep() -> dict[str, Any]:
    depths = [1, 2, 4, 8, 16, 32, 64, 128]
    lines = [
        series(name, depths, [4.5 * depth / (1 + depth / knee) for depth in depths], 0.08)
        for name, knee in (("mode rq", 40), ("mode bio", 22), ("mode mq", 34))
    ]
    return curve("Throughput by depth", "depth", "thousand I/Os per second", lines, log_x=True, log_y=True)


def percentiles() -> dict[str, Any]:
    names = ["p50", "p90", "p99", "p99.9", "max"]
    lines = [
        series(name, names, [510.0, 640.0, 900.0 * far, 2000.0 * far, 2600.0 * far], 0.12)
        for name, far in zip(SELECTORS, (20.0, 6.0, 5.0, 1.0), strict=True)
    ]
    return curve("Latency, by percentile", "percentile", "latency, µs", lines, log_y=True)


def sizes() -> dict[str, Any]:
    names = ["4 KiB", "8 KiB", "16 KiB", "64 KiB", "128 KiB", "512 KiB"]
    lines = [
        series("rq", names, [0.4, 0.2, 1.3, 8.0, 30.1, 60.0]),
        series("bio", names, [92.1, 6.0, 1.5, 0.4, 0.0, 0.0]),
    ]
    return curve("Sizes of the commands", "size of a command", "commands, %", lines, kind="bar")


def gray_failure() -> dict[str, Any]:
    records = [
        {"selector": name, "seed": seed, "p99_us": 1000.5 + 10 * seed, "failed": seed == 3, "ios": 40_000 + seed}
        for name in SELECTORS
        for seed in range(8)
    ]
    return experiment(
        "gray-failure",
        title="One path of four answers some of its commands late: what clients see of it",
        hypothesis="A selector that looks at latency does without the path; one that counts commands, or bytes, does not "
        "notice that a few of them are late.",
        model="Four paths, each with a server of its own: 100 µs + n / 400 MB/s for a command of n bytes. From 3 s to 7 s "
        "5 % of the commands of p0 are 20 ms late.",
        parameters={"fixed_us": 100, "mb_per_s": 400.0, "P": 4, "d": 32, "k": 0.91, "mode": "rq", "hedge": False},
        source="Huang et al., Gray Failure (HotOS 2017), https://doi.org/10.1145/3102980.3103005; seeds.md, 1.6",
        requirements=["S1-B1", "L-9"],
        tables=[
            {
                "title": "Latency while the fault lasts, µs",
                "columns": ["selector", "p50", "p99", "max", "share of p0, %", "I/Os"],
                "rows": [
                    ["round-robin 0", 512.25, 21400.0, 24018.5, 25.0, 162_000],
                    ["queue-length 0", 509.0, 6630.125, 22011.0, 9.1, 171_422],
                    ["service-time 0", 508.75, 5690.0, 21950.0, 3.2, 173_008],
                    ["historical-service-time 0", 511.0, 1410.0, 21003.0, 0.7, 176_116],
                ],
                "note": "Means of 8 seeds.",
            }
        ],
        claims=[
            claim(
                "historical-service-time has the lowest p99", 4.04, "at least 2", True, unit="times", requirement="L-9"
            ),
            claim(
                "round-robin does not notice", 25.0, "24 to 26", True, unit="%", requirement="S1-B1", kind="predicted"
            ),
        ],
        limits=["At 1 % of late commands the two are level (p99 of 560 and 548 µs)."],
        curves=[gray_latency(), throughput(), shares(), percentiles()],
        records=records,
    )


def modes() -> dict[str, Any]:
    return experiment(
        "modes",
        title="Request-based against bio-based: <when> & which",
        hypothesis="Merging before the path is chosen pays where a command costs more than its bytes.",
        claims=[
            claim("bio-based sends 4 KiB commands", 92.1, "at least 95", False, unit="%", kind="fitted"),
            claim("request-based merges", 60.0, "at least 50", True, unit="%", kind="predicted"),
        ],
        curves=[sizes(), sweep(), selectors_flat()],
    )


def results(*experiments: dict[str, Any]) -> dict[str, Any]:
    return {"hawser": "0.1.0", "experiments": list(experiments or (gray_failure(), modes()))}


def write(directory: Path, *experiments: dict[str, Any]) -> Path:
    """The results.json of these experiments in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(results(*experiments)))
    return directory
