"""The witness: what was acknowledged last testifies, and what is uncertain does not."""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import WRITE, Buffer
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.witness import BYTES_MAX, ENTRIES_MAX, UNCERTAIN_MAX, Digester, Remembered

DATA = bytes(range(256)) * 16


@pytest.fixture(params=["rq", "bio"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return make_multipath(World(), mode=request.param)


def told(rig: Rig) -> dict[int, bytes]:
    return {testimony.sector: bytes(testimony.data) for testimony in rig.world.disk.witness.testimonies()}


def write(rig: Rig, sector: int, data: bytes = DATA) -> Bio:
    bio = rig.client.write(sector, data)
    rig.world.settle()
    return bio


def test_the_newest_of_each_sector_testifies(rig: Rig):
    write(rig, 0)
    write(rig, 100)
    write(rig, 4, DATA[:512])
    assert told(rig) == {0: DATA[:2048], 100: DATA, 4: DATA[:512], 5: DATA[2560:]}


def test_a_discard_and_a_large_write_hide_what_was_before(rig: Rig):
    write(rig, 0)
    write(rig, 100)
    rig.client.discard(0, 512)
    write(rig, 100, bytes(BYTES_MAX + 512))
    assert told(rig) == {1: DATA[512:]}


def test_only_the_last_are_kept(rig: Rig):
    for number in range(ENTRIES_MAX + 5):
        write(rig, number * 8)
    assert len(told(rig)) == ENTRIES_MAX
    assert 0 not in told(rig)


def test_a_write_that_failed_leaves_its_sectors_uncertain(rig: Rig):
    write(rig, 0)
    for path in rig.paths:
        path.driver.script.append(Answer(TRANSPORT))
    assert write(rig, 0).status in (TRANSPORT, IOERR)
    assert told(rig) == {}


def test_a_good_prefix_that_was_told_hides_what_was_before():
    rig = make_multipath(World(), mode="rq")
    write(rig, 0)
    rig.paths[1].driver.script.append(Answer(TRANSPORT, good_bytes=4096))
    rig.client.submit([Bio(WRITE, n * 8, 4096, rig.client, b"n" * 4096) for n in range(2)])
    rig.world.settle()
    assert told(rig) == {8: b"n" * 4096}


def test_a_retry_of_the_same_data_testifies_although_its_ghost_lives(rig: Rig):
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    write(rig, 0)
    assert told(rig) == {0: DATA}
    rig.paths[0].driver.settle(PROOF_ANSWER)
    assert told(rig) == {0: DATA} == {0: bytes(rig.store.data[:4096])}


def test_what_a_ghost_may_still_land_on_does_not_testify(rig: Rig):
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=1))
    rig.paths[1].driver.script.append(Answer(delay_ns=2))
    rig.client.write(0, DATA)
    rig.client.write(0, b"n" * 4096)
    rig.world.run()
    assert b"n" * 4096 not in told(rig).values()


def test_two_at_once_testify_only_where_they_do_not_overlap(rig: Rig):
    """They may have been executed in the other order than they were acknowledged in."""
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.write(0, DATA)
    rig.client.write(7, b"b" * 1024)
    rig.world.run()
    assert told(rig) == {0: DATA[:3584], 8: b"b" * 512}
    write(rig, 7, b"c" * 512)
    rig.world.run()
    assert told(rig)[7] == b"c" * 512


def test_what_was_on_its_way_for_very_long_does_not_testify(rig: Rig):
    """Nobody remembers any more what was acknowledged beside it."""
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    rig.client.write(0, DATA)
    for number in range(ENTRIES_MAX + 1):
        write(rig, 100 + number, DATA[:512])
    rig.world.run()
    assert 0 not in told(rig)
    assert len(told(rig)) == ENTRIES_MAX - 1


def test_each_write_testifies_once_although_the_ring_is_full(rig: Rig):
    for number in range(ENTRIES_MAX + 5):
        write(rig, number * 8)
    sectors = [testimony.sector for testimony in rig.world.disk.witness.testimonies()]
    assert sectors == [number * 8 for number in range(ENTRIES_MAX + 4, 4, -1)]


def test_once_a_loss_is_in_doubt_what_was_acknowledged_before_testifies_no_more(rig: Rig):
    """A path that comes back without it is still the same disk."""
    write(rig, 0)
    rig.world.disk.cast_doubt("a cache is gone")
    assert told(rig) == {}
    write(rig, 8)
    assert told(rig) == {8: DATA}


# What an earlier process has handed over.


class Sum(Digester):
    def digest(self, data: Buffer) -> bytes:
        return bytes([sum(bytes(data)) % 256])


def remember(rig: Rig, *ranges: tuple[int, int]) -> None:
    rig.world.disk.witness.remember([Remembered(start, end, b"\7") for start, end in ranges], Sum())


def ranges(rig: Rig) -> list[tuple[int, int]]:
    return [(each.sector, each.end_sector()) for each in rig.world.disk.witness.testimonies()]


def test_what_is_remembered_testifies_by_its_digest(rig: Rig):
    remember(rig, (0, 8), (100, 101))
    write(rig, 16)
    assert ranges(rig) == [(16, 24), (100, 101), (0, 8)]
    fresh, last, _ = rig.world.disk.witness.testimonies()
    assert last.size() == 512 and last.agrees(b"\7") and not last.agrees(b"\6")
    assert fresh.agrees(DATA) and not fresh.agrees(DATA[:512])
    assert last.is_same_as(rig.world.disk.witness.testimonies()[1]) and not last.is_same_as(fresh)


@pytest.mark.parametrize("sector", [0, 3, 7])
def test_what_is_remembered_testifies_no_more_once_a_part_of_it_was_written(rig: Rig, sector: int):
    remember(rig, (0, 8), (100, 101))
    write(rig, sector, DATA[:512])
    assert ranges(rig) == [(sector, sector + 1), (100, 101)]


def test_what_was_remembered_twice_testifies_once(rig: Rig):
    remember(rig, (0, 8), (4, 12))
    assert ranges(rig) == [(4, 12)]


def test_what_is_remembered_is_forgotten_in_doubt_and_where_a_write_has_failed(rig: Rig):
    remember(rig, (0, 8), (100, 101))
    rig.world.disk.witness.retract(100, 512)
    assert ranges(rig) == [(0, 8)]
    rig.world.disk.cast_doubt("a cache is gone")
    assert ranges(rig) == []


def test_a_range_that_two_later_writes_have_cut_keeps_all_of_its_parts(rig: Rig):
    write(rig, 0, b"w" * 24 * 512)
    write(rig, 8, b"x" * 4 * 512)
    write(rig, 16, b"y" * 4 * 512)
    assert {sector: len(data) for sector, data in told(rig).items()} == {
        0: 8 * 512,
        8: 2048,
        12: 2048,
        16: 2048,
        20: 2048,
    }


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_a_flush_has_covered_is_in_no_cache_of_a_paths_own(mode: str):
    rig = make_multipath(World(), mode=mode, paths=1, cache="path")
    write(rig, 0)
    witness = rig.world.disk.witness
    assert [testimony.is_durable() for testimony in witness.testimonies()] == [False]
    rig.client.flush()
    rig.world.settle()
    assert [testimony.is_durable() for testimony in witness.testimonies()] == [True]
    write(rig, 8)
    assert [testimony.is_durable() for testimony in witness.testimonies()] == [False, True]


# What was on its way beside something of which nobody knows when it was done.


def test_what_failed_takes_its_own_sectors_only(rig: Rig):
    write(rig, 0)
    for path in rig.paths:
        path.driver.script.append(Answer(TRANSPORT))
    write(rig, 2, DATA[:1024])
    assert told(rig) == {0: DATA[:1024], 4: DATA[2048:]}


def beside(rig: Rig, sector: int, data: bytes, given_up: bytes = DATA) -> tuple[Bio, Bio]:
    """A write from sector 0 on that is given up, and another one beside it that takes 2 ms."""
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=1))
    rig.paths[1].driver.script.append(Answer(delay_ns=2 * NS_PER_MS))
    first, second = rig.client.write(0, given_up), rig.client.write(sector, data)
    rig.world.pass_time(1)
    return first, second


def test_beside_a_ghost_that_has_ended_nothing_testifies_where_they_meet(rig: Rig):
    """Though its client is gone, and will never write that again."""
    other = Client(rig.device, rig.world.disk)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=1))
    rig.paths[1].driver.script.append(Answer(delay_ns=2 * NS_PER_MS))
    rig.message("queue_if_no_path")
    rig.client.write(0, DATA)
    second = other.write(4, b"n" * 4096)
    rig.client.dead = True
    rig.world.pass_time(1)
    rig.device.cancel_dead()
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.pass_time(NS_PER_S)
    assert second.status == OK
    assert told(rig) == {8: b"n" * 2048}
    write(rig, 4, b"m" * 512)
    assert told(rig) == {4: b"m" * 512, 8: b"n" * 2048}


def test_nor_does_what_shares_a_block_of_the_server_with_it(rig: Rig):
    """Its neighbours in that block may have been written again as they were before."""
    rig.world.disk.fences.unit_sectors = 8
    _, second = beside(rig, 4, b"n" * 4096, given_up=DATA[:512])
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.pass_time(NS_PER_S)
    assert second.status == OK
    assert told(rig) == {0: DATA[:512], 8: b"n" * 2048}


def test_the_retry_of_a_ghost_testifies_though_that_has_ended_beside_it(rig: Rig):
    first, _ = beside(rig, 100, b"n" * 512)
    rig.paths[1].driver.default = Answer(delay_ns=2 * NS_PER_MS)
    rig.world.pass_time(NS_PER_MS)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.pass_time(NS_PER_S)
    assert first.status == OK
    assert told(rig) == {0: DATA, 100: b"n" * 512}


@pytest.mark.parametrize("extra", [0, UNCERTAIN_MAX])
def test_what_is_uncertain_is_not_forgotten_while_it_counts(rig: Rig, extra: int):
    """Even when so much is that the oldest of it is not kept any more."""
    witness = rig.world.disk.witness
    write(rig, 0)
    write(rig, 100)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    beside, apart = rig.client.write(0, b"n" * 1024), rig.client.write(200, b"n" * 512)
    rig.world.settle()
    witness.retract(0, 512)
    for number in range(extra):
        witness.retract(1000 + number, 512)
    rig.world.run()
    assert (beside.status, apart.status) == (OK, OK)
    # Once nobody knows any more where it was, all that was on its way then is in doubt, and all of what it touched.
    expected = {100: DATA}
    if not extra:
        expected |= {1: b"n" * 512, 2: DATA[1024:], 200: b"n" * 512}
    assert told(rig) == expected
    assert len(witness._uncertain) <= UNCERTAIN_MAX


def test_what_was_on_its_way_when_all_came_into_doubt_does_not_testify(rig: Rig):
    """Nobody remembers any more what was acknowledged beside it, and it may be lost, too."""
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.world.disk.cast_doubt("a cache is gone")
    rig.world.run()
    assert told(rig) == {}
    rig.client.write(0, DATA)
    rig.world.run()
    assert told(rig) == {0: DATA}
