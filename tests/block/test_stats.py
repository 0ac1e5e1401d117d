"""What a device says that it has done. Linux: Documentation/admin-guide/iostats.rst."""

import pytest

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.ops import DISCARD, READ, WRITE, WRITE_ZEROES
from hawser.block.stats import Counters
from hawser.core.status import IOERR, MEDIUM, OK, TRANSPORT
from hawser.core.units import KIB, MIB, NS_PER_MS
from hawser.lab.world import Answer, Client, Store, World, make_multipath

FIELDS = [
    "rd_ios",
    "rd_merges",
    "rd_sectors",
    "rd_ticks",
    "wr_ios",
    "wr_merges",
    "wr_sectors",
    "wr_ticks",
    "in_flight",
    "io_ticks",
    "time_in_queue",
    "ds_ios",
    "ds_merges",
    "ds_sectors",
    "ds_ticks",
    "fl_ios",
    "fl_ticks",
]


def said(device: BlockDevice, now_ns: int = 0) -> dict[str, int]:
    """The fields that are not 0, but for times."""
    named = dict(zip(FIELDS, device.counters(now_ns), strict=True))
    return {name: value for name, value in named.items() if value and not name.endswith(("ticks", "queue"))}


def test_there_are_as_many_fields_as_linux_has():
    assert len(make_multipath(World()).device.counters(0)) == 17


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_merges_above_counts_above(mode: str):
    rig = make_multipath(World(), mode=mode)
    rig.client.submit([Bio(READ, 8 * number, 4 * KIB, rig.client) for number in range(8)])
    rig.world.run()
    above = said(rig.device)
    below = [said(path.device) for path in rig.paths]
    if mode == "rq":
        assert above == {"rd_ios": 1, "rd_merges": 7, "rd_sectors": 64}
        assert below == [{"rd_ios": 1, "rd_sectors": 64}, {}]
    else:
        assert above == {"rd_ios": 8, "rd_sectors": 64}
        assert below == [{"rd_ios": 4, "rd_sectors": 32}] * 2


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_each_operation_has_its_group(mode: str):
    rig = make_multipath(World(), mode=mode, paths=1)
    for op in (READ, WRITE, DISCARD, WRITE_ZEROES):
        rig.client.submit([Bio(op, 100 * op, 4 * KIB, rig.client, bytes(4 * KIB) if op == WRITE else None)])
        rig.world.run()
    want = {"rd_ios": 1, "rd_sectors": 8, "wr_ios": 2, "wr_sectors": 16, "ds_ios": 1, "ds_sectors": 8}
    assert said(rig.device) == said(rig.paths[0].device) == want


def test_what_is_tried_twice_counts_once_above_and_twice_below():
    rig = make_multipath(World())
    rig.paths[0].driver.script.append(Answer(TRANSPORT, good_bytes=8 * KIB))
    rig.client.submit([Bio(READ, 8 * number, 4 * KIB, rig.client) for number in range(4)])
    rig.world.run()
    assert said(rig.device) == {"rd_ios": 1, "rd_merges": 3, "rd_sectors": 32}
    assert [said(path.device) for path in rig.paths] == [
        {"rd_ios": 1, "rd_sectors": 32},
        {"rd_ios": 1, "rd_sectors": 16},
    ]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_fails_counts_too(mode: str):
    rig = make_multipath(World(), mode=mode, paths=1)
    rig.paths[0].driver.script.append(Answer(MEDIUM))
    rig.client.read(0, 4 * KIB)
    rig.world.run()
    assert said(rig.device) == {"rd_ios": 1, "rd_sectors": 8}


def test_without_a_path_a_request_counts_and_a_bio_does_not():
    """Transcript 63[32], 63[35], 63[69], 63[72]."""
    for mode, want in (("rq", {"wr_ios": 1, "fl_ios": 1, "ds_ios": 1, "ds_sectors": 8}), ("bio", {})):
        rig = make_multipath(World(), mode=mode, paths=1)
        rig.message("fail_path 259:0")
        flush, discard = rig.client.flush(), rig.client.discard(0, 4 * KIB)
        rig.world.run()
        assert (flush.status, discard.status, said(rig.device)) == (IOERR, IOERR, want)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_times_are_those_from_the_first_bio_to_the_end(mode: str):
    rig = make_multipath(World(), mode=mode, paths=1)
    rig.paths[0].driver.default = Answer(delay_ns=5 * NS_PER_MS)
    rig.client.read(0, 4 * KIB)
    rig.world.pass_time(2 * NS_PER_MS)
    stats = rig.device.stats
    for device in rig.device, rig.paths[0].device:
        fields = dict(zip(FIELDS, device.counters(rig.world.clock.now_ns), strict=True))
        assert (fields["in_flight"], fields["io_ticks"]) == (1, 2), "of what has not ended, too"
    rig.client.write(80, bytes(4 * KIB))
    rig.world.run()
    fields = dict(zip(FIELDS, rig.device.counters(rig.world.clock.now_ns), strict=True))
    assert (fields["rd_ticks"], fields["wr_ticks"], fields["io_ticks"], fields["time_in_queue"]) == (5, 5, 7, 10)
    assert fields["in_flight"] == 0
    assert (stats.reads.latencies().maximum, stats.reads.latencies().count) == (5 * NS_PER_MS, 1)


def test_those_that_took_equally_long_are_all_in_the_histogram():
    group = Counters()
    for ns in (5, 5, 5, 9, 5):
        group.done(8, ns)
    latencies = group.latencies()
    assert (latencies.count, latencies.total, latencies.counts[5], latencies.counts[9]) == (5, 29, 4, 1)
    assert group.latencies().count == 5, "asked twice, counted once"
    assert (int(group.ios), int(group.sectors), group.ns) == (5, 40, 29)


def test_a_device_that_only_passes_on_counts_its_pieces():
    """Each piece that a target gets counts as one (dm_start_io_acct)."""
    world = World()
    path = world.ram_path("p", Store(MIB))
    device = world.mapped("two", f"0 8 linear {path.device.devt} 0\n8 8 linear {path.device.devt} 100")
    client = Client(device)
    bio = client.read(4, 4 * KIB)
    world.run()
    assert (bio.status, said(device)) == (OK, {"rd_ios": 2, "rd_sectors": 8})


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_idle_time_is_not_busy_time(mode: str):
    rig = make_multipath(World(), mode=mode, paths=1)
    rig.paths[0].driver.default = Answer(delay_ns=5 * NS_PER_MS)
    for _ in range(3):
        rig.client.read(0, 4 * KIB)
        rig.world.run()
        rig.world.pass_time(100 * NS_PER_MS)
    for device in (rig.device, rig.paths[0].device):
        assert device.counters(rig.world.clock.now_ns)[FIELDS.index("io_ticks")] == 15


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_was_or_waited_for_a_flush_is_counted_apart_too(mode: str):
    """For who compares devices by their means (hawser.manager.latency). The device cannot do FUA: it flushes behind such a
    write."""
    rig = make_multipath(World(), paths=1, mode=mode)
    path = rig.paths[0]
    path.driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.write(0, bytes(4 * KIB))
    rig.client.read(0, 4 * KIB)
    rig.client.flush()
    rig.world.run()
    stats = path.device.stats
    apart = stats.flush_reads if mode == "rq" else stats.flush_writes
    other = stats.flush_writes if mode == "rq" else stats.flush_reads
    assert (apart.ios, apart.ns) == (1, NS_PER_MS)
    assert (other.ios, other.ns) == (0, 0)
    assert stats.reads.ios + stats.writes.ios == 3
