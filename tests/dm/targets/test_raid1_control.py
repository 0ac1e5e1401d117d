"""raid1 when clients die, devices are suspended and the process ends: what has gone to one leg goes to the other."""

import pytest
from tests.dm.controls import begin_suspend, load, suspend
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.ops import FLUSH, READ, WRITE
from hawser.block.request import NOT_SENT
from hawser.core.status import IOERR, OK
from hawser.core.units import NS_PER_MS
from hawser.lab.world import Answer, Client

MS = NS_PER_MS
TABLE = "0 1024 raid1 2 259:0 0 259:1 0"
AA, DA = ("2 259:0 259:1 1 " + letters for letters in ("AA", "DA"))


def test_a_dead_clients_write_that_went_to_one_leg_goes_to_the_other():
    """Dropped from the queue of one leg it would make the legs differ, and cost a leg."""
    rig = TargetRig(TABLE, depth=1)
    first = rig.disks[0].driver
    other = Client(rig.device)
    first.default = Answer(silent=True)
    blocker = other.write(100, bytes(512))
    rig.world.settle()
    bio = rig.client.write(0, pattern(1, 8))
    waiting = rig.client.write(4, pattern(9, 8))
    rig.world.settle()
    rig.client.dead = True
    rig.device.cancel_dead()
    read, beside = other.read(4, 512), other.read(200, 512)
    rig.world.settle()
    assert (waiting.status, waiting.fate, bio.finished, read.finished) == (IOERR, NOT_SENT, False, False)
    first.default = Answer()
    first.deliver_all(Answer())
    rig.world.run()
    assert (blocker.status, bio.status, beside.status, rig.info()) == (OK, OK, OK, AA)
    # It waited for what the dead one has written, or may have.
    assert bytes(read.data or b"") == pattern(5, 1)
    assert rig.store(0) == rig.store(1)
    assert rig.at_rest()


def test_only_reads_of_its_sectors_wait_for_a_dead_clients_write():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(delay_ns=10 * MS)
    rig.client.write(0, pattern(1, 8))
    rig.world.settle()
    rig.client.dead = True
    rig.device.cancel_dead()
    other = Client(rig.device)
    over, beside = other.read(4, 512), other.read(64, 512)
    rig.world.settle()
    assert (over.finished, beside.finished, rig.target().idle()) == (False, True, False)
    rig.world.run()
    assert (bytes(over.data or b""), rig.info(), rig.target().idle()) == (pattern(5, 1), AA, True)


def test_a_mirror_is_not_idle_while_a_leg_is_written():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(delay_ns=MS)
    rig.client.write(0, pattern(1, 1))
    rig.world.settle()
    assert not rig.target().idle()
    rig.world.run()
    assert rig.target().idle()


def test_dead_clients_reads_are_not_tried_again():
    rig = TargetRig(TABLE)
    rig.disks[0].driver.default = Answer(silent=True)
    read = rig.client.read(0, 512)
    rig.world.settle()
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.disks[0].driver.deliver_all(Answer(IOERR))
    rig.world.run()
    assert (read.status, rig.info()) == (IOERR, AA)


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_waits_for_both_legs_and_what_waits_for_them(noflush: bool):
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(delay_ns=MS)
    bios = [rig.client.write(0, pattern(number, 1)) for number in range(3)]
    heard = begin_suspend(rig.device, noflush)
    late = rig.client.read(0, 512)
    rig.world.pass_time(2 * MS)
    assert heard.words == []
    rig.world.run()
    assert (heard.words, [bio.status for bio in bios], late.finished) == (["suspended"], [OK] * 3, False)
    rig.device.resume()
    rig.world.run()
    assert bytes(late.data or b"") == pattern(2, 1)
    assert rig.at_rest()


def test_a_failed_leg_is_out_until_the_table_is_loaded_anew():
    rig = TargetRig(TABLE)
    rig.disks[0].driver.script.append(Answer(IOERR))
    rig.client.write(0, pattern(1, 1))
    rig.world.run()
    suspend(rig.world, rig.device)
    rig.device.resume()
    assert rig.info() == DA
    rig.disks[0].driver.store.data[:] = rig.store(1)
    load(rig.world, rig.device, TABLE)
    suspend(rig.world, rig.device)
    rig.device.resume()
    assert rig.info() == AA
    read = rig.client.read(0, 512)
    rig.world.run()
    assert (bytes(read.data or b""), rig.sent()[0][-1]) == (pattern(1, 1), (READ, 0, 512))


def test_when_the_process_ends_what_waits_fails():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(silent=True)
    bios = [rig.client.write(0, bytes(512)), rig.client.write(0, bytes(512))]
    rig.world.settle()
    rig.device.abandon()
    assert not bios[1].finished
    rig.world.settle()
    assert (bios[0].finished, bios[1].status) == (False, IOERR)
    rig.disks[1].driver.deliver_all(Answer())
    rig.world.run()
    assert rig.at_rest()


def test_both_legs_on_one_disk():
    rig = TargetRig("0 512 raid1 2 259:0 0 259:0 512", 1)
    assert rig.target().devices() == [rig.disks[0].device]
    rig.client.write(1, pattern(1, 1))
    rig.client.flush()
    rig.world.run()
    assert sorted(rig.sent()[0]) == [(WRITE, 1, 512), (WRITE, 513, 512), (FLUSH, 0, 0), (FLUSH, 0, 0)]
