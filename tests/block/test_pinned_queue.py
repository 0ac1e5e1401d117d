"""Pinned by mutants: order, idleness and refusals of a request queue that the stories of test_queue.py do not tell apart."""

from collections import deque
from dataclasses import replace

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE, WRITE_ZEROES
from hawser.block.request import Request
from hawser.core.status import DEV_RESOURCE, IOERR, OK, RESOURCE
from hawser.core.units import KIB, MIB, NS_PER_MS
from hawser.lab.world import LIMITS, Answer, Client, RamDriver, RamPath, Store, World


class Refuser(RamDriver):
    """Refuses as scripted, then takes what comes."""

    refusals: deque[int] = deque()

    def queue_rq(self, request: Request) -> int:
        refusal = self.refusals.popleft() if self.refusals else OK
        return refusal if refusal != OK else super().queue_rq(request)


def make(refusals: list[int] | None = None, depth: int = 8) -> tuple[World, RamPath, Client]:
    Refuser.refusals = deque(refusals or [])
    world = World()
    path = world.ram_path("p", Store(MIB), depth, make_driver=Refuser)
    return world, path, Client(path.device)


def sectors_sent(path: RamPath) -> list[int]:
    return [sector for _, sector, _ in path.driver.sent]


def test_a_request_that_is_answered_but_not_told_yet_is_in_flight():
    """Kernel 05a4fed69f: a suspend must wait for it."""
    world, path, client = make()
    bio = client.read(0, 4 * KIB)
    assert [request.status for request in path.driver.unreported()] == [OK]
    assert (bio.finished, path.device.idle()) == (False, False)
    world.settle()
    assert (bio.finished, path.device.idle()) == (True, True)


@pytest.mark.parametrize("refusal", [RESOURCE, DEV_RESOURCE])
def test_within_a_plug_nothing_overtakes_what_was_refused(refusal: int):
    world, path, client = make([OK, *[refusal] * 3])
    path.driver.default = Answer(delay_ns=NS_PER_MS)
    client.submit([Bio(READ, number * 100, 512, client) for number in range(4)])
    assert (sectors_sent(path), path.device.requests.waiting()) == ([0], 3)
    world.run()
    assert sectors_sent(path) == [0, 100, 200, 300]


def test_a_refusal_while_rerunning_leaves_the_rest_where_it_is():
    world, path, client = make([OK, OK, RESOURCE, RESOURCE], depth=2)
    path.driver.default = Answer(delay_ns=NS_PER_MS)
    client.submit([Bio(READ, number * 100, 512, client) for number in range(5)])
    world.run(NS_PER_MS)
    assert sectors_sent(path) == [0, 100]
    world.run()
    assert sectors_sent(path) == [0, 100, 200, 300, 400]


def test_what_was_refused_goes_before_what_is_requeued():
    """Linux: the dispatch list comes first, and what is requeued goes to the head of what waits behind it."""
    world, path, client = make()
    path.driver.script.append(Answer(silent=True))
    client.read(0, 512)
    path.driver.refuse = DEV_RESOURCE
    client.read(100, 512)
    path.device.requests.requeue(path.driver.outstanding()[0], 0)
    path.driver.refuse = OK
    world.run()
    assert sectors_sent(path) == [0, 100, 0]


@pytest.mark.parametrize("refusal", [DEV_RESOURCE, RESOURCE])
def test_a_refused_insertion_keeps_no_tag(refusal: int):
    _, path, client = make([refusal], depth=1)
    queue = path.device.requests
    clone = Request(Bio(READ, 0, 512, client), queue, queue)
    assert (queue.insert_cloned(clone), queue.in_flight, queue.busy()) == (refusal, 0, False)
    assert (queue.insert_cloned(clone), queue.in_flight, queue.busy()) == (OK, 1, True)
    other = Request(Bio(READ, 8, 512, client), queue, queue)
    assert (queue.insert_cloned(other), queue.in_flight) == (RESOURCE, 1)


@pytest.mark.parametrize(
    ("size", "bios", "limits", "status"),
    [
        (4 * KIB, 1, replace(LIMITS, max_sectors=8), OK),
        (4 * KIB + 512, 1, replace(LIMITS, max_sectors=8), IOERR),
        (1 * KIB, 2, replace(LIMITS, max_segments=2), OK),
        (1 * KIB, 3, replace(LIMITS, max_segments=2), IOERR),
    ],
)
def test_an_inserted_clone_is_checked_against_the_limits_of_now(size: int, bios: int, limits, status: int):
    """Kernel 82124d6035: they may be smaller than when the original was merged."""
    _, path, client = make()
    queue = path.device.requests
    clone = Request(Bio(WRITE, 0, size, client, bytes(size)), queue, queue)
    for number in range(1, bios):
        clone.bios.append(Bio(WRITE, number * size // 512, size, client, bytes(size)))
        clone.size += size
        clone.segments += 1
    queue.limits = limits
    assert queue.insert_cloned(clone) == status
    assert len(path.driver.sent) == (1 if status == OK else 0)


def test_zeroes_have_no_segments():
    """Linux: blk_recalc_rq_segments(). However many it is, no limit of segments is in its way."""
    _, path, client = make()
    queue = path.device.requests
    queue.set_limits(replace(LIMITS, max_segments=1, max_segment_size=4 * KIB))
    clone = Request(Bio(WRITE_ZEROES, 0, 64 * KIB, client), queue, queue)
    assert queue.insert_cloned(clone) == OK
    assert path.driver.sent == [(WRITE_ZEROES, 0, 64 * KIB)]


def test_the_last_sector_of_a_device_is_its_own_and_the_next_is_not():
    world, _, client = make()
    last = MIB // 512 - 1
    bios = [client.read(last, 512), client.read(last, 1024), client.read(last + 1, 512)]
    world.run()
    assert [bio.status for bio in bios] == [OK, IOERR, IOERR]


def test_what_was_refused_takes_no_tag_that_is_not_free():
    world, path, client = make([RESOURCE, RESOURCE], depth=1)
    path.driver.script.append(Answer(silent=True))
    queue = path.device.requests
    bio = client.read(100, 512)
    clone = Request(Bio(READ, 0, 512, client), queue, queue)
    assert queue.insert_cloned(clone) == OK
    world.run()
    assert (sectors_sent(path), queue.in_flight) == ([0], 1)
    path.driver.deliver_all(Answer())
    world.run()
    assert (sectors_sent(path), bio.status, queue.idle()) == ([0, 100], OK, True)


def test_what_waits_out_a_delay_is_given_back_once_when_its_path_fails():
    world, path, client = make()
    path.driver.script.append(Answer(silent=True))
    bio = client.read(0, 512)
    queue = path.device.requests
    queue.requeue(path.driver.outstanding()[0], 100 * NS_PER_MS)
    assert (queue.waiting(), queue.in_flight) == (1, 0)
    queue.bounce()
    assert queue.waiting() == 0
    world.run()
    assert ([bio.status for bio in client.done], queue.idle()) == ([RESOURCE], True)
    assert bio.finished
