"""An error that is an answer: what said EIO is alive. That I/O is tried once elsewhere, and no path is failed."""

import pytest

from hawser.block.request import NOT_SENT
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.lab.world import Answer, Rig, World, make_multipath

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
