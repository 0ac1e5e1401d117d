"""Rules of what protects data, each from the outside: what waits, what is told, and what is read afterwards."""

import pytest
from tests.manager.looked_after import Care, look_after

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT
from hawser.core.units import KIB, NS_PER_MS
from hawser.lab.world import Answer, Client, World, make_multipath

LANDS = Answer(TIMEOUT, fate=UNKNOWN)
OLD, NEW = b"o" * 4096, b"n" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_of_a_discard_of_several_ranges_each_is_fenced(mode: str):
    """Merged into one command they lie apart. Whichever may still be executed, nothing newer is written to it before that."""
    ranges = QueueLimits(max_discard_sectors=65536, max_discard_segments=8)
    rig = make_multipath(World(), mode=mode, limits=ranges, features="queue_if_no_path")
    rig.message("fail_path 259:1")
    driver = rig.paths[0].driver
    driver.default = LANDS
    discards = rig.client.submit([Bio(DISCARD, sector, 4096, rig.client) for sector in (64, 0, 128)])
    rig.world.settle()
    assert [op for op, _, _ in driver.sent] == [DISCARD], "one command"
    rig.message("reinstate_path 259:1")
    rig.world.run()
    assert [bio.status for bio in discards if bio.finished] == [OK] * 3
    writes = {sector: rig.client.write(sector, NEW) for sector in (0, 64, 128, 512)}
    rig.world.settle()
    assert [sector for sector, write in writes.items() if write.finished] == [512]
    driver.settle(PROOF_ANSWER)
    rig.world.run()
    for sector, write in writes.items():
        assert write.status == OK
        assert rig.store.data[sector * 512 : sector * 512 + 4096] == NEW
    assert rig.at_rest()


@pytest.fixture
def care(mode: str) -> Care:
    """Two groups of one path each, with caches of their own."""
    care = look_after(mode=mode, paths=1, groups=2, cache="path")
    for path in care.paths:
        path.driver.answers_are_final = True
    care.world.settle()
    return care


def test_at_the_limit_of_what_is_retained_writes_wait_for_the_flush_that_makes_room(care: Care):
    """Reads and flushes do not."""
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    driver.script += [Answer(), Answer(), Answer(delay_ns=50 * NS_PER_MS)]
    for number in range(4):
        assert care.settled(care.client.write(16 * number, NEW)).status == OK
    assert [op for op, _, _ in driver.sent] == [WRITE, WRITE, FLUSH, WRITE, WRITE]
    late = [care.client.write(128, NEW), care.client.discard(256, 4096), care.client.write_zeroes(512, 4096)]
    assert care.settled(care.client.read(0, 4096)).data == NEW
    care.world.pass_time(49 * NS_PER_MS)
    assert not any(bio.finished for bio in late)
    assert care.paths[0].device.retained.bytes >= 16 * KIB
    care.world.pass_time(NS_PER_MS)
    assert [bio.status for bio in late if bio.finished] == [OK] * 3
    assert care.world.disk.fences.proofs == {}, "nothing had to be proved"


def test_an_error_that_answers_a_flush_which_nobody_waits_for_is_everybodys(care: Care):
    """The flush that makes room fails. A server tells of a lost write once: the next flush of a client must not succeed."""
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    bystander = Client(care.rig.device, care.world.disk)
    driver.script += [Answer(), Answer(), Answer(IOERR)]
    writes = [care.client.write(16 * number, NEW) for number in range(2)]
    care.world.run()
    assert {write.status for write in writes} == {OK}
    assert [op for op, _, _ in driver.sent] == [WRITE, WRITE, FLUSH]
    assert care.world.disk.doubt == 1
    assert care.settled(bystander.flush()).status == IOERR
    assert care.settled(care.client.flush()).status == IOERR
    care.client.open_disk(care.world.disk)
    assert care.settled(care.client.flush()).status == OK
