"""StackRig and its readers: what commands take, who waits for whom, and what the host's time does."""

import pytest

from hawser.block.ops import WRITE
from hawser.core.units import KIB, MIB
from hawser.lab.model.reader import Host
from hawser.lab.model.stack_rig import BLOCK, RAW, StackRig, gain
from hawser.lab.world import MACHINE_2008


def test_a_command_takes_its_fixed_part_and_its_data():
    rig = StackRig(RAW, 1, 32, 2.5, t4_ns=1_000)
    rig.submit([0, 1000], 8 * KIB)
    assert rig.run() == 2 * (2_500 + 2_000)
    assert (rig.commands(), rig.bytes_done(), rig.took_ns) == (2, 16 * KIB, 9_000)
    assert rig.mb_per_s() == pytest.approx(16 * KIB / 9)


@pytest.mark.parametrize(("mode", "paths"), [("rq", 4), ("bio", 4), (RAW, 1)])
def test_what_is_read_is_what_was_asked_for(mode: str, paths: int):
    rig = StackRig(mode, paths, 8, 1)
    rig.read(256, 2, BLOCK, 64, 32)
    rig.run()
    assert rig.bytes_done() == 2 * 256 * BLOCK
    assert rig.commands() + rig.merges_above() + rig.merges_below() == 512


def test_maps_of_a_path_each_have_readers_of_their_own():
    rig = StackRig("bio", 3, 8, 1, apart=True)
    rig.read(64, 3, BLOCK, 8, 8)
    rig.run()
    assert [driver.bytes_done for driver in rig.drivers] == [64 * BLOCK] * 3


def test_a_reader_keeps_as_many_open_as_it_says():
    """Of an endless device: what was asked for and has no answer yet."""
    rig = StackRig(RAW, 1, 1024, 1)
    rig.read(100, 1, BLOCK, 20, 5, plug=False, seed=3)
    assert rig.queues[0].in_flight == 20
    assert rig.readers[0].left == 80
    rig.run()
    assert rig.readers[0].done == 100


@pytest.mark.parametrize(("outstanding", "batch"), [(0, 1), (10, 4), (-4, 4), (1 << 21, 1)])
def test_a_reader_says_what_does_not_fit(outstanding: int, batch: int):
    rig = StackRig(RAW, 1, 8, 1)
    with pytest.raises(ValueError, match="multiples of its batch"):
        rig.read(1 << 22, 1, BLOCK, outstanding, batch)


def test_random_reads_are_those_of_the_seed_and_each_readers_own():
    sent = []
    for seed in (1, 1, 2):
        rig = StackRig(RAW, 1, 1024, 1)
        rig.read(50, 2, BLOCK, 50, 1, plug=False, seed=seed)
        readers = [[(bio.rng.high, bio.rng.low) for bio in rig.readers]]
        rig.run()
        sent.append((readers, rig.commands()))
    assert sent[0] == sent[1] != sent[2]
    assert sent[0][0][0][0] != sent[0][0][0][1]


def test_a_host_that_is_slower_than_the_device_is_the_limit():
    rig = StackRig(RAW, 1, 32, 0, t4_ns=1_000)
    host = Host(rig.world.timers, 5_000)
    rig.read(100, 2, BLOCK, 4, 1, host=host)
    assert rig.run() == 200 * 5_000 + 1_000
    assert host.busy_ns == 1_000_000


def test_what_goes_past_the_scheduler_does_not_merge():
    """Of eight one is with the driver, and one had left the scheduler when there was no tag."""
    for bypass, merged in ((False, 5), (True, 0)):
        rig = StackRig(RAW, 1, 1, 1, bypass=bypass)
        rig.read(8, 1, BLOCK, 8, 1, plug=False, op=WRITE)
        rig.run()
        assert rig.merges_below() == merged


def test_a_selector_that_stays():
    rig = StackRig("bio", 2, 32, 1)
    rig.stay(3)
    rig.sequence(12, batch=1)
    rig.run()
    assert [driver.commands for driver in rig.drivers] == [6, 6]
    rig.sequence(2)
    rig.run()
    assert [driver.commands for driver in rig.drivers] == [8, 6]


def test_the_machine_of_2008_is_one_too():
    rig = StackRig("rq", 2, 32, 1, machine=MACHINE_2008)
    rig.sequence(2)
    rig.run()
    assert rig.commands() == 1, "the device was plugged"


def test_gain_is_that_of_the_model():
    """Commands of 512 KiB against commands of 4 KiB, both by a device."""
    speed = []
    for size in (MIB // 2, BLOCK):
        rig = StackRig(RAW, 1, 32, 2.7)
        rig.set_nomerges(2)
        rig.submit(list(range(0, MIB // 512, size // 512)), size)
        rig.run()
        speed.append(rig.mb_per_s())
    assert speed[0] / speed[1] == pytest.approx(gain(2.7, 128))
