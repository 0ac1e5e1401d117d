"""An error that is an answer: what said EIO is alive. That I/O is tried once elsewhere, and no path is failed."""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, READ, WRITE
from hawser.block.request import NOT_SENT, Request
from hawser.core.status import IOERR, NOSPC, OK, TIMEOUT, TRANSPORT
from hawser.lab.world import Answer, RamDriver, Rig, World, make_multipath

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, **options) -> Rig:
    rig = make_multipath(World(), mode=mode, **options)
    for path in rig.paths:
        path.driver.answers_are_final = True
    return rig


def attempts(rig: Rig) -> list[int]:
    return [len(path.driver.sent) for path in rig.paths]


def test_one_retry_elsewhere(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(IOERR))
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters(), attempts(rig)) == (OK, "AA", [1, 1])
    assert rig.at_rest()


def test_the_same_answer_there_is_the_clients(mode: str):
    rig = make(mode, paths=3)
    for path in rig.paths:
        path.driver.default = Answer(IOERR)
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters(), sum(attempts(rig))) == (IOERR, "AAA", 2)


def test_without_another_path_the_answer_is_the_clients_at_once(mode: str):
    rig = make(mode, paths=1)
    rig.paths[0].driver.default = Answer(IOERR)
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters(), attempts(rig)) == (IOERR, "A", [1])


@pytest.mark.parametrize("selector", ["round-robin 0", "queue-length 0", "service-time 0"])
def test_the_retry_goes_elsewhere_whatever_the_selector_would_prefer(mode: str, selector: str):
    rig = make(mode, selector=selector)
    paths = rig.device.table.targets[0].state.paths
    paths[0].relative_throughput = 100
    paths[1].in_flight = 50
    rig.paths[0].driver.default = Answer(IOERR)
    rig.paths[1].driver.default = Answer(OK)
    bio = rig.client.read(0, 512)
    rig.world.run()
    assert (bio.status, rig.letters(), attempts(rig)) == (OK, "AA", [1, 1])


def test_a_path_error_on_the_retry_is_a_path_error(mode: str):
    rig = make(mode, paths=3)
    rig.paths[0].driver.default = Answer(IOERR)
    rig.paths[1].driver.default = Answer(TIMEOUT)
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters(), attempts(rig)) == (OK, "AFA", [1, 1, 1])


def test_what_was_never_sent_is_no_answer(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(IOERR, fate=NOT_SENT))
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters()) == (OK, "FA")


def test_a_refusal_is_no_answer(mode: str):
    rig = make(mode)
    rig.paths[0].driver.refuse = IOERR
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters()) == (OK, "FA")


def test_transport_errors_fail_a_path_whose_answers_are_final(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(TRANSPORT))
    rig.client.write(0, DATA)
    rig.world.run()
    assert rig.letters() == "FA"


def test_after_a_good_prefix_the_rest_is_retried_elsewhere(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(IOERR, good_bytes=1024))
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters()) == (OK, "AA")
    assert rig.paths[1].driver.sent[0][1:] == (0, 4096), "a bio that was done in part counts as not done"
    assert rig.store.data[:4096] == DATA


# What was merged with it.

BAD = range(8, 16)


class BadSpot(RamDriver):
    """Fails what touches BAD, all of it: so does a server that cannot say how far it got."""

    answer = Answer(IOERR)

    def deliver(self, request: Request, answer: Answer) -> None:
        touched = request.touches(BAD.start, BAD.stop)
        super().deliver(request, self.answer if touched else answer)


class FullSpot(BadSpot):
    """The same, and says that there is no room."""

    answer = Answer(NOSPC)


def four(rig: Rig, op: int = WRITE) -> list[Bio]:
    """Blocks side by side, in one plug; the second one is bad."""
    blocks = range(0, 32, 8)
    return rig.client.submit([Bio(op, at, 4096, rig.client, DATA if op == WRITE else None) for at in blocks])


def make_bad(mode: str, status: int = IOERR, **options) -> Rig:
    rig = make_multipath(World(), mode=mode, make_driver=FullSpot if status == NOSPC else BadSpot, **options)
    for path in rig.paths:
        path.driver.answers_are_final = True
    return rig


@pytest.mark.parametrize("op", [READ, WRITE])
@pytest.mark.parametrize("status", [IOERR, NOSPC])
@pytest.mark.parametrize("paths", [1, 2])
def test_an_error_is_only_theirs_whose_it_is(mode: str, paths: int, status: int, op: int):
    rig = make_bad(mode, status, groups=paths, paths=1)
    rig.paths[0].driver.store.data[:16384] = b"o" * 16384
    bios = four(rig, op)
    rig.world.run()
    sizes = [size for path in rig.paths for _, _, size in path.driver.sent]
    assert max(sizes) > 4096, "they were to be merged at first"
    assert [bio.status for bio in bios] == [OK, status, OK, OK]
    assert rig.letters() == "A" * paths
    if op == READ:
        assert all(bytes(bio.data or b"") == b"o" * 4096 for bio in bios if bio.status == OK)
    else:
        assert rig.store.data[:16384] == DATA + b"o" * 4096 + 2 * DATA
    assert rig.at_rest()


def test_what_is_alone_and_bad_is_tried_elsewhere_once_as_ever(mode: str):
    rig = make_bad(mode)
    bios = four(rig)
    rig.world.run()
    tries = [sent for path in rig.paths for sent in path.driver.sent if sent[1:] == (8, 4096)]
    assert [bio.status for bio in bios] == [OK, IOERR, OK, OK]
    assert len(tries) == 2


def test_what_was_merged_and_whose_client_is_gone_is_not_tried_again(mode: str):
    rig = make_bad(mode, groups=2, paths=1)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=1000)
    four(rig)
    rig.world.pass_time(100)
    rig.client.dead = True
    rig.world.run()
    assert attempts(rig) == [1, 0]
    assert rig.at_rest()


def test_what_has_a_path_error_is_not_taken_apart(mode: str):
    rig = make(mode)
    rig.paths[0].driver.default = Answer(TRANSPORT)
    rig.paths[1].driver.default = Answer(OK)
    bios = four(rig)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 4
    if mode == "rq":
        assert [size for _, _, size in rig.paths[1].driver.sent][-1] == 16384


def test_discards_of_several_ranges_fail_each_for_itself(mode: str):
    rig = make_bad(mode)
    bios = four(rig, DISCARD)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, IOERR, OK, OK]
