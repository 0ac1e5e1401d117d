"""Hedged reads: two copies of one read, on two paths; the first that succeeds is the answer."""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.clock import NEVER
from hawser.core.status import IOERR, MEDIUM, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_MS
from hawser.dm.clone import CloneBio
from hawser.dm.table import parse_lines
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.demotion import demote
from hawser.multipath.hedge import SHARE_MAX, TWINS_MAX, Hedger
from hawser.multipath.target import Multipath

MS = NS_PER_MS
LIMIT_NS = 10 * MS
# What a late answer takes.
LATE_NS = 100 * MS
SELECTORS = ["round-robin 0", "queue-length 0", "service-time 0"]
FIRST, SECOND = 0, 1


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


class Scene:
    """A map whose reads are hedged, with credit for some twins; round-robin begins with the first path."""

    def __init__(self, mode: str, percent: int = 100, credit: int = 8, **options: object) -> None:
        self.rig: Rig = make_multipath(World(), mode=mode, **options)  # type: ignore[arg-type]
        self.world = self.rig.world
        self.hedger = Hedger(LIMIT_NS, percent, self.world.timers)
        self.hedger.follow(self.target)
        for number in range(64):
            self.rig.store.data[number * 8192] = number + 1
        paths = len(self.rig.paths)
        for _ in range(-(-credit * 100 // percent // paths) * paths):
            self.rig.client.read(0, 512)
            self.world.settle()
        self.world.pass_time(2 * LIMIT_NS)
        self.before = self.sent()

    @property
    def target(self) -> Multipath:
        (target,) = self.rig.device.live_targets()
        assert isinstance(target, Multipath)
        return target

    def answer(self, number: int, *answers: Answer) -> None:
        """What a path does next."""
        self.rig.paths[number].driver.script.extend(answers)

    def read(self, sector: int = 16, size: int = 512) -> Bio:
        bio = self.rig.client.read(sector, size)
        self.world.settle()
        return bio

    def go(self, milliseconds: float) -> None:
        self.world.pass_time(round(milliseconds * MS))

    def sent(self) -> list[int]:
        return [len(path.driver.sent) for path in self.rig.paths]

    def spread(self) -> list[int]:
        """What has gone to each path since."""
        return [now - was for now, was in zip(self.sent(), self.before, strict=True)]

    def counts(self) -> tuple[int, int, int]:
        return self.hedger.sent, self.hedger.won, self.hedger.refused

    def fail(self, number: int) -> None:
        self.target.fail(self.target.state.paths[number], "broken")

    def assert_at_rest(self) -> None:
        assert self.rig.at_rest()
        assert self.hedger.in_flight == 0
        assert [(path.in_flight, path.in_flight_bytes) for path in self.target.state.paths] == [(0, 0)] * len(
            self.rig.paths
        )

    def assert_read(self, bio: Bio, sector: int = 16) -> None:
        """It has succeeded, with what the disk has there."""
        assert bio.finished and bio.status == OK
        assert bio.data is not None and len(bio.data) == bio.size
        assert bytes(bio.data) == bytes(self.rig.store.data[sector * 512 : sector * 512 + bio.size])


def merged_reads(scene: Scene, count: int) -> list[Bio]:
    """So many reads of 4 KiB each from sector 16 on, which the first path has as one request."""
    others = scene.target.state.paths[1:]
    for path in others:
        scene.target.fail(path, "not now")
    bios = scene.rig.client.submit([Bio(READ, 16 + 8 * n, 4096, scene.rig.client) for n in range(count)])
    scene.world.settle()
    for path in others:
        scene.target.reinstate(path)
    assert scene.spread()[FIRST] == 1
    return bios


def late(status: int = OK, milliseconds: float = 100, **options) -> Answer:
    return Answer(status, delay_ns=round(milliseconds * MS), **options)


@pytest.mark.parametrize("selector", SELECTORS)
def test_the_twin_wins(mode: str, selector: str):
    scene = Scene(mode, selector=selector)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late())
    bio = scene.read()
    (slow,) = [number for number, count in enumerate(scene.spread()) if count]
    # The other one has an answer to give at once.
    scene.rig.paths[1 - slow].driver.script.clear()
    scene.go(9.9)
    assert sum(scene.spread()) == 1
    scene.go(6)
    assert scene.spread() == [1, 1]
    scene.assert_read(bio)
    assert scene.counts() == (1, 1, 0)
    assert scene.rig.client.done[-1] is bio
    scene.go(200)
    scene.assert_at_rest()
    # What came last touches nothing of it, and counts for nobody.
    assert [b for b in scene.rig.client.done if b is bio] == [bio]
    assert scene.rig.letters() == "AA"


def test_the_first_copy_wins(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=20))
    scene.answer(SECOND, late())
    bio = scene.read()
    scene.go(21)
    scene.assert_read(bio)
    assert scene.counts() == (1, 0, 0)
    assert scene.hedger.in_flight == 1
    scene.go(200)
    scene.assert_at_rest()


@pytest.mark.parametrize("first_wins", [True, False])
def test_the_loser_has_a_buffer_of_its_own(mode: str, first_wins: bool):
    """The disk changes after the answer: what comes late has read something else."""
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=20 if first_wins else 100))
    scene.answer(SECOND, late(milliseconds=60 if first_wins else 0))
    bio = scene.read()
    scene.go(21)
    assert bio.finished and bio.data is not None
    data = bytes(bio.data)
    assert data[0] == 2
    write = scene.rig.client.write(16, b"\xff" * 512)
    scene.world.settle()
    assert write.status == OK
    scene.go(200)
    assert bytes(bio.data) == data
    scene.assert_at_rest()


def test_what_nobody_waits_for_holds_nothing_of_the_client(mode: str):
    """Its path has the request still, and its bios are its own."""
    scene = Scene(mode)
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.go(20)
    assert bio.finished
    (loser,) = scene.rig.paths[FIRST].driver.outstanding()
    assert loser.original is None
    assert [(held.sector, held.size) for held in loser.bios] == [(16, 512)]
    assert not any(held is bio or isinstance(held, CloneBio) for held in loser.bios)
    scene.go(200)
    scene.assert_at_rest()


@pytest.mark.parametrize("error", [Answer(TRANSPORT, fate=UNKNOWN), Answer(TIMEOUT, fate=UNKNOWN), Answer(MEDIUM)])
def test_the_twin_fails_and_the_first_copy_is_waited_for(mode: str, error: Answer):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=50))
    scene.answer(SECOND, error)
    bio = scene.read()
    scene.go(30)
    assert not bio.finished
    # An error of the medium is no fault of the path.
    assert scene.rig.letters() == ("AA" if error.status == MEDIUM else "AF")
    scene.go(30)
    scene.assert_read(bio)
    assert scene.counts() == (1, 0, 0)
    assert scene.spread() == [1, 1]
    scene.assert_at_rest()


@pytest.mark.parametrize("error", [late(TRANSPORT, 20, fate=UNKNOWN), late(MEDIUM, 20)])
def test_the_first_copy_fails_and_the_twin_is_waited_for(mode: str, error: Answer):
    scene = Scene(mode)
    scene.answer(FIRST, error)
    scene.answer(SECOND, late(milliseconds=50))
    bio = scene.read()
    scene.go(30)
    assert not bio.finished
    assert scene.rig.letters() == ("AA" if error.status == MEDIUM else "FA")
    scene.go(50)
    scene.assert_read(bio)
    assert scene.counts() == (1, 1, 0)
    assert scene.spread() == [1, 1], "the twin was the retry"
    scene.assert_at_rest()


def test_both_fail_and_a_third_path_is_tried(mode: str):
    scene = Scene(mode, paths=3)
    scene.answer(FIRST, late(TRANSPORT, 20, fate=UNKNOWN))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(25)
    assert not bio.finished and scene.rig.letters() == "FAA"
    scene.go(25)
    scene.assert_read(bio)
    assert scene.rig.letters() == "FFA"
    assert scene.spread() == [1, 1, 1]
    scene.assert_at_rest()


def test_both_fail_and_there_is_no_other(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 20, fate=UNKNOWN))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(200)
    # The status of request-based dm is the path's, that of bio-based dm is EIO.
    assert bio.finished and bio.status == (TRANSPORT if mode == "rq" else IOERR)
    assert scene.rig.letters() == "FF"
    scene.assert_at_rest()


def test_both_fail_and_the_map_queues(mode: str):
    scene = Scene(mode, features="queue_if_no_path")
    scene.answer(FIRST, late(TRANSPORT, 20, fate=UNKNOWN))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(200)
    assert not bio.finished and scene.rig.letters() == "FF"
    scene.target.reinstate(scene.target.state.paths[SECOND])
    scene.go(200)
    scene.assert_read(bio)
    scene.assert_at_rest()


def test_an_error_of_the_medium_from_both_is_the_clients(mode: str):
    scene = Scene(mode, paths=3)
    scene.answer(FIRST, late(MEDIUM, 20))
    scene.answer(SECOND, late(MEDIUM, 20))
    bio = scene.read()
    scene.go(200)
    assert bio.finished and bio.status == MEDIUM
    assert (scene.rig.letters(), scene.spread()) == ("AAA", [1, 1, 0])
    scene.assert_at_rest()


def test_an_answered_error_of_both_is_the_clients_and_no_path_fails(mode: str):
    """Each is the other's second opinion."""
    scene = Scene(mode, paths=3)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.answer(FIRST, late(IOERR, 20))
    scene.answer(SECOND, late(IOERR, 20))
    bio = scene.read()
    scene.go(200)
    assert bio.finished and bio.status == IOERR
    assert (scene.rig.letters(), scene.spread()) == ("AAA", [1, 1, 0])
    scene.assert_at_rest()


def test_an_answered_error_of_one_and_a_path_error_of_the_other_is_tried_once_more(mode: str):
    scene = Scene(mode, paths=3)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.answer(FIRST, late(IOERR, 20))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(200)
    scene.assert_read(bio)
    assert (scene.rig.letters(), scene.spread()) == ("AFA", [1, 1, 1])
    scene.assert_at_rest()


def test_a_read_that_was_answered_with_an_error_has_no_twin(mode: str):
    """Its second try is its last, and the twin would go where the first went."""
    scene = Scene(mode)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.answer(FIRST, Answer(IOERR))
    scene.answer(SECOND, late())
    bio = scene.read()
    scene.go(150)
    scene.assert_read(bio)
    assert (scene.counts(), scene.spread()) == ((0, 0, 0), [1, 1])


def test_an_error_of_a_loser_still_fails_its_path(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 50, fate=UNKNOWN))
    bio = scene.read()
    scene.go(20)
    scene.assert_read(bio)
    assert scene.rig.letters() == "AA"
    scene.go(50)
    assert scene.rig.letters() == "FA"
    scene.assert_at_rest()


def test_a_path_that_fails_meanwhile_takes_nothing_with_it(mode: str):
    """The first copy hangs on a path that was failed by somebody; the twin answers."""
    scene = Scene(mode)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late(milliseconds=20))
    bio = scene.read()
    scene.go(16)
    scene.fail(FIRST)
    assert not bio.finished
    scene.go(20)
    scene.assert_read(bio)
    scene.go(200)
    scene.assert_at_rest()


def test_the_path_of_the_twin_fails_meanwhile(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(16)
    scene.fail(SECOND)
    scene.go(30)
    assert not bio.finished
    scene.go(100)
    scene.assert_read(bio)
    scene.assert_at_rest()


def test_a_read_on_a_path_that_has_failed_gets_a_twin(mode: str):
    """It hangs until the session is given up, and need not."""
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=1000))
    bio = scene.read()
    scene.fail(FIRST)
    scene.go(20)
    scene.assert_read(bio)
    scene.go(1000)
    scene.assert_at_rest()


# Where a twin may go.


def test_no_twin_goes_to_another_group(mode: str):
    scene = Scene(mode, paths=1, groups=2)
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.go(50)
    assert not bio.finished and scene.counts() == (0, 0, 0)
    scene.go(100)
    scene.assert_read(bio)


def test_none_stays_in_a_group_that_is_left(mode: str):
    scene = Scene(mode, paths=2, groups=2)
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.rig.message("switch_group 2")
    scene.go(20)
    scene.rig.client.read(800, 512)
    scene.go(50)
    assert not bio.finished and scene.counts() == (0, 0, 0)


@pytest.mark.parametrize("trouble", ["failed", "demoted", "full", "quiesced"])
def test_no_twin_goes_to_a_path_that_is(mode: str, trouble: str):
    scene = Scene(mode, depth=2)
    device = scene.rig.paths[SECOND].device
    scene.answer(FIRST, late(milliseconds=60))
    bio = scene.read()
    if trouble == "failed":
        scene.fail(SECOND)
    elif trouble == "demoted":
        demote(scene.target, device, "slow")
    elif trouble == "full":
        probe = Client(device)
        scene.answer(SECOND, late(), late())
        for sector in (800, 900):
            probe.read(sector, 512)
        scene.before[SECOND] += 2
    else:
        device.requests.quiesce()
    scene.go(50)
    assert not bio.finished
    assert (scene.counts(), scene.spread()) == ((0, 0, 0), [1, 0])
    scene.go(20)
    scene.assert_read(bio)


def test_no_path_has_a_twin_where_caches_are_their_own(mode: str):
    scene = Scene(mode, paths=1, groups=2, cache="path")
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.go(50)
    assert not bio.finished and scene.counts() == (0, 0, 0)
    assert scene.world.timers.next_deadline_ns() > scene.world.clock.now_ns + 30 * MS, "nobody even looks"


def test_it_goes_where_no_read_is_late_and_least_is_to_do(mode: str):
    scene = Scene(mode, paths=4)
    for number in range(3):
        scene.answer(number, late())
    # The third is busy, but not late yet, when the first two are.
    scene.answer(2, late(), late())
    first, second = scene.read(16), scene.read(48)
    scene.go(9)
    for sector in (800, 832, 864):
        Client(scene.rig.paths[2].device).read(sector, 512)
    scene.go(8)
    scene.assert_read(first)
    scene.assert_read(second, 48)
    assert scene.spread() == [1, 1, 3, 2]
    scene.go(200)
    scene.assert_at_rest()


# Fences.


def test_a_fence_that_has_come_meanwhile_holds_a_twin_back(mode: str):
    """A read was sent; then a write of the same sector is lost, and is not acknowledged: a read that comes now would wait."""
    scene = Scene(mode, paths=3)
    scene.answer(0, late(milliseconds=200))
    scene.answer(1, late(TIMEOUT, 5, fate=UNKNOWN))
    scene.answer(2, late(milliseconds=400))
    bio = scene.read(16)
    write = scene.rig.client.write(16, b"\xff" * 512)
    scene.go(6)
    assert scene.target.fences.active
    scene.go(100)
    assert not bio.finished and not write.finished
    assert scene.counts() == (0, 0, 0)
    # The ghost is proved, with the write's retry still open: now a read may go.
    scene.rig.paths[1].driver.settle(PROOF_ANSWER)
    scene.target.reinstate(scene.target.state.paths[1])
    scene.go(20)
    assert scene.counts() == (1, 1, 0)
    assert bio.finished and bio.status == OK
    scene.go(500)
    assert write.status == OK
    scene.assert_at_rest()


def test_a_fence_elsewhere_does_not(mode: str):
    scene = Scene(mode, paths=3)
    scene.answer(0, late(milliseconds=200))
    scene.answer(1, late(TIMEOUT, 5, fate=UNKNOWN))
    bio = scene.read(16)
    scene.rig.client.write(800, b"\xff" * 512)
    scene.go(50)
    assert scene.target.fences.active
    scene.assert_read(bio)
    assert scene.counts() == (1, 1, 0)


# Suspend, remove, clients that go away.


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_waits_for_an_answer_and_not_for_the_loser(mode: str, noflush: bool):
    scene = Scene(mode)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late(milliseconds=20))
    bio = scene.read()
    scene.go(16)
    scene.rig.device.suspend(noflush)
    scene.world.settle()
    assert not scene.rig.device.is_suspended()
    scene.go(20)
    scene.assert_read(bio)
    assert scene.rig.device.is_suspended()
    assert scene.rig.device.in_flight() == 0
    scene.rig.device.resume()
    scene.go(100)
    scene.assert_at_rest()


@pytest.mark.parametrize("noflush", [False, True])
def test_nothing_is_sent_twice_while_a_suspend_is_under_way(mode: str, noflush: bool):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=50))
    bio = scene.read()
    scene.rig.device.suspend(noflush)
    scene.go(40)
    assert not bio.finished and scene.counts() == (0, 0, 0)
    scene.go(20)
    assert scene.rig.device.is_suspended()
    scene.rig.device.resume()
    scene.answer(FIRST, late())
    scene.answer(SECOND, late())
    again = scene.read()
    scene.rig.paths[FIRST].driver.script.clear()
    scene.rig.paths[SECOND].driver.script.clear()
    scene.go(20)
    scene.assert_read(again)
    assert scene.counts() == (1, 1, 0)


@pytest.mark.parametrize("noflush", [False, True])
def test_a_loser_of_the_table_before_touches_nothing_of_the_new_one(mode: str, noflush: bool):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 100, fate=UNKNOWN))
    bio = scene.read()
    scene.go(20)
    scene.assert_read(bio)
    before = scene.target
    words = f"0 2048 multipath {before.status_table()}"
    scene.rig.device.load(parse_lines(words), scene.world.registry)
    scene.rig.device.suspend(noflush)
    scene.world.settle()
    scene.rig.device.resume()
    assert scene.target is not before
    scene.hedger.leave()
    scene.hedger.follow(scene.target)
    event = scene.rig.device.event_nr
    scene.go(200)
    assert (scene.rig.letters(), scene.rig.device.event_nr) == ("AA", event)
    assert before.state.valid_paths == 2
    scene.assert_at_rest()


def test_a_removed_map_does_not_wait_for_losers(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 100, fate=UNKNOWN))
    bio = scene.read()
    scene.go(20)
    scene.assert_read(bio)
    scene.hedger.leave()
    assert scene.rig.device.idle()
    scene.rig.device.remove()
    scene.go(200)
    assert all(path.device.idle() for path in scene.rig.paths)
    assert scene.hedger.in_flight == 0


def test_a_client_that_is_gone_is_no_reason_to_blame_a_path(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=50))
    scene.answer(SECOND, late(milliseconds=50))
    scene.read()
    scene.go(16)
    scene.rig.client.dead = True
    scene.rig.device.cancel_dead()
    scene.go(200)
    assert scene.rig.letters() == "AA"
    scene.assert_at_rest()


def test_an_error_of_a_dead_clients_read_is_taken_as_ever(mode: str):
    """Bio-based it says nothing, request-based it fails the path: a request may be for several clients."""
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 30, fate=UNKNOWN))
    scene.answer(SECOND, late(milliseconds=50))
    scene.read()
    scene.go(16)
    scene.rig.client.dead = True
    scene.rig.device.cancel_dead()
    scene.go(20)
    assert scene.rig.letters() == ("FA" if mode == "rq" else "AA")
    scene.go(200)
    scene.assert_at_rest()


# What is counted.


def test_the_share_of_twins_is_bounded(mode: str):
    """Every read is late: of a thousand, five in a hundred have a twin, and the others are counted as refused."""
    scene = Scene(mode, percent=SHARE_MAX, credit=0, paths=3)
    for path in scene.rig.paths:
        path.driver.default = Answer(delay_ns=30 * MS)
    for number in range(250):
        for place in range(4):
            scene.rig.client.read((number * 4 + place) % 120 * 16, 512)
        scene.go(7)
    scene.go(200)
    sent, _, refused = scene.counts()
    assert 40 <= sent <= 50
    # (Who was refused may have one later.)
    assert refused <= 1000 <= sent + refused
    assert sum(scene.spread()) == 1000 + sent
    assert len(scene.rig.client.done) == 1000
    scene.assert_at_rest()


def test_not_too_many_are_on_their_way_at_once(mode: str):
    scene = Scene(mode, credit=TWINS_MAX * 3)
    for path in scene.rig.paths:
        path.driver.default = Answer(delay_ns=500 * MS)
    for number in range(40):
        scene.rig.client.read(number * 16, 512)
        scene.world.settle()
    scene.go(100)
    assert scene.hedger.in_flight == TWINS_MAX
    assert scene.counts() == (TWINS_MAX, 0, 40 - TWINS_MAX)
    # Others come and go meanwhile, so that there is budget.
    for path in scene.rig.paths:
        path.driver.default = Answer()
    for number in range(40):
        scene.rig.client.read(1000 + number * 16, 512)
        scene.world.settle()
    scene.go(100)
    assert scene.hedger.sent == TWINS_MAX
    scene.go(2000)
    scene.assert_at_rest()


def test_what_is_saved_up_is_bounded(mode: str):
    scene = Scene(mode, credit=TWINS_MAX * 4, percent=50)
    for path in scene.rig.paths:
        path.driver.default = Answer(delay_ns=12 * MS)
    # (Twins end soon: it is not their number at once that matters.)
    for number in range(60):
        scene.rig.client.read(number * 16, 512)
        scene.go(15)
    assert scene.hedger.sent <= TWINS_MAX + 30


def test_a_twin_is_one_io_of_its_path_and_none_of_the_map(mode: str):
    scene = Scene(mode)
    reads = int(scene.rig.device.stats.reads.ios)
    done = [path.ios for path in scene.target.state.paths]
    below = [int(path.device.stats.reads.ios) for path in scene.rig.paths]
    scene.answer(FIRST, late())
    scene.read()
    scene.go(200)
    assert scene.rig.device.stats.reads.ios == reads + 1
    assert [path.ios - was for path, was in zip(scene.target.state.paths, done, strict=True)] == [0, 1]
    grown = [int(path.device.stats.reads.ios) - was for path, was in zip(scene.rig.paths, below, strict=True)]
    assert grown == [1, 1]
    # The loser's time counts for its path.
    assert scene.rig.paths[FIRST].device.stats.reads.latencies().maximum >= LATE_NS


def test_writes_have_no_twins(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late())
    write = scene.rig.client.write(16, bytes(512))
    scene.go(50)
    assert not write.finished and scene.counts() == (0, 0, 0)
    assert [op for op, _, _ in scene.rig.paths[FIRST].driver.sent].count(WRITE) == 1


def test_merged_reads_have_a_twin_each_or_one_for_all(mode: str):
    """Bio-based each bio has its own; request-based they are one request."""
    scene = Scene(mode, paths=2)
    scene.answer(FIRST, late())
    bios = merged_reads(scene, 4)
    scene.go(20)
    assert all(bio.finished for bio in bios)
    scene.go(200)
    for number, bio in enumerate(bios):
        scene.assert_read(bio, 16 + 8 * number)
    assert scene.hedger.sent == (1 if mode == "rq" else 4)
    scene.assert_at_rest()


@pytest.mark.parametrize("good", [4096, 5120])
def test_a_good_prefix_is_told_and_the_rest_is_tried_as_ever(mode: str, good: int):
    """The first copy does a part, and fails."""
    scene = Scene(mode, paths=3)
    scene.answer(FIRST, late(TRANSPORT, 20, good_bytes=good))
    scene.answer(SECOND, late(milliseconds=60), late(milliseconds=60))
    bios = merged_reads(scene, 2)
    scene.go(25)
    assert scene.rig.letters() == "FAA"
    assert bios[0].finished, "it need not wait for the twin"
    scene.go(300)
    for number, bio in enumerate(bios):
        scene.assert_read(bio, 16 + 8 * number)
    scene.assert_at_rest()


def test_nobody_looks_while_there_is_no_io(mode: str):
    scene = Scene(mode)
    assert scene.world.timers.next_deadline_ns() == NEVER
    scene.read()
    scene.go(2 * LIMIT_NS / MS)
    assert scene.world.timers.next_deadline_ns() == NEVER


def test_what_was_not_sent_is_no_fault_of_the_path(mode: str):
    """The twin was given back undone, for want of room."""
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=40))
    scene.answer(SECOND, Answer(RESOURCE, fate=NOT_SENT))
    bio = scene.read()
    scene.go(60)
    scene.assert_read(bio)
    assert scene.rig.letters() == "AA"
    scene.assert_at_rest()
