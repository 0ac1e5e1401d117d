"""Failover: a path that fails an I/O is taken out of use and the I/O goes another way; what is not the path's fault does not."""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import (
    AGAIN,
    IOERR,
    MEDIUM,
    NOSPC,
    NOTSUPP,
    OFFLINE,
    OK,
    PROTECTION,
    RESV_CONFLICT,
    TARGET,
    TIMEOUT,
    TRANSPORT,
)
from hawser.core.units import KIB, NS_PER_MS
from hawser.lab.world import Answer, Rig, World, make_multipath
from hawser.multipath.path import Path
from hawser.multipath.state import PathEvents

DATA = bytes(range(256)) * 64


@pytest.fixture(params=["rq", "bio", "mq"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, **options) -> Rig:
    return make_multipath(World(), mode=mode, **options)


@pytest.mark.parametrize("status", [TIMEOUT, TRANSPORT, IOERR, OFFLINE, AGAIN])
def test_a_path_error_fails_the_path_and_is_retried_elsewhere(mode: str, status: int):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(status))
    write = rig.client.write(8, DATA)
    rig.world.run()
    read = rig.client.read(8, len(DATA))
    rig.world.run()
    assert (write.status, read.status, bytes(read.data or b"")) == (OK, OK, DATA)
    assert rig.letters() == "FA"
    assert len(rig.paths[0].driver.sent) == 1
    assert rig.device.event_nr == 1
    assert rig.at_rest()


@pytest.mark.parametrize("status", [NOTSUPP, NOSPC, TARGET, RESV_CONFLICT, MEDIUM, PROTECTION])
def test_an_error_of_medium_or_request_goes_up_at_once_and_fails_no_path(mode: str, status: int):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(status))
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters(), len(rig.paths[1].driver.sent)) == (status, "AA", 0)
    assert rig.at_rest()


def test_with_every_path_dead_the_status_differs_by_mode(mode: str):
    """The kernel keeps the path's status in request-based mode, and says I/O error in bio-based mode."""
    rig = make(mode)
    for path in rig.paths:
        path.driver.default = Answer(TIMEOUT)
    bio = rig.client.read(0, 512)
    rig.world.run()
    assert (bio.status, rig.letters()) == (IOERR if mode == "bio" else TIMEOUT, "FF")
    later = rig.client.read(0, 512)
    rig.world.run()
    assert later.status == IOERR
    assert [len(path.driver.sent) for path in rig.paths] == [1, 1], "failed paths get nothing more"
    assert rig.at_rest()


def four(rig: Rig, op: int) -> list[Bio]:
    size = 4 * KIB
    data = [DATA[n * size : (n + 1) * size] for n in range(4)]
    return rig.client.submit(
        [Bio(op, n * 8, size, rig.client, data[n] if op == WRITE else None) for n in range(4)],
    )


@pytest.mark.parametrize(
    ("good", "told", "retried"), [(0, 0, (0, 16)), (8, 2, (16, 8)), (2, 0, (0, 16)), (10, 2, (16, 8)), (12, 3, (24, 4))]
)
@pytest.mark.parametrize("op", [READ, WRITE])
def test_request_based_the_good_prefix_is_told_and_only_the_rest_retried(
    op: int, good: int, told: int, retried: tuple[int, int]
):
    """`good` KiB of four merged 4 KiB bios succeed on p0."""
    rig = make("rq")
    rig.store.data[: len(DATA)] = DATA if op == READ else bytes(len(DATA))
    rig.paths[0].driver.script.append(Answer(TRANSPORT, good_bytes=good * KIB))
    rig.paths[1].driver.default = Answer(delay_ns=NS_PER_MS)
    bios = four(rig, op)
    rig.world.settle()
    assert [bio.finished for bio in bios] == [True] * told + [False] * (4 - told)
    assert rig.paths[0].driver.sent == [(op, 0, 16 * KIB)]
    assert rig.paths[1].driver.sent == [(op, retried[0], retried[1] * KIB)]
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * 4
    assert rig.store.data[: len(DATA)] == DATA
    if op == READ:
        assert b"".join(bio.data or b"" for bio in bios) == DATA
    assert rig.at_rest()


def test_request_based_an_error_of_the_medium_after_a_good_prefix():
    rig = make("rq")
    rig.paths[0].driver.script.append(Answer(MEDIUM, good_bytes=8 * KIB))
    bios = four(rig, WRITE)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK, MEDIUM, MEDIUM]
    assert rig.letters() == "AA"


def test_selectors_get_back_what_was_counted_although_the_request_shrank():
    rig = make("rq", selector="service-time 0")
    rig.paths[0].driver.script.append(Answer(TRANSPORT, good_bytes=6 * KIB))
    rig.paths[1].driver.default = Answer(delay_ns=NS_PER_MS)
    four(rig, WRITE)
    rig.world.settle()
    paths = rig.device.table.targets[0].state.paths
    assert [path.in_flight_bytes for path in paths] == [0, 12 * KIB]
    rig.world.run()
    assert [path.in_flight_bytes for path in paths] == [0, 0]


def test_bio_based_a_failed_path_gives_back_what_waits_for_its_tags():
    """I5: nothing more goes down it."""
    rig = make("bio", depth=1)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    rig.paths[0].driver.script.append(Answer(TRANSPORT, delay_ns=NS_PER_MS))
    for number in range(8):
        rig.client.write(number * 100, DATA[:512])
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * 8
    assert (rig.letters(), len(rig.paths[0].driver.sent), len(rig.paths[1].driver.sent)) == ("FA", 1, 8)
    assert rig.at_rest()


def test_a_path_that_refuses_a_request_is_failed_like_one_that_answers_so(mode: str):
    rig = make(mode)
    rig.paths[0].driver.refuse = OFFLINE
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters()) == (OK, "FA")
    assert not rig.world.disk.fences.orphans


def test_what_was_not_sent_leaves_no_ghost(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(Answer(TRANSPORT, fate=NOT_SENT))
    rig.client.write(0, DATA)
    rig.world.run()
    assert (rig.letters(), rig.world.disk.fences.active) == ("FA", False)


class Heard(PathEvents):
    def __init__(self) -> None:
        self.events: list[str] = []

    def path_failed(self, path: Path, reason: str) -> None:
        self.events.append(f"failed {path.device.name}: {reason}")

    def path_reinstated(self, path: Path) -> None:
        self.events.append(f"reinstated {path.device.name}")


def test_who_decides_about_paths_hears_of_it_once(mode: str):
    rig = make(mode)
    heard = Heard()
    rig.device.table.targets[0].state.events.append(heard)
    rig.paths[0].driver.default = Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS)
    for number in range(4):
        rig.client.read(number * 100, 512)
    rig.world.run()
    for _ in range(2):
        rig.message("reinstate_path 259:0")
        rig.world.settle()
    assert heard.events == ["failed p0: timeout error", "reinstated p0"]
    assert rig.device.event_nr == 2


def test_the_next_group_is_used_when_the_first_has_no_path_left(mode: str):
    rig = make(mode, groups=2)
    for path in rig.paths[:2]:
        path.driver.default = Answer(TRANSPORT)
    bio = rig.client.write(0, DATA)
    rig.world.run()
    assert (bio.status, rig.letters()) == (OK, "FFAA")
    assert rig.status().split()[7:9] == ["2", "2"]


def test_busy_paths_keep_requests_above_where_they_merge():
    rig = make("rq", paths=2, depth=1)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.read(1000, 512)
    rig.client.read(1100, 512)
    for number in range(8):
        rig.client.read(number * 8, 4 * KIB)
    rig.world.run()
    sent = [size for path in rig.paths for _, _, size in path.driver.sent]
    assert sorted(sent) == [512, 512, 4 * KIB, 28 * KIB], "the one that was refused merges no more, those behind it do"
    assert rig.at_rest()
