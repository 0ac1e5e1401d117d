"""The tables and the heading."""

import io

import pytest
from bench.heading import cpu_model, format_cpus, format_minutes
from bench.report import WIDTH, below_goal, goal, growth_lines, print_report, short, thousands
from rich.console import Console

TITLES = {"file": "of files", "engine": "engine", "lab": "laboratory"}


def pair(mode="rq", peer="nbdkit", ratio=1.5, **changes):
    row = {"group": "file", "case": "randread-4k-qd32", "connections": 1, "mode": mode, "build": "compiled"}
    row |= {"hawser": 150e3, "peer_name": peer, "peer": 100e3, "ratio": ratio, "errors": []}
    row |= {"ratio_low": ratio and ratio - 0.25, "ratio_high": ratio and ratio + 0.25}
    row |= {"p50_us": 50.0, "p99_us": 990.0, "p999_us": 9990.0, "cpu_us": 3.25}
    row |= {"peer_p50_us": 60.0, "peer_p99_us": 1990.0, "peer_p999_us": 12345.6, "peer_cpu_us": 4.0}
    return row | changes


def printed(*rows):
    out = io.StringIO()
    print_report(Console(file=out, width=WIDTH), rows, TITLES)
    return out.getvalue()


def line(text, start):
    return next(words for words in map(str.split, text.splitlines()) if start in " ".join(words)).copy()


def test_a_server_has_a_line_and_a_peer_its_ratios():
    text = printed(pair(), pair("bio", ratio=0.75), pair(peer="qemu-nbd", ratio=3.0))
    assert line(text, "hawser rq") == ["randread-4k-qd32", "1", "hawser", "rq", "150.0", "50.0", "990", "9990", "3.25"]
    rates = ["nbdkit", "100.0", "60.0", "1990", "12346", "4.00"]
    assert line(text, "nbdkit") == [*rates, "1.50", "1.25-1.75", "x", "0.75", "0.50-1.00"]
    assert line(text, "qemu-nbd")[-2:] == ["3.00", "2.75-3.25"]
    assert "1 of 2 rows reach their goal." in text


def test_revisions_have_a_line_per_mode():
    text = printed(pair(peer="hawser@0123abc"), pair("bio", peer="hawser@0123abc", ratio=0.9))
    assert line(text, "hawser@0123abc rq")[-2:] == ["1.50", "1.25-1.75"]
    assert line(text, "hawser@0123abc bio")[-2:] == ["0.90", "0.65-1.15"]
    assert "goal." not in text


def test_peers_alone_have_no_ratio_columns():
    alone = pair(mode=None, ratio=None, hawser=None)
    headings = line(printed(alone), "case")
    assert headings[-2:] == ["CPU", "us/IO"]


def test_a_failure_is_told_once_below_the_table():
    failed = pair(ratio=None, hawser=None, errors=["hawser rq: round 1: ended with 1: [what] it said"])
    text = printed(failed, failed | {"peer_name": "qemu-nbd"})
    assert text.count("failed: hawser rq: round 1: ended with 1: [what] it said") == 1
    assert line(text, "nbdkit")[-1] == "failed"


def test_the_engine_has_a_table_of_its_own():
    row = pair(group="engine", case="null-driver", peer="interpreted", ratio=4.0, hawser=2e6)
    text = printed(row | {"ns_per_io": 500.0, "gc_pause_max_us": 91.5})
    assert line(text, "compiled") == ["compiled", "rq", "500", "2.00", "4.00", "3.75-4.25", "91.5"]


@pytest.mark.parametrize(("rate", "shown"), [(1.2e5, "0.12"), (8e4, "x")])
def test_the_laboratory_is_held_against_its_goal(rate: float, shown: str):
    row = pair(group="lab", case="simulated-devices", peer="interpreted", ratio=4.0, hawser=rate)
    text = printed(row | {"ns_per_io": 9000.0, "gc_pause_max_us": 91.5})
    assert line(text, "compiled")[3] == shown


def test_how_the_model_grows_is_told_as_ratios():
    times = {"rq-mq-deadline": 5000.0, "rq-mq-deadline-x8": 5500.0, "rq-mq-deadline-64p": 20_000.0}
    rows = [
        pair(group="model", case="model", peer=None, mode=mode, hawser=1e9 / ns)
        | {"ns_per_io": ns, "gc_pause_max_us": 1.0}
        for mode, ns in times.items()
    ]
    assert growth_lines(rows) == [
        "model: 8 times the I/Os take 8.8 times as long (linear: 8)",
        "model: the same I/Os over 64 paths take 4.0 times as long (linear: 16)",
    ]
    assert growth_lines([row | {"build": "interpreted"} for row in rows]) == []


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({}, 1.0),
        ({"case": "randread-4k-qd1"}, 0.85),
        ({"peer_name": "qemu-nbd"}, None),
        ({"group": "proxy"}, None),
        ({"group": "proxy", "peer_name": "nbdkit-nbd"}, 1.3),
        ({"group": "proxy", "peer_name": "nbdkit-nbd", "case": "randread-4k-qd1"}, None),
        ({"group": "proxy", "peer_name": "nbdkit-nbd", "case": "read-128k-qd16"}, None),
    ],
)
def test_goals(changes, least):
    row = pair(**changes)
    assert goal(row) == least
    assert below_goal(row | {"ratio": 0.5}) == (least is not None)
    assert not below_goal(row | {"ratio": None})


def test_numbers_are_short():
    assert [short(value) for value in (None, 3.256, 32.56, 325.6, 32560.0)] == ["-", "3.26", "32.6", "326", "32560"]
    assert thousands(1234.5) == "1.2"


def test_cpu_sets_read_as_taskset_prints_them():
    assert [format_cpus(cpus) for cpus in ({0}, {0, 1}, {5, 0, 2, 1}, set())] == ["0", "0-1", "0-2,5", ""]


def test_heading_words():
    assert cpu_model("processor\t: 0\nmodel name\t: Some CPU\nmodel\t\t: 7\n") == "Some CPU"
    assert [format_minutes(seconds) for seconds in (0.4, 59.6, 754)] == ["0:00", "1:00", "12:34"]
