"""A million synchronous completions, and a storm of failing paths, at constant stack depth.

Every completion submits the next bio from within `bio_done`, and the driver answers within `queue_rq`: without the turn each
would stand on the one before.
"""

import sys
from collections.abc import Iterator
from types import FrameType

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.block.request import Request
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_MS
from hawser.lab.world import Answer, Client, Rig, World, make_multipath

COMPLETIONS = 1_000_000
BATCH = 64
SIZE = 512


@pytest.fixture(params=["rq", "bio"])
def rig(request: pytest.FixtureRequest) -> Rig:
    rig = make_multipath(World(), mode=request.param, size=2 * BATCH * SIZE, selector="service-time 0")
    for path in rig.paths:
        path.driver.log_sent = False
    return rig


def depth_now() -> int:
    frame: FrameType | None = sys._getframe()
    depth = 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


@pytest.fixture
def shallow() -> Iterator[None]:
    """Little more stack than this test itself stands on."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth_now() + 120)
    yield
    sys.setrecursionlimit(before)


class Circle(Client):
    """Keeps BATCH bios on their way until `left` is used up: a plug of new ones for every BATCH that came back. With holes
    between them none merges: each is a request and a completion of its own."""

    def __init__(self, rig: Rig, left: int) -> None:
        super().__init__(rig.device, rig.world.disk)
        self.left = left
        self.returned = 0
        self.statuses: dict[int, int] = {}
        self.deepest = 0

    def bio_done(self, bio: Bio) -> None:
        self.returned += 1
        self.statuses[bio.status] = self.statuses.get(bio.status, 0) + 1
        if self.returned % BATCH == 0 and self.left > 0:
            self.deepest = max(self.deepest, depth_now())
            self.next_batch()

    def next_batch(self) -> None:
        self.left -= BATCH
        plug = Plug()
        for number in range(BATCH):
            self.device.submit(Bio(READ, 2 * number, SIZE, self), plug)
        plug.finish()


def test_a_million_synchronous_completions(rig: Rig, shallow: None):
    circle = Circle(rig, COMPLETIONS)
    circle.next_batch()
    rig.world.run()
    assert circle.statuses == {OK: COMPLETIONS}
    assert circle.deepest < depth_now() + 60
    assert rig.at_rest()


def test_every_path_fails_and_everything_with_it(rig: Rig, shallow: None):
    for path in rig.paths:
        path.driver.default = Answer(TRANSPORT)
    circle = Circle(rig, 200 * BATCH)
    circle.next_batch()
    rig.world.run()
    assert sum(circle.statuses.values()) == 200 * BATCH
    assert set(circle.statuses) <= {IOERR, TRANSPORT}
    assert circle.deepest < depth_now() + 60
    assert rig.letters() == "FF"
    assert rig.at_rest()


def test_every_path_fails_again_and_again_while_everything_is_queued(rig: Rig, shallow: None):
    rig.message("queue_if_no_path")
    circle = Circle(rig, 300 * BATCH)
    circle.next_batch()
    storms = 0
    while circle.returned < 300 * BATCH:
        storms += 1
        for path in rig.paths:
            path.driver.script.extend([Answer(), Answer(TRANSPORT)])
            rig.message(f"reinstate_path {path.device.devt}")
        rig.world.pass_time(NS_PER_MS)
        assert storms < 2000
    rig.world.run()
    assert circle.statuses == {OK: 300 * BATCH}
    assert storms > 10
    assert circle.deepest < depth_now() + 60
    assert rig.at_rest()


def test_a_turn_holds_no_more_than_what_is_in_flight(rig: Rig):
    """Memory is bounded by what was submitted, however often it is retried."""
    rig.message("queue_if_no_path")
    requests: list[Request] = []
    for path in rig.paths:
        path.driver.default = Answer(TRANSPORT)
    Circle(rig, BATCH).next_batch()
    for _ in range(100):
        rig.message("reinstate_path 259:0")
        rig.world.pass_time(NS_PER_MS)
        for path in rig.paths:
            requests += path.device.requests.waiting_requests()
    assert requests == []
    assert not rig.world.turn.pending()
