"""What waits, one by one: who is let go when one of several proofs comes, and for whom the dead are fenced."""

import pytest
from tests.dm.controls import line, swap

from hawser.block.bio import Bio
from hawser.block.ops import WRITE
from hawser.block.orphan import PROOF_ANSWER, PROOF_PEER_GONE, UNPROVEN
from hawser.block.plug import Plug
from hawser.block.request import UNKNOWN
from hawser.core.status import OK, TIMEOUT
from hawser.core.units import NS_PER_MS
from hawser.dm.request_based import RequestStack
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.fence import FENCED_MAX
from hawser.multipath.target import Multipath
from hawser.multipath.witness import Witness

NEW, NEWER = b"n" * 4096, b"N" * 4096
LOST = Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS)
SLOW = Answer(delay_ns=10 * NS_PER_MS)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def target_of(rig: Rig) -> Multipath:
    assert rig.device.table is not None
    target = rig.device.table.targets[0]
    assert isinstance(target, Multipath)
    return target


def withhold_two(mode: str) -> tuple[Rig, list[Bio]]:
    """Two writes that have succeeded on p1, each with a ghost on p0 and another write beside that."""
    rig = make_multipath(World(), mode=mode)
    first, second = rig.paths
    bios = []
    for sector in (0, 800):
        first.driver.script.append(LOST)
        second.driver.script.append(SLOW)
        bios.append(rig.client.write(sector, NEW))
        rig.client.write(sector, NEWER)
    rig.world.run()
    assert not any(bio.finished for bio in bios)
    assert rig.client.waiting_for_proof == 2
    return rig, bios


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_withheld_writes_each_is_told_by_its_own_proof(mode: str, which: int):
    rig, bios = withhold_two(mode)
    ghosts = list(rig.world.disk.fences.orphans)
    assert len(ghosts) == 2
    sectors = [bio.sector for bio in bios]
    mine = next(ghost for ghost in ghosts if ghost.overlaps(sectors[which], sectors[which] + 1))
    other = next(ghost for ghost in ghosts if ghost is not mine)
    mine.resolve(PROOF_ANSWER)
    rig.world.run()
    assert [bio.finished for bio in bios] == [which == 0, which == 1]
    assert rig.client.waiting_for_proof == 1
    other.resolve(PROOF_ANSWER)
    rig.world.run()
    assert [bio.status for bio in bios if bio.finished] == [OK, OK]
    assert rig.client.waiting_for_proof == 0
    assert rig.at_rest()


def test_what_was_withheld_gives_back_the_tags_that_it_was_lent():
    rig, _ = withhold_two("rq")
    stack = rig.device.stack()
    assert isinstance(stack, RequestStack)
    lent = stack.own.depth
    for ghost in list(rig.world.disk.fences.orphans):
        ghost.resolve(PROOF_PEER_GONE)
    rig.world.run()
    assert stack.own.depth == lent - 2


def test_what_others_have_in_flight_is_not_fenced_when_a_client_dies(mode: str):
    rig = make_multipath(World(), mode=mode)
    other = Client(rig.device, rig.world.disk)
    for path in rig.paths:
        path.driver.default = SLOW
    dead = rig.client.read(0, 4096)
    alive = [other.write(800, NEW), other.read(1600, 4096)]
    rig.world.settle()
    rig.client.dead = True
    rig.device.cancel_dead()
    assert rig.world.disk.fences.orphans == [], "a read of a dead client's harms nobody"
    more = other.read(0, 4096)
    rig.world.pass_time(10 * NS_PER_MS)
    assert all(bio.finished for bio in [dead, more, *alive])
    assert rig.at_rest()


def test_a_command_that_is_a_dead_clients_in_part_is_fenced():
    rig = make_multipath(World(), mode="rq")
    other, third = Client(rig.device, rig.world.disk), Client(rig.device, rig.world.disk)
    rig.paths[0].driver.script.append(SLOW)
    plug = Plug()
    rig.device.submit(Bio(WRITE, 0, 4096, other, NEW), plug)
    rig.device.submit(Bio(WRITE, 8, 4096, rig.client, NEW), plug)
    plug.finish()
    rig.world.settle()
    assert [size for _, _, size in rig.paths[0].driver.sent] == [8192], "one command"
    rig.client.dead = True
    rig.device.cancel_dead()
    newer = third.write(8, NEWER)
    rig.world.pass_time(9 * NS_PER_MS)
    assert not newer.finished
    rig.world.run()
    assert rig.store.data[4096:8192] == NEWER
    assert rig.at_rest()


def test_bio_based_what_is_withheld_is_congestion_as_what_is_fenced_is():
    rig, _ = withhold_two("bio")
    for _ in range(FENCED_MAX - 2):
        assert not rig.device.congested()
        rig.client.write(0, NEWER)
    assert rig.device.congested()
    for ghost in list(rig.world.disk.fences.orphans):
        ghost.resolve(UNPROVEN)
    rig.world.run()
    assert not rig.device.congested()
    assert rig.at_rest()


def test_a_device_is_in_use_while_one_of_its_paths_is(mode: str):
    rig = make_multipath(World(), mode=mode)
    swap(rig, line(rig, [[0], [0, 1]], mode))
    target, device = target_of(rig), rig.paths[0].device
    first, second = target.state.over(device)
    assert target.state.uses(device)
    target.fail(first, "one of them")
    assert target.state.uses(device)
    target.fail(second, "the other, too")
    assert not target.state.uses(device)
    assert target.state.uses(rig.paths[1].device)


def test_without_groups_the_number_of_the_group_is_0_and_before_any_was_used_1(mode: str):
    rig = make_multipath(World(), mode=mode)
    assert target_of(rig).state.group_number() == 1
    swap(rig, line(rig, [], mode))
    assert target_of(rig).state.group_number() == 0


def test_what_is_in_a_paths_own_cache_is_to_be_found_there_and_everywhere_once_it_is_flushed():
    rig = make_multipath(World(), paths=1, groups=2, cache="path")
    holder, other = (path.device for path in rig.paths)
    rig.client.write(0, NEW)
    rig.world.settle()
    (testimony,) = rig.world.disk.witness.testimonies()
    assert (testimony.is_visible(holder), testimony.is_visible(other)) == (True, False)
    rig.client.flush()
    rig.world.settle()
    assert (testimony.is_visible(holder), testimony.is_visible(other)) == (True, True)


def test_what_a_cache_may_have_lost_testifies_no_more_and_the_rest_does():
    rig = make_multipath(World(), paths=1, groups=2, cache="path")
    holder, other = (path.device for path in rig.paths)
    witness: Witness = rig.world.disk.witness
    rig.client.write(0, NEW)
    rig.world.settle()
    rig.client.flush()
    rig.world.settle()
    rig.client.write(80, NEWER)
    rig.world.settle()
    witness.forget_unflushed(other)
    assert {testimony.sector for testimony in witness.testimonies()} == {0, 80}
    witness.forget_unflushed(holder)
    assert {testimony.sector for testimony in witness.testimonies()} == {0}
