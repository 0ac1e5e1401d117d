"""Tables under load: the inactive one, what it may be, and the swap (transcripts 13, 14, 40, 41)."""

import pytest
from tests.dm.controls import Heard, begin_suspend, line, load, suspend, swap

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.core.status import INVAL, IOERR, OK
from hawser.core.units import KIB, MIB, NS_PER_MS
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client, Rig, World, make_multipath

DATA = b"d" * 4096
SLOW = Answer(delay_ns=10 * NS_PER_MS)
SECTORS = MIB >> 9


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, **options) -> Rig:
    return make_multipath(World(), mode=mode, **options)


def tables_present(rig: Rig) -> str:
    text = verbs.info(rig.world.registry, "mpatha")
    return next(row.split(":", 1)[1].strip() for row in text.splitlines() if row.startswith("Tables present"))


def table(rig: Rig) -> str:
    return verbs.table(rig.world.registry, "mpatha")


def test_a_loaded_table_is_inactive_until_the_resume(mode: str):
    """40[12] to 40[34]."""
    rig = make(mode)
    before = table(rig)
    load(rig.world, rig.device, line(rig, [[1]], mode))
    assert (tables_present(rig), table(rig)) == ("LIVE & INACTIVE", before)
    rig.device.clear()
    rig.device.clear()
    assert tables_present(rig) == "LIVE"
    load(rig.world, rig.device, line(rig, [[1]], mode))
    load(rig.world, rig.device, line(rig, [[0], [1]], mode))
    suspend(rig.world, rig.device)
    assert (tables_present(rig), table(rig)) == ("LIVE & INACTIVE", before)
    assert rig.device.resume()
    assert tables_present(rig) == "LIVE"
    assert table(rig).count("round-robin") == 2


def test_a_new_table_starts_afresh(mode: str):
    """40[33]: fail counts start again, all paths are in use, the first I/O has yet to choose a group."""
    rig = make(mode)
    rig.message("fail_path 259:0")
    swap(rig, line(rig, [[0, 1]], mode))
    assert rig.status().split("multipath ")[1].startswith("2 1 0 0 1 1 E 0 2 0 259:0 A 0")
    assert rig.device.event_nr == 1, "no event for a swap"


def test_a_resume_of_a_device_in_use_suspends_it_first(mode: str):
    """40[38]."""
    rig = make(mode)
    for path in rig.paths:
        path.driver.default = SLOW
    rig.client.write(0, DATA)
    rig.world.settle()
    load(rig.world, rig.device, line(rig, [[1]], mode))
    heard = Heard()
    assert rig.device.resume(heard) is False
    late = rig.client.write(100, DATA)
    rig.world.pass_time(9 * NS_PER_MS)
    assert (heard.words, tables_present(rig)) == ([], "LIVE & INACTIVE")
    rig.world.run()
    assert (heard.words, heard.error) == (["resumed"], None)
    assert tables_present(rig) == "LIVE"
    assert late.status == OK
    assert rig.paths[1].driver.sent[-1] == (WRITE, 100, 4096)
    assert rig.at_rest()


def test_a_resume_follows_a_suspend_under_way(mode: str):
    rig = make(mode)
    rig.paths[0].driver.default = SLOW
    rig.client.write(0, DATA)
    load(rig.world, rig.device, line(rig, [[1]], mode))
    suspended, resumed = begin_suspend(rig.device), Heard()
    assert rig.device.resume(resumed) is False
    rig.world.run()
    assert (suspended.words, resumed.words) == (["suspended"], ["resumed"])
    assert not rig.device.is_suspended()


def test_a_cancelled_suspend_leaves_the_inactive_table_where_it_was(mode: str):
    rig = make(mode)
    rig.paths[0].driver.default = SLOW
    rig.client.write(0, DATA)
    load(rig.world, rig.device, line(rig, [[1]], mode))
    heard = Heard()
    rig.device.resume(heard)
    rig.device.cancel_suspend()
    rig.world.run()
    assert (heard.words, tables_present(rig)) == (["cancelled"], "LIVE & INACTIVE")


def test_a_table_that_is_too_long_is_refused_only_by_the_resume(mode: str):
    """40[42] to 40[55]."""
    rig = make(mode)
    load(rig.world, rig.device, line(rig, [[0, 1]], mode, sectors=2 * SECTORS))
    assert tables_present(rig) == "LIVE & INACTIVE"
    suspend(rig.world, rig.device)
    with pytest.raises(TableError, match=r"254:0: p0 too small for target: start=0, len=4096, dev_size=2048"):
        rig.device.resume()
    assert (rig.device.is_suspended(), tables_present(rig)) == (True, "LIVE")
    assert rig.device.resume()
    rig.client.read(0, 4096)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK]


def test_the_resume_that_had_to_suspend_tells_of_a_refusal(mode: str):
    rig = make(mode)
    load(rig.world, rig.device, line(rig, [[0, 1]], mode, sectors=2 * SECTORS))
    heard = Heard()
    rig.device.resume(heard)
    rig.world.run()
    assert heard.words == ["refused"]
    assert "too small" in str(heard.error)
    assert rig.device.is_suspended()


BAD = [
    ("0 2048 linear 259:0 0", "can't replace immutable target type multipath"),
    ("0 2048 zero", "can't replace immutable target type multipath"),
    (
        "0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 99:9",
        r"254:0: multipath: error getting device \(-ENXIO\)",
    ),
    (
        "0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 254:0",
        r"254:0: multipath: error getting device \(-EINVAL\)",
    ),
    (
        "0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 254:1",
        "error getting device|non-request-stackable",
    ),
    ("0 0 error", "zero-length target"),
    ("", "populate_table: no targets specified"),
]


@pytest.mark.parametrize(("text", "error"), BAD)
def test_refused_nothing_has_changed(mode: str, text: str, error: str):
    """13[57], 13[61], 14[24], 40[44]; and a device that stands on this one."""
    rig = make(mode)
    rig.world.mapped("upper", "0 2048 linear 254:0 0")
    load(rig.world, rig.device, line(rig, [[1]], mode))
    listeners = list(rig.world.disk.fences.listeners)
    inactive = rig.device.inactive
    with pytest.raises(TableError, match=error):
        load(rig.world, rig.device, text.format(mode=mode))
    assert rig.device.inactive is inactive
    assert rig.world.disk.fences.listeners == listeners
    assert tables_present(rig) == "LIVE & INACTIVE"


def test_the_kind_is_fixed_by_the_first_table_even_if_it_is_cleared():
    """13[56], 13[75], 13[91]."""
    other = {"rq": "bio", "bio": "rq"}
    for mode, words in (("rq", "old=2 vs new=1"), ("bio", "old=1 vs new=2")):
        rig = make(mode)
        with pytest.raises(TableError) as caught:
            load(rig.world, rig.device, line(rig, [[0]], other[mode]))
        assert str(caught.value) == f"can't change device type ({words}) after initial table load."
        fresh = type(rig.device)("nt", "254:9", rig.world.turn, rig.world.clock, rig.world.timers, rig.world.log)
        load(rig.world, fresh, line(rig, [[0]], mode))
        fresh.clear()
        with pytest.raises(TableError, match="can't change device type"):
            load(rig.world, fresh, line(rig, [[0]], other[mode]))
        load(rig.world, fresh, line(rig, [[0]], mode))


def test_error_replaces_anything_and_is_of_either_kind(mode: str):
    """13[58], 13[72], 13[80] to 13[84]."""
    rig = make(mode)
    if mode == "rq":
        with pytest.raises(TableError, match="request-based DM doesn't support multiple targets"):
            load(rig.world, rig.device, "0 16 error\n16 16 error")
    swap(rig, f"0 {SECTORS} error")
    assert table(rig) == f"0 {SECTORS} error \n"
    rig.client.read(0, 4096)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [IOERR]
    with pytest.raises(TableError, match="can't change device type"):
        load(rig.world, rig.device, line(rig, [[0]], "bio" if mode == "rq" else "rq"))
    swap(rig, line(rig, [[0]], mode))
    rig.client.read(0, 4096)
    rig.world.run()
    assert rig.client.done[-1].status == OK
    assert rig.at_rest()


def test_a_new_device_with_an_error_table_is_bio_based():
    """13[87]."""
    rig = make("rq")
    device = rig.world.mapped("er", "0 64 error")
    with pytest.raises(TableError, match="old=1 vs new=2"):
        load(rig.world, device, line(rig, [[0]], "rq", sectors=64))


def test_a_table_without_paths_is_of_the_live_tables_kind():
    rig = make("bio")
    load(rig.world, rig.device, f"0 {SECTORS} multipath 0 0 0 0")
    assert rig.device.inactive.kind == "bio"


def test_the_size_changes_with_the_table(mode: str):
    """13[67] to 13[71]; what waits beyond the new end fails, what waits before it is served."""
    rig = make(mode)
    half = SECTORS // 2
    load(rig.world, rig.device, line(rig, [[0, 1]], mode, sectors=half))
    suspend(rig.world, rig.device, noflush=True)
    inside, beyond = rig.client.write(0, DATA), rig.client.write(half, DATA)
    rig.device.resume()
    rig.world.run()
    assert (rig.device.size_sectors, inside.status, beyond.status) == (half, OK, IOERR)
    assert rig.store.data[half << 9 :] == bytes(half << 9)
    swap(rig, line(rig, [[0, 1]], mode, sectors=SECTORS))
    write = rig.client.write(half, DATA)
    rig.world.run()
    assert write.status == OK
    assert rig.at_rest()


SMALL = QueueLimits(max_sectors=8, max_segments=2, logical_block_size=4096)


def test_what_waits_is_cut_to_the_limits_of_the_new_table(mode: str):
    """In the kernel a request that is too large by now fails, and its path with it."""
    rig = make(mode, paths=1)
    narrow = rig.world.ram_path("narrow", rig.store, limits=SMALL)
    rig.paths.append(narrow)
    load(rig.world, rig.device, line(rig, [[1]], mode))
    suspend(rig.world, rig.device, noflush=True)
    big = rig.client.write(0, DATA * 8)
    many = rig.client.submit([_write(rig.client, 100 + number, 1) for number in range(4)])
    block = rig.client.write(800, DATA)
    nothing = rig.client.discard(1600, 4096)
    rig.device.resume()
    assert rig.device.limits.max_sectors == 8
    rig.world.run()
    assert (big.status, block.status, "259:1 A" in rig.status()) == (OK, OK, True)
    assert [bio.status for bio in many] == [INVAL] * 4, "half a block of the new path"
    assert nothing.status != OK
    assert rig.store.data[: 8 * 4096] == DATA * 8
    assert all(size <= 4096 for _, _, size in narrow.driver.sent)
    assert rig.at_rest()


def _write(client: Client, sector: int, sectors: int) -> Bio:
    return Bio(WRITE, sector, sectors << 9, client, bytes(sectors << 9))


def test_merged_requests_are_taken_apart_for_a_smaller_path():
    rig = make("rq", paths=1)
    limits = QueueLimits(max_sectors=32, max_segments=2)
    rig.paths.append(rig.world.ram_path("narrow", rig.store, limits=limits))
    load(rig.world, rig.device, line(rig, [[1]], "rq"))
    suspend(rig.world, rig.device, noflush=True)
    bios = rig.client.submit([_write(rig.client, 8 * number, 8) for number in range(5)])
    assert rig.device.queue.waiting() == 1
    rig.device.resume()
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 5
    assert rig.paths[1].driver.sent == [(WRITE, 0, 8 * KIB), (WRITE, 16, 8 * KIB), (WRITE, 32, 4 * KIB)]


def test_a_table_without_paths_keeps_the_old_limits(mode: str):
    rig = make(mode, features="queue_if_no_path")
    limits, disk = rig.device.limits, rig.device.disk
    rig.world.disk.cast_doubt("once")
    client = Client(rig.device, rig.world.disk)
    swap(rig, line(rig, [], mode, "queue_if_no_path"))
    assert (rig.device.limits, rig.device.disk) == (limits, disk)
    bios = [client.write(0, DATA), client.flush()]
    rig.world.pass_time(NS_PER_MS)
    assert not any(bio.finished for bio in bios)
    swap(rig, line(rig, [[1]], mode))
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK]


def test_the_queue_of_a_request_based_device_stays(mode: str):
    rig = make(mode)
    queue = rig.device.queue
    swap(rig, line(rig, [[1]], mode))
    assert rig.device.queue is queue


def test_reloads_under_load_lose_and_repeat_nothing(mode: str):
    rig = make(mode, groups=2, depth=2)
    for number, path in enumerate(rig.paths):
        path.driver.default = Answer(delay_ns=(1 + number) * NS_PER_MS)
    layouts = [[[0, 1], [2, 3]], [[3]], [[1, 2], [0]], [[2], [3], [0]]]
    bios = []
    for turn in range(40):
        for number in range(6):
            bios.append(rig.client.write(8 * (6 * turn + number), bytes([turn + 1]) * 4096))
        rig.world.pass_time(NS_PER_MS // 2)
        if turn % 3 == 0:
            load(rig.world, rig.device, line(rig, layouts[turn // 3 % 4], mode))
            rig.device.resume(None, noflush=turn % 2 == 0)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 240
    writes = [
        sector
        for path in rig.paths
        for op, sector, size in path.driver.sent
        for sector in range(sector, sector + size // 512, 8)
    ]
    assert sorted(writes) == [8 * number for number in range(240)]
    assert tables_present(rig) == "LIVE"
    assert rig.at_rest()


def test_a_linear_device_swaps_too():
    rig = make("bio")
    device = rig.world.mapped("lin", "0 1024 linear 259:0 0")
    suspend(rig.world, device)
    client = Client(device)
    read = client.read(0, 512)
    load(rig.world, device, "0 512 linear 259:1 8\n512 512 zero")
    device.resume()
    rig.world.run()
    assert read.status == OK
    assert rig.paths[1].driver.sent == [(READ, 8, 512)]
