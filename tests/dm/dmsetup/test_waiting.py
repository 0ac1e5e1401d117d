"""Verbs that wait, each a generator that its world resumes when the condition that it gave is met."""

from collections.abc import Generator

import pytest
from tests.dm.dmsetup.shell import TABLE, Shell

from hawser.core.units import NS_PER_MS
from hawser.dm.condition import Condition
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Client


def test_a_suspend_waits_for_what_is_in_flight() -> None:
    shell = Shell()
    client = Client(shell.device)
    client.read(0, 512)
    run, answer = shell.begin("suspend", "mp")
    condition = next(run)
    assert not condition.ready()
    shell.world.run()
    assert condition.ready()
    assert list(run) == []
    assert answer.rc == 0
    assert shell.device.is_suspended()


def test_a_suspend_that_is_interrupted_is_undone() -> None:
    shell = Shell()
    Client(shell.device).read(0, 512)
    run, _ = shell.begin("suspend", "mp")
    next(run)
    run.close()
    shell.world.run()
    assert not shell.device.is_suspended()
    assert not shell.device.is_suspending()


def test_waiting_for_an_event() -> None:
    shell = Shell()
    run, answer = shell.begin("wait", "mp")
    condition = next(run)
    assert not condition.ready()
    assert shell.say("message", "mp", "0", "fail_path", "259:0")[0] == 0
    shell.world.settle()
    assert condition.ready()
    assert list(run) == []
    assert answer.rc == 0
    assert shell.say("wait", "mp", "0")[0] == 0


def test_waiting_ends_when_the_device_goes() -> None:
    shell = Shell()
    run, answer = shell.begin("wait", "mp")
    condition = next(run)
    assert shell.say("remove", "mp")[0] == 0
    assert condition.ready()
    assert list(run) == []
    assert answer.rc == 0


def test_a_removal_is_tried_again_for_a_while() -> None:
    shell = Shell()
    shell.device.open_count = 1
    run, answer = shell.begin("remove", "--retry", "mp")
    waits = 0
    for condition in run:
        assert condition.deadline_ns == shell.world.clock.now_ns + 200 * NS_PER_MS
        shell.world.clock.now_ns = condition.deadline_ns
        waits += 1
        if waits == 3:
            shell.device.open_count = 0
    assert (waits, answer.rc) == (3, 0)
    assert shell.world.registry.all_mapped() == []


def test_a_reload_swaps_under_way() -> None:
    shell = Shell()
    assert shell.say("load", "mp", "--table", TABLE.replace("round-robin", "queue-length"))[0] == 0
    assert shell.say("resume", "mp")[0] == 0
    assert "queue-length" in shell.say("table", "mp")[1]


def test_a_suspend_waits_for_the_one_that_is_under_way() -> None:
    shell = Shell()
    Client(shell.device).read(0, 512)
    first, _ = shell.begin("suspend", "mp")
    told = next(first)
    second, answer = shell.begin("suspend", "mp")
    condition = next(second)
    assert (told.ready(), condition.ready()) == (False, False)
    shell.world.run()
    assert (told.ready(), condition.ready()) == (True, True)
    assert [list(first), list(second), answer.rc] == [[], [], 0]
    assert shell.device.is_suspended()


@pytest.mark.parametrize(
    ("suspended", "words", "frozen"),
    [(False, [], 1), (False, ["--noflush"], 0), (False, ["--nolockfs"], 0), (True, [], 0)],
)
def test_what_is_cached_above_is_written_before_a_new_table(suspended: bool, words: list[str], frozen: int) -> None:
    """By the suspend that the resume of an active device is; a device that is suspended has done so already."""
    shell = Shell()
    if suspended:
        shell.say("suspend", "mp")
    calls: list[MappedDevice] = []

    def freeze(device: MappedDevice) -> Generator[Condition, None, bool]:
        calls.append(device)
        yield from ()
        return True

    shell.control.freeze = freeze
    assert shell.say("load", "mp", "--table", TABLE)[0] == 0
    assert shell.say("resume", "mp", *words)[0] == 0
    assert len(calls) == frozen


def test_devices_are_called_what_the_kernel_calls_them() -> None:
    shell = Shell()
    around = Surroundings(shell.control)
    assert [around.block_name(number) for number in ("254:0", "259:0", "9:9")] == ["dm-0", "d0", ""]


@pytest.mark.parametrize(("words", "frozen"), [([], 1), (["--noflush"], 0), (["--force"], 0)])
def test_wiping_flushes_unless_it_is_told_or_forced_not_to(words: list[str], frozen: int) -> None:
    shell = Shell()
    calls: list[MappedDevice] = []

    def freeze(device: MappedDevice) -> Generator[Condition, None, bool]:
        calls.append(device)
        yield from ()
        return True

    shell.control.freeze = freeze
    assert shell.say("wipe_table", *words, "mp")[0] == 0
    assert (len(calls), shell.say("table", "mp")[1]) == (frozen, "0 2048 error \n")
