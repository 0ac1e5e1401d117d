"""What a path turns out not to do after all is switched off for the device above it, too, and nothing else is.

Linux: dm_done() and clone_endio(), blk_queue_disable_discard() and blk_queue_disable_write_zeroes(); `seeds.md` 3.10.
"""

from dataclasses import replace

import pytest

from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, WRITE_ZEROES
from hawser.core.status import IOERR, MEDIUM, NOTSUPP, OK, TARGET
from hawser.lab.world import Answer, Rig, World, make_multipath

LIMITS = QueueLimits(max_discard_sectors=64, max_write_zeroes_sectors=64)
OFF = {DISCARD: replace(LIMITS, max_discard_sectors=0), WRITE_ZEROES: replace(LIMITS, max_write_zeroes_sectors=0)}
SIZE = 4096


def ask(rig: Rig, op: int) -> int:
    bio = rig.client.discard(0, SIZE) if op == DISCARD else rig.client.write_zeroes(0, SIZE)
    rig.world.run()
    return bio.status


def offered(rig: Rig) -> tuple[bool, bool]:
    limits = rig.device.limits
    return limits.max_discard_sectors > 0, limits.max_write_zeroes_sectors > 0


@pytest.fixture(params=["rq", "bio"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return make_multipath(World(), paths=1, mode=request.param, limits=LIMITS)


@pytest.mark.parametrize("op", [DISCARD, WRITE_ZEROES])
def test_a_path_that_has_switched_it_off_switches_it_off_above(rig: Rig, op: int):
    """As a SCSI disk does whose answer was "invalid opcode"."""
    path = rig.paths[0]
    path.driver.script.append(Answer(TARGET, delay_ns=1))
    bio = rig.client.discard(0, SIZE) if op == DISCARD else rig.client.write_zeroes(0, SIZE)
    path.device.set_limits(OFF[op])
    rig.world.run()
    assert (bio.status, offered(rig)) == (TARGET, (op != DISCARD, op != WRITE_ZEROES))
    assert (ask(rig, op), ask(rig, DISCARD + WRITE_ZEROES - op)) == (NOTSUPP, OK)
    assert rig.letters() == "A"


@pytest.mark.parametrize("op", [DISCARD, WRITE_ZEROES])
def test_an_error_of_a_path_that_still_offers_it_switches_nothing_off(rig: Rig, op: int):
    rig.paths[0].driver.script.append(Answer(TARGET))
    assert (ask(rig, op), offered(rig), ask(rig, op)) == (TARGET, (True, True), OK)


@pytest.mark.parametrize("status", [MEDIUM, IOERR])
def test_another_error_switches_nothing_off(rig: Rig, status: int):
    """Whatever the path offers by then."""
    path = rig.paths[0]
    path.driver.answers_are_final = True
    path.driver.script.append(Answer(status, delay_ns=1))
    bio = rig.client.discard(0, SIZE)
    path.device.set_limits(OFF[DISCARD])
    rig.world.run()
    assert (bio.status, offered(rig)) == (status, (True, True))
