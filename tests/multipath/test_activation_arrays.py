"""Activation by the handlers of real arrays: groups are switched, arrays move by themselves, transitions take time."""

import pytest
from tests.multipath.scsi_rig import ScsiRig

from hawser.block.request import NOT_SENT
from hawser.core.status import OK, TIMEOUT
from hawser.core.units import NS_PER_S
from hawser.lab.world import Answer, Rig
from hawser.multipath.handlers.base import attach_by_kind
from hawser.scsi.port_groups import IMPLICIT, NON_OPTIMIZED, OFFLINE, OPTIMIZED, STANDBY


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def mapped(rig: ScsiRig, mode: str, handler: str, features: str = "") -> Rig:
    """Bio-based, what is attached already counts."""
    if mode == "bio":
        for port in rig.ports:
            attach_by_kind(port)
        handler = ""
    return rig.map(handler, features, mode)


def data(number: int) -> bytes:
    return bytes([number]) * 4096


@pytest.mark.parametrize(("kind", "sides"), [("alua", (1, 1, 2, 2)), ("rdac", (1, 1, 2, 2)), ("emc", (0, 0, 1, 1))])
def test_switching_moves_the_unit_and_loses_nothing(mode: str, kind: str, sides: tuple[int, ...]):
    rig = ScsiRig(kind, sides)
    if kind == "alua":
        rig.states(OPTIMIZED, STANDBY)
    world = mapped(rig, mode, kind)
    for number in range(8):
        world.client.write(8 * number, data(number))
        if number % 2:
            world.message(f"switch_group {1 + number // 2 % 2}")
            world.world.run()
    world.world.run()
    reads = [world.client.read(8 * number, 4096) for number in range(8)]
    world.world.run()
    assert [bio.status for bio in world.client.done] == [OK] * 16
    assert [bytes(read.data or b"") for read in reads] == [data(number) for number in range(8)]
    assert world.letters() == "AAAA"
    assert sum(len(front.refusals) for front in rig.fronts) == 0, "no I/O was sent to the side that does not serve"


def test_hp_sw_paths_come_back_by_reinstating(mode: str):
    rig = ScsiRig("hp_sw", (1, 1, 0, 0))
    world = mapped(rig, mode, "hp_sw", "queue_if_no_path")
    read = world.client.read(0, 512)
    world.world.run(NS_PER_S)
    assert (world.letters(), rig.array.active, world.client.done) == ("FFFF", 0, []), "both sides were started in turn"
    world.message("reinstate_path 259:2")
    world.world.run()
    assert (read.status, world.client.done) == (OK, [read])


def test_an_implicit_array_is_followed(mode: str):
    """The group in use goes standby: I/O fails its paths one after the other and goes to the group that serves now."""
    rig = ScsiRig("alua", (1, 1, 2, 2), tpgs=IMPLICIT)
    rig.states(OPTIMIZED, STANDBY)
    world = mapped(rig, mode, "alua")
    world.client.write(0, data(1))
    world.world.run()
    rig.array.move({1: STANDBY, 2: OPTIMIZED})
    read = world.client.read(0, 4096)
    world.world.run()
    assert (read.status, bytes(read.data or b"")) == (OK, data(1))
    assert world.letters() == "FFAA"


def test_a_transition_under_load_is_waited_for(mode: str):
    """I/O that arrives in a transition is tried again until it is over; no path fails."""
    rig = ScsiRig("alua", (1, 1, 2, 2))
    rig.states(OPTIMIZED, STANDBY)
    world = mapped(rig, mode, "alua")
    world.client.read(0, 512)
    world.world.run()
    rig.array.transition_ns = 3 * NS_PER_S
    rig.array.others = NON_OPTIMIZED
    rig.array.move({1: NON_OPTIMIZED})
    reads = [world.client.read(8 * n, 512) for n in range(8)]
    world.world.run()
    assert [read.status for read in reads] == [OK] * 8
    assert world.letters() == "AAAA"
    assert any(front.refusals for front in rig.fronts)


def test_a_group_whose_transition_is_slow_holds_the_io(mode: str):
    rig = ScsiRig("alua", (1, 1, 2, 2))
    rig.states(OPTIMIZED, STANDBY)
    world = mapped(rig, mode, "alua")
    world.client.read(0, 512)
    world.world.run()
    rig.array.transition_ns = 10 * NS_PER_S
    world.message("switch_group 2")
    read = world.client.read(0, 512)
    began_ns = world.world.clock.now_ns
    world.world.run(began_ns + 9 * NS_PER_S)
    assert len(world.client.done) == 1 and world.status().split()[4] == "1"
    world.world.run()
    assert (read.status, world.letters()) == (OK, "AAAA")


def test_an_offline_group_fails_its_paths(mode: str):
    rig = ScsiRig("alua", (1, 1, 2, 2))
    rig.states(OFFLINE, STANDBY)
    world = mapped(rig, mode, "alua")
    read = world.client.read(0, 512)
    world.world.run()
    assert (read.status, world.letters(), rig.array.states) == (OK, "FFAA", {1: OFFLINE, 2: OPTIMIZED})


def test_an_error_of_another_kind_still_fails_the_path(mode: str):
    rig = ScsiRig("alua", (1, 1, 2, 2))
    world = mapped(rig, mode, "alua")
    rig.paths[1].driver.script.append(Answer(TIMEOUT, fate=NOT_SENT))
    read = world.client.read(0, 512)
    world.world.run()
    assert (read.status, world.letters()) == (OK, "AFAA")
