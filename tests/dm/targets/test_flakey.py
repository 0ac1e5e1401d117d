"""flakey: up and down by the clock, every feature, every refusal; with the words of Linux 6.12 (transcript 36 and the oracle)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dm.controls import suspend
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, FUA, RAHEAD, READ, WRITE
from hawser.core.status import IOERR, NOTSUPP, OK
from hawser.core.units import NS_PER_S
from hawser.dm.target import TableError
from hawser.lab.world import Client

REFUSED = [
    ("", "Invalid argument count"),
    ("259:0 0 1", "Invalid argument count"),
    ("259:0 x 1 1", "Invalid device sector"),
    ("259:0 0 x 1", "Invalid up interval"),
    ("259:0 0 0 0", "Total (up + down) interval is zero"),
    ("259:0 0 4294967295 4294967295", "Interval overflow"),
    ("259:0 0 4294967295 1", "Total (up + down) interval is zero"),
    ("259:0 0 1 1 12", "Invalid number of feature args"),
    ("259:0 0 1 1 1", "Invalid number of feature args"),
    ("259:0 0 1 1 x", "Invalid number of feature args"),
    ("259:0 0 1 1 2 error_reads error_reads", "Feature error_reads duplicated"),
    ("259:0 0 1 1 2 drop_writes drop_writes", "Feature drop_writes duplicated"),
    ("259:0 0 1 1 2 error_writes error_writes", "Feature error_writes duplicated"),
    ("259:0 0 1 1 2 drop_writes error_writes", "Feature error_writes conflicts with feature drop_writes"),
    ("259:0 0 1 1 2 error_writes drop_writes", "Feature drop_writes conflicts with feature error_writes"),
    ("259:0 0 1 1 1 corrupt_bio_byte", "Feature corrupt_bio_byte requires parameters"),
    ("259:0 0 1 1 2 corrupt_bio_byte 0", "Invalid corrupt bio byte"),
    ("259:0 0 1 1 2 corrupt_bio_byte 1", "Invalid corrupt bio direction (r or w)"),
    ("259:0 0 1 1 3 corrupt_bio_byte 1 x", "Invalid corrupt bio direction (r or w)"),
    ("259:0 0 1 1 3 corrupt_bio_byte 1 r", "Invalid corrupt value to write into bio byte (0-255)"),
    ("259:0 0 1 1 4 corrupt_bio_byte 1 r 256", "Invalid corrupt value to write into bio byte (0-255)"),
    ("259:0 0 1 1 4 corrupt_bio_byte 1 r 255", "Invalid corrupt bio flags mask"),
    ("259:0 0 1 1 5 corrupt_bio_byte 1 r 255 x", "Invalid corrupt bio flags mask"),
    ("259:0 0 1 1 2 corrupt_bio_byte 1 r 0 0", "Insufficient feature arguments"),
    (
        "259:0 0 1 1 6 drop_writes corrupt_bio_byte 1 w 1 0",
        "drop_writes is incompatible with corrupt_bio_byte with the WRITE flag set",
    ),
    (
        "259:0 0 1 1 6 error_writes corrupt_bio_byte 1 w 1 0",
        "error_writes is incompatible with corrupt_bio_byte with the WRITE flag set",
    ),
    ("259:0 0 1 1 1 random_read_corrupt", "Feature random_read_corrupt requires a parameter"),
    ("259:0 0 1 1 1 random_write_corrupt", "Feature random_write_corrupt requires a parameter"),
    ("259:0 0 1 1 2 random_read_corrupt 1000000001", "Invalid random corrupt argument"),
    ("259:0 0 1 1 1 bogus", "Unrecognised flakey feature requested"),
    # The device is looked for last.
    ("nosuch 0 1 x", "Invalid down interval"),
]


@pytest.mark.parametrize(("words", "error"), REFUSED)
def test_refused_with_the_kernels_words(words: str, error: str):
    with pytest.raises(TableError) as caught:
        TargetRig(f"0 1024 flakey {words}")
    assert (str(caught.value), caught.value.errno_name) == (f"254:0: flakey: {error} (-EINVAL)", "EINVAL")


@pytest.mark.parametrize(("name", "errno"), [("nosuch", "ENOENT"), ("240:0", "ENXIO"), ("254:0", "EINVAL")])
def test_a_device_that_cannot_be_had(name: str, errno: str):
    with pytest.raises(TableError) as caught:
        TargetRig(f"0 1024 flakey {name} 0 1 1")
    assert str(caught.value) == f"254:0: flakey: Device lookup failed (-{errno})"


EVERYTHING = "error_reads drop_writes corrupt_bio_byte 1 r 1 0 random_read_corrupt 7 random_write_corrupt 8"
TABLES = [
    ("1 1", "1 1 2 error_reads error_writes"),
    ("1 1 0", "1 1 2 error_reads error_writes"),
    ("1 1 0 extra", "1 1 2 error_reads error_writes"),
    ("4294967297 1", "1 1 2 error_reads error_writes"),
    ("1 1 1 ERROR_READS", "1 1 1 error_reads"),
    ("1 1 2 error_writes error_reads", "1 1 2 error_reads error_writes"),
    ("1 1 2 random_read_corrupt 0", "1 1 2 error_reads error_writes"),
    ("1 1 5 corrupt_bio_byte 1 R 255 0", "1 1 5 corrupt_bio_byte 1 r 255 0"),
    ("1 1 6 drop_writes corrupt_bio_byte 1 r 1 0", "1 1 6 drop_writes corrupt_bio_byte 1 r 1 0"),
    ("1 1 2 random_write_corrupt 5", "1 1 2 random_write_corrupt 5"),
    (
        "1 1 9 error_reads corrupt_bio_byte 1 r 1 0 random_read_corrupt 7 error_writes",
        "1 1 9 error_reads error_writes corrupt_bio_byte 1 r 1 0 random_read_corrupt 7",
    ),
    (f"1 1 11 {EVERYTHING}", f"1 1 11 {EVERYTHING}"),
]


@pytest.mark.parametrize(("words", "printed"), TABLES)
def test_the_table_is_printed_with_what_follows_from_it(words: str, printed: str):
    rig = TargetRig(f"0 1024 flakey 259:0 0 {words}")
    assert (rig.target().status_table(), rig.info()) == (f"259:0 0 {printed}", "")


def test_up_and_down_by_the_clock():
    """Whole seconds from the loading of the table, as jiffies are divided."""
    rig = TargetRig("0 1024 flakey 259:0 8 3 2")
    seen: list[int] = []
    for tenths in range(0, 110, 5):
        rig.world.run(tenths * NS_PER_S // 10)
        bio = rig.client.read(0, 512)
        rig.world.settle()
        seen.append(bio.status)
    assert seen == ([OK] * 6 + [IOERR] * 4) * 2 + [OK] * 2
    assert set(rig.sent()[0]) == {(READ, 8, 512)}


# What becomes of a read, a write, a flush and a discard while it is down, and which of them the disk sees.
DOWN = [
    ("", [IOERR, IOERR, IOERR, IOERR], []),
    ("1 error_reads", [IOERR, OK, OK, OK], [WRITE, DISCARD, FLUSH]),
    ("1 error_writes", [OK, IOERR, IOERR, IOERR], [READ]),
    ("1 drop_writes", [OK, OK, OK, OK], [READ]),
    ("2 error_reads drop_writes", [IOERR, OK, OK, OK], []),
    ("2 random_read_corrupt 1", [OK, OK, OK, OK], [READ, WRITE, DISCARD, FLUSH]),
]


@pytest.mark.parametrize(("features", "statuses", "seen"), DOWN)
def test_what_is_done_while_it_is_down(features: str, statuses: list[int], seen: list[int]):
    rig = TargetRig(f"0 1024 flakey 259:0 0 0 60 {features}")
    client = rig.client
    bios = [client.read(0, 512), client.write(8, bytes(512)), client.flush(), client.discard(16, 512)]
    assert client.done == []
    rig.world.run()
    assert [bio.status for bio in bios] == statuses
    assert [op for op, _, _ in rig.sent()[0]] == seen
    assert rig.at_rest()


def test_dropped_writes_are_not_written():
    rig = TargetRig("0 1024 flakey 259:0 0 0 60 1 drop_writes")
    rig.client.write(0, pattern(1, 8))
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert (read.status, bytes(read.data or b"")) == (OK, bytes(4096))


def test_write_zeroes_are_not_offered():
    rig = TargetRig("0 1024 flakey 259:0 0 0 60 1 drop_writes")
    rig.client.write_zeroes(0, 4096)
    rig.world.run()
    assert rig.client.done[0].status == NOTSUPP


def changed(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


@pytest.mark.parametrize(("byte", "expected"), [(1, 0), (5, 4), (4096, 4095), (4097, None)])
def test_a_read_with_a_corrupt_byte(byte: int, expected: int | None):
    rig = TargetRig(f"0 1024 flakey 259:0 0 0 60 5 corrupt_bio_byte {byte} r 34 0")
    rig.client.write(0, pattern(1, 8))
    read = rig.client.read(0, 4096)
    rig.world.run()
    good = pattern(1, 8)
    assert bytes(read.data or b"") == (good if expected is None else changed(good, expected, 34))
    assert rig.store(0)[:4096] == good


def test_a_write_with_a_corrupt_byte_leaves_the_clients_data_alone():
    rig = TargetRig("0 1024 flakey 259:0 0 0 60 5 corrupt_bio_byte 513 w 34 0")
    data = bytearray(pattern(1, 8))
    bio = rig.client.write(0, memoryview(data))
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert rig.store(0)[:4096] == changed(pattern(1, 8), 512, 34)
    assert (bytes(data), bytes(bio.data or b"")) == (pattern(1, 8), pattern(1, 8))
    assert bytes(read.data or b"") == changed(pattern(1, 8), 512, 34)


# Oracle: a direct write has the flags WRITE, SYNC and IDLE, a direct read none of them.
@pytest.mark.parametrize(
    ("direction", "mask", "flags", "corrupt"),
    [
        ("w", 1, 0, True),
        ("w", 2048, 0, True),
        ("w", 32768, 0, True),
        ("w", 131072, 0, False),
        ("w", 131072, FUA, True),
        ("w", 4096, 0, False),
        ("r", 0, 0, True),
        ("r", 1, 0, False),
        ("r", 2048, 0, False),
        ("r", 524288, RAHEAD, True),
    ],
)
def test_only_bios_with_these_flags(direction: str, mask: int, flags: int, corrupt: bool):
    rig = TargetRig(f"0 1024 flakey 259:0 0 0 60 5 corrupt_bio_byte 1 {direction} 34 {mask}")
    client = rig.client
    if direction == "w":
        client.write(0, bytes(512), flags)
        rig.world.run()
        assert (rig.store(0)[0] == 34) == corrupt
    else:
        read = client.submit([Bio(READ, 0, 512, client, None, flags)])[0]
        rig.world.run()
        assert (bytes(read.data or b"")[0] == 34) == corrupt


def test_nothing_is_corrupted_while_it_is_up():
    rig = TargetRig(
        "0 1024 flakey 259:0 0 60 60 9 corrupt_bio_byte 1 w 34 0 random_read_corrupt 1000000000 random_write_corrupt 1000000000"
    )
    rig.client.write(0, pattern(1, 1))
    read = rig.client.read(0, 512)
    rig.world.run()
    assert (bytes(read.data or b""), rig.store(0)[:512]) == (pattern(1, 1), pattern(1, 1))


def test_a_read_that_was_mapped_while_up_is_whole():
    """What counts is the time of mapping, as in the kernel."""
    rig = TargetRig("0 1024 flakey 259:0 0 1 60 5 corrupt_bio_byte 1 r 34 0")
    rig.client.read(0, 512)
    rig.world.clock.now_ns = 2 * NS_PER_S
    rig.world.run()
    assert bytes(rig.client.done[0].data or b"") == bytes(512)


def corrupted(seed_words: str, count: int) -> list[int]:
    """Of so many writes of zeroes, the bytes that did not arrive as zeroes."""
    rig = TargetRig(f"0 1024 flakey 259:0 0 0 60 2 random_write_corrupt {seed_words}")
    for number in range(count):
        rig.client.write(number * 8, bytes(4096))
        rig.world.run()
    return [place for place, value in enumerate(rig.store(0)[: count * 4096]) if value]


def test_random_corruption_is_as_likely_as_asked_for_and_the_same_every_time():
    always = corrupted("1000000000", 100)
    # A random value is what was there in one of 256 cases.
    assert 95 <= len(always) <= 100
    assert len({place // 4096 for place in always}) == len(always)
    half = corrupted("500000000", 100)
    assert 30 <= len(half) <= 70
    assert half == corrupted("500000000", 100)
    assert corrupted("0 extra", 100) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 16), st.integers(0, 15))
def test_a_randomly_corrupt_read_differs_in_one_byte_at_most(count: int, first: int):
    rig = TargetRig("0 1024 flakey 259:0 0 0 60 2 random_read_corrupt 1000000000")
    rig.client.write(0, pattern(7, 32))
    read = rig.client.read(first, count * 512)
    rig.world.run()
    data = bytes(read.data or b"")
    assert len(data) == count * 512
    assert sum(one != other for one, other in zip(data, pattern(7 + first, count), strict=True)) <= 1
    assert rig.store(0)[: 32 * 512] == pattern(7, 32)


def test_suspend_and_resume_do_not_move_the_clock_of_a_table():
    rig = TargetRig("0 1024 flakey 259:0 0 2 60")
    suspend(rig.world, rig.device)
    rig.world.run(3 * NS_PER_S)
    rig.device.resume()
    bio = rig.client.read(0, 512)
    rig.world.settle()
    assert bio.status == IOERR


# Transcript 36: multipath, bio-based, over a path that is flakey in each of these ways.
@pytest.mark.parametrize(
    ("features", "writes_fail", "reads_fail"), [("1 error_reads", False, True), ("1 error_writes", True, False)]
)
def test_multipath_fails_the_path_that_fails_it(features: str, writes_fail: bool, reads_fail: bool):
    rig = TargetRig(f"0 1024 flakey 259:0 0 0 60 {features}", 1)
    world = rig.world
    world.mapped("lin", "0 1024 linear 259:0 0")
    top = world.mapped("mp", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 dev lin")
    client = Client(top)
    assert top.table is not None
    for op, fails in ((WRITE, writes_fail), (READ, reads_fail)):
        for number in range(8):
            data = pattern(8 * number, 8) if op == WRITE else None
            client.submit([Bio(op, 8 * number, 4096, client, data)])
            world.run()
        letters = top.table.targets[0].status_info().split()[11::3][:2]
        assert letters == (["F", "A"] if fails else ["A", "A"])
        top.message(0, ["reinstate_path", "dev"])
    assert {bio.status for bio in client.done} == {OK}
    assert [bytes(bio.data or b"") for bio in client.done[8:]] == [pattern(8 * number, 8) for number in range(8)]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_over_multipath_its_errors_are_its_own(mode: str):
    rig = TargetRig("0 8 zero", 2)
    world = rig.world
    mp = world.mapped("mp", f"0 1024 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 2 0 259:0 259:1")
    client = Client(world.mapped("top", "0 1024 flakey mp 0 0 60"))
    bio = client.write(0, bytes(4096))
    world.run()
    assert mp.table is not None
    assert (bio.status, mp.table.targets[0].status_info().count(" A 0")) == (IOERR, 2)
