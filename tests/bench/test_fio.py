"""fio's command line and the reading of its JSON."""

import json

import pytest
from bench.cases import CASES, BenchError
from bench.fio import fio_command, last_line, parse_fio

CASE = {case.name: case for case in CASES}
IDLE = {"total_ios": 0, "iops": 0.0, "lat_ns": {}}
BUSY = {
    "total_ios": 1500,
    "iops": 1000.5,
    "lat_ns": {"percentile": {"50.000000": 93696, "99.000000": 978944, "99.900000": 2179072}},
}


def output(**job):
    whole = {"jobs": [{"error": 0, "read": IDLE, "write": IDLE, **job}]}
    return "fio: connected to NBD server\nfio: connected to NBD server\n" + json.dumps(whole)


@pytest.mark.parametrize("direction", ["read", "write"])
def test_the_direction_that_had_io_is_read(direction):
    result = parse_fio(output(**{direction: BUSY}))
    assert (result.iops, result.ios) == (1000.5, 1500)
    assert (result.p50_us, result.p99_us, result.p999_us) == (93.696, 978.944, 2179.072)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"no JSON in its output: \(nothing printed\)"),
        ("fio: engine nbd not loadable\n", "no JSON in its output: fio: engine nbd not loadable"),
        (output(error=5), "the I/O failed with error 5"),
        (output(), "not one I/O completed"),
        ('{"jobs": []}', "unknown shape"),
        ('{"jobs": [{"error": 0}]}', "unknown shape"),
        ('{"jobs": [', "unknown shape"),
    ],
)
def test_what_is_not_a_result_is_named(text, complaint):
    with pytest.raises(BenchError, match=complaint):
        parse_fio(text)


def test_one_connection_carries_the_whole_depth():
    command = fio_command("nbd+unix:///?socket=s", CASE["randread-4k-qd32"], 1, 1 << 30, 1.5)
    assert {"--iodepth=32", "--numjobs=1", "--runtime=1500ms", "--bs=4096", "--rw=randread"} <= set(command)
    assert not any(word.startswith("--size") for word in command)


def test_four_connections_share_the_depth():
    command = fio_command("u", CASE["randread-4k-qd128"], 4, 1 << 30, 1)
    assert {"--iodepth=32", "--numjobs=4"} <= set(command)


def test_a_connection_has_at_least_one_io_in_flight():
    assert "--iodepth=1" in fio_command("u", CASE["randread-4k-qd1"], 4, 1 << 30, 1)


def test_sequential_connections_have_regions_of_their_own():
    command = fio_command("u", CASE["read-128k-qd16"], 4, (1 << 30) + 4096, 1)
    assert {f"--size={1 << 28}", f"--offset_increment={1 << 28}"} <= set(command)


def test_the_last_line_is_the_last_that_says_something():
    assert last_line("one\n two \n\n") == "two"
