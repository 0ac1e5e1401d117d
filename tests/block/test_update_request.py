"""S1-01: completing a part of a request ends exactly the bios that it covers, and leaves the rest as a request."""

from hawser.block.bio import Bio, BioOwner
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.block.request import Request
from hawser.core.rng import Rng
from hawser.core.status import MEDIUM, OK
from hawser.core.units import SECTOR_SIZE
from hawser.lab.world import Store, World

CASES = 10_000
QUEUE = World().ram_path("p", Store(SECTOR_SIZE), limits=QueueLimits()).device.requests


class Ended(BioOwner):
    def __init__(self) -> None:
        super().__init__()
        self.bios: list[Bio] = []

    def bio_done(self, bio: Bio) -> None:
        self.bios.append(bio)


def make_request(rng: Rng, op: int, owner: BioOwner) -> Request:
    """1 to 8 bios of 1 to 8 sectors."""
    sector = rng.below(1000)
    request: Request | None = None
    for _ in range(rng.between(1, 8)):
        size = rng.between(1, 8) * SECTOR_SIZE
        bio = Bio(op, sector, size, owner, bytes(size) if op == WRITE else None)
        sector += size // SECTOR_SIZE
        if request is None:
            request = Request(bio, QUEUE, QUEUE)
        else:
            request.bios.append(bio)
            request.size += size
    assert request is not None
    return request


def content(sector: int, size: int) -> bytes:
    """What sectors from `sector` on hold: their number."""
    return b"".join((sector + n).to_bytes(8, "little") * (SECTOR_SIZE // 8) for n in range(size // SECTOR_SIZE))


def test_random_requests_completed_in_random_parts():
    rng = Rng(101)
    for _ in range(CASES):
        op = READ if rng.chance(1, 2) else WRITE
        owner = Ended()
        request = make_request(rng, op, owner)
        bios, start, total = list(request.bios), request.sector, request.size
        done = 0
        while done < total:
            good = rng.between(1, (total - done) // SECTOR_SIZE) * SECTOR_SIZE
            more = request.update(good, content(request.sector, good) if op == READ else None)
            done += good
            covered = [bio for bio in bios if (bio.sector - start) * SECTOR_SIZE + bio.size <= done]
            assert owner.bios == covered
            assert more == (done < total)
            if more:
                assert (request.sector, request.size) == (start + done // SECTOR_SIZE, total - done)
                assert request.bios == bios[len(covered) :]
                assert sum(bio.size - bio.done for bio in request.bios) == request.size
                assert request.segments == len(request.bios)
                assert not request.bios[0].finished
        assert all(bio.status == OK for bio in bios)
        if op == READ:
            assert all(bio.data == content(bio.sector, bio.size) for bio in bios)


def test_a_part_within_a_bio_advances_it_and_the_rest_can_fail():
    owner = Ended()
    first, second = Bio(READ, 0, 2048, owner), Bio(READ, 4, 1024, owner)
    request = Request(first, QUEUE, QUEUE)
    request.bios.append(second)
    request.size += second.size
    assert request.update(512, content(0, 512))
    assert (owner.bios, first.done, request.sector, request.size) == ([], 512, 1, 2560)
    request.fail_rest(MEDIUM)
    assert owner.bios == [first, second]
    assert {first.status, second.status} == {MEDIUM}


def test_a_write_that_is_partly_done_sends_only_its_rest():
    owner = Ended()
    request = Request(Bio(WRITE, 8, 1024, owner, content(8, 1024)), QUEUE, QUEUE)
    assert request.update(512, None)
    assert b"".join(request.payload()) == content(9, 512)
    assert not request.update(512, None)
    assert [bio.status for bio in owner.bios] == [OK]


def test_who_is_told_sees_a_request_that_knows_what_is_left():
    """All is advanced before the first bio completes: who is told may look at the request, or send it on."""

    class Looking(Ended):
        def bio_done(self, bio: Bio) -> None:
            super().bio_done(bio)
            seen.append((request.sector, request.size, request.segments, list(request.bios)))

    seen: list[tuple[int, int, int, list[Bio]]] = []
    owner = Looking()
    bios = [Bio(READ, number, SECTOR_SIZE, owner) for number in range(4)]
    request = Request(bios[0], QUEUE, QUEUE)
    request.bios = list(bios)
    request.size = 4 * SECTOR_SIZE
    assert request.update(2 * SECTOR_SIZE, content(0, 2 * SECTOR_SIZE))
    assert owner.bios == bios[:2]
    assert seen == [(2, 2 * SECTOR_SIZE, 2, bios[2:])] * 2
