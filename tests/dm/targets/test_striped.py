"""striped: where each sector lies, what is cut and what is shared out, errors counted by stripe; with the words of Linux 6.12."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dm.controls import begin_suspend
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, RAHEAD, READ, WRITE, WRITE_ZEROES
from hawser.core.status import IOERR, MEDIUM, NOTSUPP, OK
from hawser.core.units import NS_PER_MS, SECTOR_SIZE
from hawser.dm.target import TableError
from hawser.lab.world import LIMITS, Answer

THREE = "0 96 striped 3 16 259:0 0 259:1 0 259:2 0"

# As the kernel complains, in its order.
REFUSED = [
    ("", "Not enough arguments"),
    ("2", "Not enough arguments"),
    ("0 8 259:0 0 259:1 0", "Invalid stripe count"),
    ("x 8", "Invalid stripe count"),
    ("-1 8", "Invalid stripe count"),
    ("4294967298 8 259:0 0 259:1 0", "Invalid stripe count"),
    ("2 0 259:0 0 259:1 0", "Invalid chunk_size"),
    ("2 y 259:0 0 259:1 0", "Invalid chunk_size"),
    ("2 4294967296 259:0 0 259:1 0", "Invalid chunk_size"),
    ("3 8 259:0 0 259:1 0 259:0 0", "Target length not divisible by number of stripes"),
    ("2 7 259:0 0 259:1 0", "Target length not divisible by chunk size"),
    ("2 8", "Not enough destinations specified"),
    ("2 8 259:0 0", "Not enough destinations specified"),
    ("2 8 259:0 0 259:1 0 259:0 0", "Not enough destinations specified"),
    ("2 8 259:0 x 259:1 0", "Couldn't parse stripe destination"),
    ("2 8 nosuch 0 259:1 0", "Couldn't parse stripe destination"),
    ("1 8 254:0 0", "Couldn't parse stripe destination"),
]


@pytest.mark.parametrize(("words", "error"), REFUSED)
def test_refused_with_the_kernels_words(words: str, error: str):
    errno = "ENOENT" if words.startswith("2 8 nosuch") else "EINVAL"
    with pytest.raises(TableError) as caught:
        TargetRig(f"0 1024 striped {words}")
    assert str(caught.value) == f"254:0: striped: {error} (-{errno})"
    assert caught.value.errno_name == errno


def test_table_and_status_are_the_kernels():
    rig = TargetRig("0 1024 striped +2 08 259:0 0 259:1 8")
    assert rig.target().status_table() == "2 8 259:0 0 259:1 8"
    assert rig.info() == "2 259:0 259:1 1 AA"


@pytest.mark.parametrize(
    ("length", "words", "hints"),
    [
        (1024, "2 8 259:0 0 259:1 0", (4096, 8192, 8)),
        (42, "2 7 259:0 0 259:1 0", (3584, 7168, 7)),
        (42, "3 7 259:0 0 259:1 0 259:1 100", (3584, 10752, 7)),
    ],
)
def test_hints_of_chunk_and_row(length: int, words: str, hints: tuple[int, int, int]):
    """minimum_io_size, optimal_io_size and chunk_sectors as Linux shows them."""
    limits = TargetRig(f"0 {length} striped {words}").device.limits
    assert (limits.io_min, limits.io_opt, limits.chunk_sectors) == hints


def test_a_row_of_more_than_32_bits_gives_no_hint():
    rig = TargetRig("0 1024 striped 2 8 259:0 0 259:1 0")
    target = rig.target()
    target.chunk_sectors = 1 << 23  # type: ignore[attr-defined]
    assert target.limits(LIMITS).io_opt == 0
    assert target.limits(LIMITS).chunk_sectors == 1 << 23


def test_chunks_go_round():
    rig = TargetRig(THREE, 3)
    rig.client.write(48, pattern(48, 48))
    rig.world.run()
    assert rig.sent() == [[(WRITE, 16, 16 * 512)]] * 3, "the second row"
    rig.client.write(8, pattern(8, 40))
    rig.world.run()
    assert rig.sent() == [[(WRITE, 8, 8 * 512)], [(WRITE, 0, 16 * 512)], [(WRITE, 0, 16 * 512)]]
    read = rig.client.read(8, 40 * SECTOR_SIZE)
    rig.world.run()
    assert read.data == pattern(8, 40)


def test_the_kernels_counts_of_reads_that_lie_across():
    """Oracle: 48 KiB from 4 KiB on, four times, over three stripes of 16 sectors: 12, 8 and 8 reads, 128 sectors each."""
    rig = TargetRig("0 1536 striped 3 16 259:0 0 259:1 0 259:2 0", 3)
    rig.keep_apart()
    for number in range(4):
        rig.client.read(8 + number * 96, 96 * SECTOR_SIZE)
        rig.world.run()
    sent = rig.sent()
    assert [len(reads) for reads in sent] == [12, 8, 8]
    assert [sum(size for _, _, size in reads) for reads in sent] == [128 * 512] * 3


# Oracle: sectors discarded on each stripe of 16 sectors of three, one discard each where there are any.
SHARES = [
    (0, 96, [32, 32, 32]),
    (8, 16, [8, 8, 0]),
    (8, 4, [4, 0, 0]),
    (20, 40, [12, 12, 16]),
    (16, 16, [0, 16, 0]),
]


@pytest.mark.parametrize("op", [DISCARD, WRITE_ZEROES])
@pytest.mark.parametrize(("sector", "count", "shares"), SHARES)
def test_what_has_no_data_is_shared_out_and_not_cut(op: int, sector: int, count: int, shares: list[int]):
    rig = TargetRig(THREE, 3)
    rig.client.submit([Bio(op, sector, count * SECTOR_SIZE, rig.client)])
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK]
    sent = rig.sent()
    assert [sum(size for _, _, size in on) // SECTOR_SIZE for on in sent] == shares
    # The device itself cuts write zeroes at chunks, as Linux does, but no discard.
    pieces = [-(-share // 16) if op == WRITE_ZEROES else min(share, 1) for share in shares]
    assert sum(len(on) for on in sent) >= sum(pieces)
    assert op == WRITE_ZEROES or [len(on) for on in sent] == pieces
    assert rig.at_rest()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_shares_are_exactly_the_sectors_asked_for(data: st.DataObject):
    """Whatever the geometry: each sector that is discarded, and no other, lies where a write of it would go."""
    stripes = data.draw(st.integers(1, 4))
    chunk = data.draw(st.integers(1, 9))
    rows = data.draw(st.integers(1, 4))
    length = stripes * chunk * rows
    words = " ".join(f"259:{number} {5 * number}" for number in range(stripes))
    rig = TargetRig(f"0 {length} striped {stripes} {chunk} {words}", stripes)
    sector = data.draw(st.integers(0, length - 1))
    count = data.draw(st.integers(1, length - sector))
    rig.client.write(0, pattern(1, length))
    rig.world.run()
    rig.client.discard(sector, count * SECTOR_SIZE)
    read = rig.client.read(0, length * SECTOR_SIZE)
    rig.world.run()
    expected = pattern(1, sector) + bytes(count * SECTOR_SIZE) + pattern(1 + sector + count, length - sector - count)
    assert bytes(read.data or b"") == expected
    assert rig.at_rest()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_read_gives_what_was_written_sector_by_sector(data: st.DataObject):
    stripes = data.draw(st.integers(1, 4))
    chunk = data.draw(st.integers(1, 9))
    length = stripes * chunk * data.draw(st.integers(1, 4))
    words = " ".join(f"259:{number} {7 * number}" for number in range(stripes))
    rig = TargetRig(f"0 {length} striped {stripes} {chunk} {words}", stripes)
    for number in range(length):
        rig.client.write(number, pattern(number, 1))
    rig.world.run()
    sector = data.draw(st.integers(0, length - 1))
    count = data.draw(st.integers(1, length - sector))
    read = rig.client.read(sector, count * SECTOR_SIZE)
    rig.world.run()
    assert bytes(read.data or b"") == pattern(sector, count)


def test_one_flush_for_each_device_however_many_stripes_lie_on_it():
    rig = TargetRig("0 96 striped 3 16 259:0 0 259:1 0 259:0 64")
    rig.client.flush()
    rig.world.run()
    assert rig.sent() == [[(FLUSH, 0, 0)], [(FLUSH, 0, 0)]]
    rig.disks[1].driver.script.append(Answer(IOERR))
    rig.client.flush()
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK, IOERR]
    # It goes past the target, which hears nothing of the error.
    assert rig.info() == "3 259:0 259:1 259:0 1 AAA"


def test_beside_another_target_a_flush_is_copied_for_each_stripe_and_its_errors_count():
    rig = TargetRig("0 96 striped 3 16 259:0 0 259:1 0 259:0 64\n96 8 delay 259:1 200 0")
    rig.disks[1].driver.script.append(Answer(IOERR))
    rig.client.flush()
    rig.world.run()
    assert [len(sent) for sent in rig.sent()] == [2, 2]
    assert (rig.client.done[0].status, rig.info()) == (IOERR, "3 259:0 259:1 259:0 1 ADA")


def test_an_error_marks_every_stripe_on_the_device():
    rig = TargetRig("0 96 striped 3 16 259:0 0 259:1 0 259:0 64")
    rig.disks[0].driver.script.append(Answer(MEDIUM))
    read = rig.client.read(0, 512)
    rig.world.run()
    assert (read.status, rig.info(), rig.device.event_nr) == (MEDIUM, "3 259:0 259:1 259:0 1 DAD", 1)


def test_of_fourteen_errors_there_are_events_and_then_no_more():
    """Oracle: 26 errors, one by one, are 14 events."""
    rig = TargetRig(THREE, 3)
    rig.disks[1].driver.default = Answer(IOERR)
    for _ in range(26):
        rig.client.read(16, 512)
        rig.world.run()
    assert rig.device.event_nr == 14
    assert rig.info() == "3 259:0 259:1 259:2 1 ADA"


def test_errors_of_one_turn_are_one_event():
    rig = TargetRig(THREE, 3)
    rig.disks[1].driver.default = Answer(IOERR)
    rig.client.submit([Bio(READ, 16 + 2 * number, 512, rig.client) for number in range(4)])
    rig.world.run()
    assert rig.device.event_nr == 1


@pytest.mark.parametrize(("status", "flags"), [(NOTSUPP, 0), (IOERR, RAHEAD)])
def test_what_is_no_fault_of_the_disk_is_not_counted(status: int, flags: int):
    rig = TargetRig(THREE, 3)
    rig.disks[0].driver.script.append(Answer(status))
    rig.client.submit([Bio(READ, 0, 512, rig.client, None, flags)])
    rig.world.run()
    assert (rig.info(), rig.device.event_nr) == ("3 259:0 259:1 259:2 1 AAA", 0)


def test_a_share_that_fails_fails_the_discard():
    rig = TargetRig(THREE, 3)
    rig.disks[2].driver.script.append(Answer(IOERR))
    rig.client.discard(0, 96 * SECTOR_SIZE)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [IOERR]
    assert rig.info() == "3 259:0 259:1 259:2 1 AAD"


def test_without_discards_below_there_are_none():
    rig = TargetRig(THREE, 3, QueueLimits())
    assert rig.device.limits.max_discard_sectors == 0
    rig.client.discard(0, 4096)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [NOTSUPP]


def test_a_suspend_waits_for_every_share():
    rig = TargetRig(THREE, 3)
    for number, disk in enumerate(rig.disks):
        disk.driver.default = Answer(delay_ns=(1 + number) * NS_PER_MS)
    rig.client.discard(0, 96 * SECTOR_SIZE)
    heard = begin_suspend(rig.device)
    rig.world.pass_time(2 * NS_PER_MS)
    assert (heard.words, rig.client.done) == ([], [])
    rig.world.run()
    assert (heard.words, [bio.status for bio in rig.client.done]) == (["suspended"], [OK])


def test_a_dead_clients_pieces_that_wait_for_a_tag_are_dropped():
    rig = TargetRig(THREE, 3, depth=1)
    rig.disks[0].driver.default = Answer(silent=True)
    bios = [rig.client.write(0, bytes(512)), rig.client.write(0, pattern(1, 48))]
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.disks[0].driver.deliver_all(Answer())
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, IOERR]
    assert len(rig.sent()[0]) == 1
    assert rig.at_rest()
