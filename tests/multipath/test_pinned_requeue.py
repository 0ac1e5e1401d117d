"""Pinned by mutants: when a request is tried again, after what delay, and what the selectors have counted by then."""

from dataclasses import replace

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import FAILFAST_DEV, FAILFAST_MASK, FAILFAST_TRANSPORT, READ, WRITE
from hawser.block.request import Request
from hawser.core.status import MEDIUM, OK, RESOURCE, TRANSPORT
from hawser.core.units import KIB, NS_PER_MS
from hawser.lab.world import LIMITS, Answer, RamDriver, Rig, World, make_multipath
from hawser.multipath.state import PathState


class Reluctant(RamDriver):
    """Says that it is busy while something is outstanding, and would take more all the same."""

    def busy(self) -> bool:
        return len(self.outstanding()) > 0


def make(**options) -> Rig:
    return make_multipath(World(), **options)


def state_of(rig: Rig) -> PathState:
    return rig.device.table.targets[0].state


def counted(rig: Rig) -> list[tuple[int, int]]:
    return [(path.in_flight, path.in_flight_bytes) for path in state_of(rig).paths]


def test_without_a_path_a_request_is_mapped_again_after_100_ms():
    """Kernel a8ac51e4: the path is back after 1 ms, and nobody kicks."""
    rig = make(features="queue_if_no_path", paths=1)
    rig.message("fail_path 259:0")
    bio = rig.client.write(0, bytes(512))
    rig.world.pass_time(NS_PER_MS)
    state_of(rig).reinstate(state_of(rig).paths[0])
    rig.world.pass_time(98 * NS_PER_MS)
    assert not bio.finished
    rig.world.run()
    assert (bio.status, rig.world.clock.now_ns) == (OK, 100 * NS_PER_MS)


@pytest.mark.parametrize(("status", "when_ns"), [(TRANSPORT, 0), (RESOURCE, 100 * NS_PER_MS)])
def test_only_a_want_of_resources_is_retried_after_a_delay(status: int, when_ns: int):
    """Kernel ac514ffc: the target was busy, and shall not be asked again at once."""
    rig = make()
    rig.paths[0].driver.script.append(Answer(status))
    bio = rig.client.write(0, bytes(512))
    rig.world.run()
    assert (bio.status, rig.letters(), rig.world.clock.now_ns) == (OK, "FA", when_ns)


@pytest.mark.parametrize("selector", ["queue-length 0", "service-time 0"])
@pytest.mark.parametrize("refusal", [RESOURCE, MEDIUM])
def test_a_clone_that_its_path_refused_is_counted_down_once(selector: str, refusal: int):
    """Kernel 5de719e3d0 and fb8a6c18fb."""
    rig = make(paths=1, selector=selector)
    rig.paths[0].driver.refuse = refusal
    bio = rig.client.write(0, bytes(512))
    rig.world.settle()
    assert counted(rig) == [(0, 0)]
    rig.paths[0].driver.refuse = OK
    rig.world.run()
    assert (bio.status, counted(rig)) == (OK if refusal == RESOURCE else MEDIUM, [(0, 0)])


def test_a_path_whose_limits_shrank_is_not_sent_too_much():
    rig = make()
    rig.paths[0].device.requests.limits = replace(LIMITS, max_sectors=8)
    bio = rig.client.write(0, bytes(8 * KIB))
    rig.world.run()
    assert (bio.status, rig.letters()) == (OK, "FA")
    assert [path.driver.sent for path in rig.paths] == [[], [(WRITE, 0, 8 * KIB)]]


def test_a_path_that_takes_fewer_segments_now_is_not_sent_too_many():
    rig = make()
    rig.paths[0].device.set_limits(replace(LIMITS, max_segments=2))
    bios = rig.client.submit([Bio(READ, number, 512, rig.client) for number in range(3)])
    rig.world.run()
    assert ([bio.status for bio in bios], rig.letters()) == ([OK] * 3, "FA")
    assert [path.driver.sent for path in rig.paths] == [[], [(READ, 0, 3 * 512)]]


def test_clones_are_marked_to_fail_fast_on_the_transport():
    """Linux: multipath_clone_and_map(). So the driver below leaves it to us to try elsewhere; a client's own marks stay."""

    class Looking(RamDriver):
        def queue_rq(self, request: Request) -> int:
            seen.append(request.flags & FAILFAST_MASK)
            return super().queue_rq(request)

    seen: list[int] = []
    rig = make(make_driver=Looking)
    rig.client.write(0, bytes(512))
    rig.client.submit([Bio(READ, 100, 512, rig.client, None, FAILFAST_DEV)])
    rig.world.run()
    assert seen == [FAILFAST_TRANSPORT, FAILFAST_TRANSPORT | FAILFAST_DEV]


def test_while_every_path_says_busy_requests_wait_above_and_merge():
    """Kernel ef9e3facdf: `busy` alone keeps them; the driver would take them."""
    rig = make(make_driver=Reluctant)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=10 * NS_PER_MS)
    for sector in (0, 100):
        rig.client.write(sector, bytes(512))
    assert rig.device.queue.busy()
    for sector in (200, 300, 301, 302):
        rig.client.write(sector, bytes(512))
    assert [len(path.driver.sent) for path in rig.paths] == [1, 1]
    rig.world.run()
    sent = [(sector, size) for path in rig.paths for _, sector, size in path.driver.sent]
    assert sorted(sent) == [(0, 512), (100, 512), (200, 512), (300, 1536)]


def test_one_path_that_is_not_busy_is_enough():
    rig = make(make_driver=Reluctant)
    rig.paths[0].driver.default = Answer(delay_ns=10 * NS_PER_MS)
    rig.client.write(0, bytes(512))
    assert not rig.device.queue.busy()


def test_a_group_that_was_asked_for_is_guessed_until_it_is_entered():
    rig = make(groups=2, paths=1, make_driver=Reluctant)
    rig.paths[0].driver.default = Answer(delay_ns=10 * NS_PER_MS)
    rig.client.write(0, bytes(512))
    assert rig.device.queue.busy()
    rig.message("switch_group 2")
    assert not rig.device.queue.busy()
    rig.client.write(8, bytes(512))
    assert [len(path.driver.sent) for path in rig.paths] == [1, 1]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_each_path_counts_what_it_has_done(mode: str):
    rig = make(mode=mode)
    for number in range(3):
        rig.client.write(number * 100, bytes(512 * (number + 1)))
        rig.world.run()
    rig.paths[1].driver.script.append(Answer(MEDIUM))
    rig.client.read(0, 512)
    rig.world.run()
    assert [(path.ios, path.bytes_done) for path in state_of(rig).paths] == [(2, 2048), (1, 1024)]


def test_switch_group_ends_all_bypassing():
    rig = make(groups=3, paths=1)
    rig.message("disable_group 1")
    rig.message("disable_group 2")
    assert [word for word in rig.status().split() if word in "ADE" and word != "A"] == ["D", "D", "E"]
    rig.message("switch_group 2")
    assert "D" not in rig.status().split()
    rig.client.write(0, bytes(512))
    assert [len(path.driver.sent) for path in rig.paths] == [0, 1, 0]
