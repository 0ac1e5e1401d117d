"""Which bio joins which request, and what forbids it."""

import pytest

from hawser.block.bio import Bio, BioOwner
from hawser.block.limits import QueueLimits
from hawser.block.merge import FAILED, MERGED, NONE, is_mergeable, try_join, try_merge
from hawser.block.ops import (
    DISCARD,
    FAILFAST_DEV,
    FAILFAST_MASK,
    FAILFAST_TRANSPORT,
    FLUSH,
    FUA,
    NOMERGE,
    PREFLUSH,
    RAHEAD,
    READ,
    WRITE,
    WRITE_ZEROES,
)
from hawser.block.request import Request
from hawser.core.status import OK
from hawser.core.units import KIB, MIB, SECTOR_SIZE
from hawser.lab.world import Answer, Client, Store, World, make_multipath

LIMITS = QueueLimits(max_discard_sectors=64, max_write_zeroes_sectors=64)
QUEUE = World().ram_path("p", Store(SECTOR_SIZE), limits=LIMITS).device.requests


class Quiet(BioOwner):
    def bio_done(self, bio: Bio) -> None:
        """Nobody waits."""


OWNER = Quiet()


def bio(sector: int, sectors: int = 8, op: int = READ, flags: int = 0) -> Bio:
    size = sectors * SECTOR_SIZE
    return Bio(op, sector, size, OWNER, bytes(size) if op == WRITE else None, flags)


def request(sector: int, sectors: int = 8, op: int = READ, flags: int = 0) -> Request:
    return Request(bio(sector, sectors, op, flags), QUEUE, QUEUE)


def test_at_the_back():
    whole = request(0)
    assert try_merge(whole, bio(8), LIMITS) == MERGED
    assert (whole.sector, whole.size, [part.sector for part in whole.bios]) == (0, 8 * KIB, [0, 8])


def test_at_the_front():
    whole = request(8)
    assert try_merge(whole, bio(0), LIMITS) == MERGED
    assert (whole.sector, whole.size, [part.sector for part in whole.bios]) == (0, 8 * KIB, [0, 8])


@pytest.mark.parametrize("sector", [0, 4, 9, 16, 100])
def test_not_what_overlaps_or_leaves_a_hole(sector: int):
    whole = request(4)
    assert try_merge(whole, bio(sector), LIMITS) == NONE
    assert not whole.cannot_merge


@pytest.mark.parametrize("op", [FLUSH, WRITE_ZEROES])
def test_not_these_operations(op: int):
    assert not is_mergeable(op, 0)


@pytest.mark.parametrize("flags", [NOMERGE, PREFLUSH, FUA])
def test_not_with_these_flags(flags: int):
    assert is_mergeable(WRITE, 0)
    assert not is_mergeable(WRITE, flags)
    world = World()
    path = world.ram_path("p", Store(MIB), limits=LIMITS)
    client = Client(path.device)
    plain, marked = (Bio(WRITE, sector, 4 * KIB, client, bytes(4 * KIB)) for sector in (0, 8))
    marked.flags = flags
    client.submit([plain, marked, Bio(WRITE, 16, 4 * KIB, client, bytes(4 * KIB))])
    world.run()
    assert sorted(size for _, _, size in path.driver.sent if size) == [4 * KIB] * 3


def test_not_two_operations_in_one():
    assert try_merge(request(0, op=WRITE), bio(8, op=READ), LIMITS) == NONE
    assert try_merge(request(0, op=WRITE), bio(8, op=DISCARD), LIMITS) == NONE


def test_not_what_was_marked_or_has_another_priority():
    whole = request(0)
    whole.cannot_merge = True
    assert try_merge(whole, bio(8), LIMITS) == NONE
    urgent = bio(8)
    urgent.ioprio = 1 << 13
    assert try_merge(request(0), urgent, LIMITS) == NONE
    first, second = request(0), request(8)
    second.ioprio = 1 << 13
    assert not try_join(first, second, LIMITS)


def test_a_request_too_large_for_more_is_marked_for_good():
    small = QueueLimits(max_sectors=12)
    whole = request(0)
    assert try_merge(whole, bio(8), small) == FAILED
    assert whole.cannot_merge
    assert try_merge(whole, bio(8, 1), small) == NONE


def test_a_request_of_too_many_segments_is_marked_for_good():
    whole = request(0)
    two = QueueLimits(max_segments=2)
    assert try_merge(whole, bio(8), two) == MERGED
    assert try_merge(whole, bio(16), two) == FAILED
    assert whole.cannot_merge


def test_a_bio_counts_the_segments_that_its_data_is():
    """16 pages of its own are 16 segments; one view of 80 KiB is two, of at most 64 KiB each."""
    whole = request(0)
    pages = bio(8, 128)
    pages.segments = 16
    assert try_merge(whole, pages, LIMITS) == MERGED
    assert whole.segments == 17
    assert try_merge(whole, bio(136, 160), LIMITS) == MERGED
    assert whole.segments == 19
    assert try_merge(request(0), pages, QueueLimits(max_segments=16)) == FAILED


def test_not_across_a_chunk():
    chunked = QueueLimits(chunk_sectors=16)
    whole = request(0)
    assert try_merge(whole, bio(8), chunked) == MERGED
    assert try_merge(whole, bio(16), chunked) == FAILED
    assert try_merge(request(16), bio(8), chunked) == FAILED, "measured from where it would begin"


def test_a_gap_within_a_page_forbids_it_and_marks_nothing():
    paged = QueueLimits(virt_boundary_mask=4095)
    whole = request(0, 1)
    assert try_merge(whole, bio(1, 1), paged) == FAILED
    assert not whole.cannot_merge
    assert try_merge(request(0), bio(8), paged) == MERGED


def test_discards_have_a_limit_of_their_own():
    whole = request(0, 60, DISCARD)
    assert try_merge(whole, bio(60, 4, DISCARD), LIMITS) == MERGED
    assert whole.segments == 1
    assert try_merge(whole, bio(64, 1, DISCARD), LIMITS) == FAILED


def test_discards_of_several_ranges_merge_wherever_they_are():
    ranges = QueueLimits(max_discard_sectors=64, max_discard_segments=3)
    whole = request(100, 8, DISCARD)
    assert try_merge(whole, bio(0, 8, DISCARD), ranges) == MERGED
    assert try_merge(whole, bio(500, 8, DISCARD), ranges) == MERGED
    assert (whole.segments, whole.size, whole.span()) == (3, 12 * KIB, (0, 508))
    assert try_merge(whole, bio(108, 8, DISCARD), ranges) == FAILED
    assert whole.cannot_merge
    first, second = request(100, 40, DISCARD), request(0, 40, DISCARD)
    assert not try_join(first, second, ranges)
    assert first.cannot_merge, "unlike other requests"


def test_discards_of_several_ranges_keep_to_the_limit_of_sectors():
    ranges = QueueLimits(max_discard_sectors=20, max_discard_segments=9)
    whole = request(100, 8, DISCARD)
    assert try_merge(whole, bio(0, 8, DISCARD), ranges) == MERGED
    assert try_merge(whole, bio(500, 8, DISCARD), ranges) == FAILED
    assert (whole.cannot_merge, whole.size) == (True, 8 * KIB)


def test_discards_that_meet_are_one_range_where_a_device_takes_one():
    first, second = request(0, 8, DISCARD), request(8, 8, DISCARD)
    assert try_join(first, second, LIMITS)
    assert (first.size, first.segments) == (8 * KIB, 1)
    assert not try_join(first, request(100, 8, DISCARD), LIMITS)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_path_takes_neighbouring_discards_as_the_one_range_that_they_are(mode: str):
    rig = make_multipath(World(), paths=1, mode=mode)
    rig.client.submit([Bio(DISCARD, sector, 64 * KIB, rig.client) for sector in (0, 128, 256)])
    rig.world.run()
    assert rig.paths[0].driver.sent == [(DISCARD, 0, 192 * KIB)]
    assert ([done.status for done in rig.client.done], rig.letters()) == ([OK] * 3, "A")


def test_bios_that_may_fail_in_different_ways_make_a_mixed_request():
    """The request shows what the first bio says; when that has ended, the next one."""
    fast = bio(8, flags=FAILFAST_TRANSPORT)
    whole = request(0)
    assert try_merge(whole, fast, LIMITS) == MERGED
    assert whole.flags & FAILFAST_MASK == 0
    ahead = bio(16, flags=RAHEAD)
    assert try_merge(whole, ahead, LIMITS) == MERGED
    assert ahead.flags & FAILFAST_MASK == FAILFAST_MASK
    whole.update(4 * KIB, bytes(4 * KIB))
    assert whole.flags & FAILFAST_MASK == FAILFAST_TRANSPORT
    front = request(8)
    assert try_merge(front, bio(0, flags=FAILFAST_DEV), LIMITS) == MERGED
    assert front.flags & FAILFAST_MASK == FAILFAST_DEV
    first, second = request(0), request(8, flags=FAILFAST_DEV)
    assert try_join(first, second, LIMITS)
    assert [part.flags & FAILFAST_MASK for part in first.bios] == [0, FAILFAST_DEV]


def test_two_requests_join_and_a_size_that_forbids_it_marks_nothing():
    first, second = request(0), request(8)
    assert not try_join(first, second, QueueLimits(max_sectors=12))
    assert not first.cannot_merge
    assert try_join(first, second, LIMITS)
    assert (first.size, len(first.bios)) == (8 * KIB, 2)
    second.cannot_merge = True
    assert not try_join(first, request(17), LIMITS)
    assert not try_join(request(0), second, LIMITS)


@pytest.mark.parametrize("older", [0, 1])
def test_what_joins_counts_from_when_the_older_one_came(older: int):
    pair = [request(0), request(8)]
    pair[1 - older].start_ns = 7
    pair[older].start_ns = 5
    assert try_join(pair[0], pair[1], LIMITS)
    assert pair[0].start_ns == 5


def test_4_kib_bios_make_requests_of_512_kib_by_default():
    """128 segments come before the 1,280 KiB that the sectors would allow."""
    world = World()
    path = world.ram_path("p", Store(2048 * KIB), limits=QueueLimits())
    client = Client(path.device)
    client.submit([Bio(READ, number * 8, 4 * KIB, client) for number in range(512)])
    world.run()
    assert [size for _, _, size in path.driver.sent] == [512 * KIB] * 4


def test_with_more_segments_256_bios_are_one_request():
    world = World()
    path = world.ram_path("p", Store(2048 * KIB), limits=QueueLimits(max_segments=512))
    client = Client(path.device)
    client.submit([Bio(READ, number * 8, 4 * KIB, client) for number in range(256)])
    world.run()
    assert [size for _, _, size in path.driver.sent] == [1024 * KIB]


@pytest.mark.parametrize(("mode", "requests"), [("rq", 1), ("bio", 2)])
def test_the_mode_decides_what_merges(mode: str, requests: int):
    """Request-based merges before it maps. Bio-based, round-robin deals neighbours out to two paths: every other one of each
    path's newest request is adjacent to nothing."""
    world = World()
    rig = make_multipath(world, paths=2, mode=mode, limits=QueueLimits())
    rig.client.submit([Bio(READ, number * 8, 4 * KIB, rig.client) for number in range(2)])
    world.run()
    assert sum(len(path.driver.sent) for path in rig.paths) == requests


def test_two_discards_that_join_keep_to_the_limit_of_discards():
    """Together they were larger than a path takes, and failed every path that they were sent to, again and again."""
    limits = QueueLimits(max_discard_sectors=8)
    world = World()
    path = world.ram_path("p", Store(MIB), depth=1, limits=limits)
    path.driver.default = Answer(delay_ns=1000)
    device = path.device
    client = Client(device)
    for sector in (100, 0, 8):
        client.discard(sector, 8 * SECTOR_SIZE)
    assert sorted((request.sector, request.size) for request in device.requests.waiting_requests()) == [
        (0, 4096),
        (8, 4096),
    ]
    world.run()
    assert [bio.status for bio in client.done] == [OK] * 3
