"""Activation of path groups (pg_init): I/O is held, not failed, until the group is usable; what each result comes to.

S1-12: the state machine of seeds.md 3.14 with a handler that answers by script, and with those of real arrays.
"""

from collections import deque

import pytest
from tests.multipath.scsi_rig import ScsiRig

from hawser.core.clock import Timer
from hawser.core.status import IOERR, OK
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.table import parse_lines
from hawser.lab.world import Rig
from hawser.multipath.handlers.base import HANDLERS, register_handler
from hawser.scsi.device import (
    DH_DEV_FAILED,
    DH_DEV_OFFLINED,
    DH_DEV_TEMP_BUSY,
    DH_IMM_RETRY,
    DH_IO,
    DH_NOMEM,
    DH_NOSYS,
    DH_NOTCONN,
    DH_OK,
    DH_RES_TEMP_UNAVAIL,
    DH_RETRY,
    DH_TIMED_OUT,
    ActivationOwner,
    HardwareHandler,
    ScsiDevice,
)

TAKES_NS = 10 * NS_PER_MS


class _Answered(Timer):
    def __init__(self, handler: "FakeHandler", owner: ActivationOwner | None, result: int) -> None:
        super().__init__()
        self.handler, self.owner, self.result = handler, owner, result

    def expire(self) -> None:
        self.handler.device.tell(self.owner, self.result)


class FakeHandler(HardwareHandler):
    """Activations take 10 ms; they come to what `script` says, then to OK. `asked`: when each began, in ms."""

    def __init__(self, device: ScsiDevice) -> None:
        super().__init__(device)
        self.name = "fake"
        self.script: deque[int] = deque()
        self.asked: list[int] = []

    def attach(self) -> int:
        return DH_OK

    def activate(self, owner: ActivationOwner | None) -> None:
        self.asked.append(self.device.timers.clock.now_ns // NS_PER_MS)
        result = self.script.popleft() if self.script else DH_OK
        self.device.timers.arm(_Answered(self, owner, result), TAKES_NS)


if "fake" not in HANDLERS:
    register_handler("fake", FakeHandler)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


class Fake:
    """Two groups of two paths."""

    def __init__(self, mode: str, features: str = "", groups: tuple[int, ...] = (2, 2)) -> None:
        self.scsi = ScsiRig("hp_sw", (0,) * 4)
        self.handlers: list[FakeHandler] = []
        for port in self.scsi.ports:
            handler = FakeHandler(port)
            self.handlers.append(handler)
            port.handler = handler
        self.rig: Rig = self.scsi.map("" if mode == "bio" else "fake", features, mode, groups)
        self.world = self.rig.world

    def scripts(self, *scripts: tuple[int, ...]) -> None:
        for handler, script in zip(self.handlers, scripts, strict=False):
            handler.script.extend(script)

    def asked(self) -> list[list[int]]:
        return [handler.asked for handler in self.handlers]

    def head(self) -> str:
        """The status up to the number of groups: queue_io and pg_init_count."""
        return " ".join(self.rig.status().split()[3:6])

    def letters(self) -> str:
        return self.rig.letters()


def test_io_is_held_until_all_paths_of_the_group_have_answered(mode: str):
    fake = Fake(mode)
    assert fake.head() == "2 1 0"
    reads = [fake.rig.client.read(8 * n, 512) for n in range(4)]
    fake.world.run(TAKES_NS - 1)
    assert fake.head() == "2 1 1"
    assert [read.status for read in reads] == [OK] * 4 and fake.rig.client.done == []
    assert fake.scsi.sent() == [0, 0, 0, 0]
    fake.world.run()
    assert fake.head() == "2 0 1"
    assert sorted(read.sector for read in fake.rig.client.done) == [0, 8, 16, 24]
    assert fake.scsi.sent() == [2, 2, 0, 0]
    assert fake.asked() == [[0], [0], [], []]
    assert fake.rig.device.event_nr == 0
    assert fake.rig.at_rest()


def test_held_io_flows_as_soon_as_the_group_is_ready(mode: str):
    """Not after the 100 ms of a delayed requeue, or whenever somebody asks again."""
    fake = Fake(mode)
    read = fake.rig.client.read(0, 512)
    fake.world.run(TAKES_NS + 4 * NS_PER_MS)
    assert fake.rig.client.done == [read]


def test_a_switch_activates_the_other_group_and_counts_anew(mode: str):
    fake = Fake(mode)
    fake.rig.client.read(0, 512)
    fake.world.run()
    fake.rig.message("switch_group 2")
    assert fake.head() == "2 0 1", "nothing happens before the next I/O"
    read = fake.rig.client.read(0, 512)
    fake.world.settle()
    assert fake.head() == "2 1 1"
    fake.world.run()
    assert (read.status, fake.scsi.sent()) == (OK, [0, 1, 0, 1]), (
        "the turn that entering a group takes is not given back"
    )
    assert [len(asked) for asked in fake.asked()] == [1, 1, 1, 1]
    assert fake.rig.device.event_nr == 1


@pytest.mark.parametrize("result", [DH_RETRY, DH_IMM_RETRY, DH_RES_TEMP_UNAVAIL])
def test_retries_end_with_the_path(mode: str, result: int):
    """Round n+1 comes if there have been no more than pg_init_retries; a delayed one after pg_init_delay_msecs."""
    fake = Fake(mode, "pg_init_retries 2 pg_init_delay_msecs 50")
    fake.scripts((), (result,) * 3)
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.head()) == (OK, "AFAA", "2 0 3")
    step = 60 if result == DH_RETRY else 10
    assert fake.asked()[:2] == [[0, step, 2 * step]] * 2
    assert fake.rig.device.event_nr == 1
    assert fake.rig.at_rest()


@pytest.mark.parametrize("result", [DH_RETRY, DH_IMM_RETRY])
def test_without_retries_the_first_failure_counts(mode: str, result: int):
    fake = Fake(mode)
    fake.scripts((result,))
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.head()) == (OK, "FAAA", "2 0 1")
    assert fake.asked()[:2] == [[0], [0]]


def test_a_retry_that_succeeds_in_time_fails_nothing(mode: str):
    fake = Fake(mode, "pg_init_retries 1 pg_init_delay_msecs 0")
    fake.scripts((DH_RETRY,))
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.head(), fake.rig.device.event_nr) == (OK, "AAAA", "2 0 2", 0)


def test_the_delay_is_two_seconds_unless_the_table_says_otherwise(mode: str):
    fake = Fake(mode, "pg_init_retries 1")
    fake.scripts((), (DH_RETRY,))
    fake.rig.client.read(0, 512)
    fake.world.run()
    assert fake.asked()[0] == [0, 2010]


def test_the_last_answer_decides_whether_the_next_round_is_put_off(mode: str):
    fake = Fake(mode, "pg_init_retries 3 pg_init_delay_msecs 50")
    fake.scripts((DH_RETRY, DH_IMM_RETRY), (DH_OK, DH_RETRY))
    fake.rig.client.read(0, 512)
    fake.world.run()
    assert fake.asked()[0] == [0, 10, 70]


@pytest.mark.parametrize(
    "result", [DH_DEV_FAILED, DH_IO, DH_DEV_OFFLINED, DH_NOTCONN, DH_TIMED_OUT, DH_NOMEM, DH_NOSYS, 99]
)
def test_any_other_result_fails_the_path_at_once(mode: str, result: int):
    fake = Fake(mode, "pg_init_retries 5")
    fake.scripts((result,))
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.head(), fake.rig.device.event_nr) == (OK, "FAAA", "2 0 1", 1)
    assert fake.scsi.sent() == [0, 1, 0, 0]
    complains = any(
        "Could not failover the device: Handler scsi_dh_fake Error 16." in text for _, text in fake.world.log.lines
    )
    assert complains == (result == DH_NOSYS)


def test_a_busy_device_has_its_group_bypassed(mode: str):
    """The I/O goes to the other group; the next success there says nothing of this one."""
    fake = Fake(mode)
    fake.scripts((), (DH_DEV_TEMP_BUSY,))
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.scsi.sent()) == (OK, "AAAA", [0, 0, 0, 1])
    assert fake.rig.device.event_nr == 1
    words = fake.rig.status().split()
    assert [word for word in words if word in ("D", "E")] == ["D"]


def test_a_success_that_comes_after_lifts_the_bypass(mode: str):
    fake = Fake(mode)
    fake.scripts((DH_OK,), (DH_DEV_TEMP_BUSY,))
    fake.rig.client.read(0, 512)
    fake.world.run()
    assert "D" in fake.rig.status().split()
    fake.rig.message("fail_path 259:2")
    fake.rig.message("fail_path 259:3")
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert read.status == OK
    assert "D" not in fake.rig.status().split(), "it was the last resort, and its activation has succeeded"
    assert fake.asked()[0][1] - fake.asked()[2][0] >= 2000, "which is put off, so as not to hammer the array"


def test_an_io_fails_only_when_every_path_has(mode: str):
    fake = Fake(mode, groups=(4,))
    fake.scripts(*[(DH_IO,)] * 4)
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.scsi.sent()) == (IOERR, "FFFF", [0] * 4)
    assert fake.head().startswith("2 0")


def test_with_queue_if_no_path_it_waits_and_a_reinstated_path_is_activated_first(mode: str):
    fake = Fake(mode, "queue_if_no_path", groups=(4,))
    fake.scripts(*[(DH_IO,)] * 4)
    read = fake.rig.client.read(0, 512)
    fake.world.run(NS_PER_S)
    assert (fake.letters(), fake.rig.client.done) == ("FFFF", [])
    fake.rig.message("reinstate_path 259:1")
    fake.world.run()
    assert fake.rig.client.done == [read]
    assert (read.status, [len(asked) for asked in fake.asked()], fake.scsi.sent()) == (OK, [1, 2, 1, 1], [0, 1, 0, 0])


def test_a_path_that_is_reinstated_in_the_current_group_is_activated_by_itself(mode: str):
    fake = Fake(mode)
    fake.rig.client.read(0, 512)
    fake.world.run()
    fake.rig.message("fail_path 259:1")
    fake.rig.message("reinstate_path 259:1")
    fake.rig.message("reinstate_path 259:1")
    fake.world.run()
    assert [len(asked) for asked in fake.asked()] == [1, 2, 0, 0]
    assert fake.head() == "2 0 1", "that is no round"
    fake.rig.message("fail_path 259:3")
    fake.rig.message("reinstate_path 259:3")
    fake.world.run()
    assert [len(asked) for asked in fake.asked()] == [1, 2, 0, 0], "nor is it asked in another group"


def test_a_path_reinstated_elsewhere_does_not_change_by_which_the_group_was_entered():
    """As long as I/O is held the selector is not asked again."""
    fake = Fake("bio")
    fake.rig.client.read(0, 512)
    fake.world.settle()
    fake.rig.message("fail_path 259:3")
    fake.rig.message("reinstate_path 259:3")
    fake.rig.client.read(8, 512)
    fake.world.run()
    assert [path.driver.sent[0][1] for path in fake.scsi.paths[:2]] == [8, 0]


def test_meanwhile_a_request_based_map_is_busy_and_a_bio_based_one_goes_on(mode: str):
    fake = Fake(mode)
    fake.rig.client.read(0, 512)
    fake.world.run()
    fake.rig.message("fail_path 259:1")
    fake.rig.message("reinstate_path 259:1")
    began_ns = fake.world.clock.now_ns
    read = fake.rig.client.read(0, 512)
    fake.world.run(began_ns + TAKES_NS - 1)
    assert fake.rig.client.done[1:] == ([read] if mode == "bio" else [])
    fake.world.run()
    assert fake.rig.client.done[1:] == [read]


def test_a_path_that_fails_while_it_waits_to_be_activated_is_not(mode: str):
    fake = Fake(mode, "pg_init_retries 1 pg_init_delay_msecs 500")
    fake.scripts((DH_RETRY,), (DH_RETRY,))
    read = fake.rig.client.read(0, 512)
    fake.world.run(100 * NS_PER_MS)
    fake.rig.message("fail_path 259:0")
    fake.world.run()
    assert (read.status, fake.asked()[:2]) == (OK, [[0], [0, 510]])


def test_a_path_whose_device_is_gone_is_failed(mode: str):
    fake = Fake(mode)
    fake.scsi.paths[0].device.requests.die()
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, fake.letters(), fake.asked()[:2]) == (OK, "FAAA", [[], [0]])


def test_a_group_that_is_left_while_it_is_activated_is_not_waited_for_twice(mode: str):
    """All its paths fail meanwhile: the next group has a round of its own when that one is over."""
    fake = Fake(mode)
    read = fake.rig.client.read(0, 512)
    fake.world.run(NS_PER_MS)
    fake.rig.message("fail_path 259:0")
    fake.rig.message("fail_path 259:1")
    fake.world.run()
    assert (read.status, fake.letters(), fake.scsi.sent()) == (OK, "FFAA", [0, 0, 0, 1])
    assert [len(asked) for asked in fake.asked()] == [1, 1, 1, 1]
    assert fake.rig.at_rest()


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_waits_for_the_activation_and_begins_no_other_round(mode: str, noflush: bool):
    fake = Fake(mode, "pg_init_retries 9 pg_init_delay_msecs 0")
    fake.scripts((DH_OK, DH_RETRY))
    fake.rig.client.read(0, 512)
    fake.world.run()
    fake.rig.message("fail_path 259:0")
    fake.rig.message("reinstate_path 259:0")
    fake.world.settle()
    began_ns = fake.world.clock.now_ns
    fake.rig.device.suspend(noflush=noflush)
    fake.world.run(began_ns + TAKES_NS - 1)
    assert not fake.rig.device.is_suspended()
    fake.world.run()
    assert fake.rig.device.is_suspended()
    assert fake.letters() == "FAAA", "there is no other try while a suspend waits"
    assert len(fake.asked()[0]) == 2
    fake.rig.device.resume()
    read = fake.rig.client.read(0, 512)
    fake.world.run()
    assert read.status == OK


def test_a_flush_suspend_with_io_that_is_held(mode: str):
    """Bio-based it ends first; request-based it stays in the map's queue, as in the kernel, and ends after the resume."""
    fake = Fake(mode)
    read = fake.rig.client.read(0, 512)
    fake.world.settle()
    fake.rig.device.suspend(noflush=False)
    fake.world.run()
    assert (fake.rig.device.is_suspended(), len(fake.rig.client.done)) == (True, 1 if mode == "bio" else 0)
    fake.rig.device.resume()
    fake.world.run()
    assert (fake.rig.client.done, read.status) == ([read], OK)


def test_a_new_table_activates_for_itself(mode: str):
    fake = Fake(mode)
    read = fake.rig.client.read(0, 512)
    fake.world.settle()
    handler = "" if mode == "bio" else "fake"
    fake.rig.device.load(parse_lines(fake.scsi.line(handler, "", mode, (4,))), fake.world.registry)
    fake.rig.device.suspend(noflush=True)
    fake.world.run()
    fake.rig.device.resume()
    fake.world.run()
    later = fake.rig.client.read(0, 512)
    fake.world.run()
    assert (read.status, later.status) == (OK, OK)
    assert fake.rig.client.done == [read, later]
    assert fake.head() == "2 0 1"


def test_answers_to_a_table_that_is_gone_do_nothing(mode: str):
    """A path was reinstated, by whoever looks after them, while the map was suspended."""
    fake = Fake(mode)
    fake.scripts((DH_OK, DH_IO))
    fake.rig.client.read(0, 512)
    fake.world.run()
    target = fake.rig.device.table.targets[0]
    target.fail(target.state.paths[0], "")
    fake.rig.device.suspend(noflush=True)
    fake.world.run()
    target.reinstate(target.state.paths[0])
    fake.world.settle()
    handler = "" if mode == "bio" else "fake"
    fake.rig.device.load(parse_lines(fake.scsi.line(handler, "", mode)), fake.world.registry)
    fake.rig.device.resume()
    events = fake.rig.device.event_nr
    fake.world.run()
    assert (target.state.valid_paths, fake.letters(), fake.rig.device.event_nr) == (4, "AAAA", events)
    assert len(fake.asked()[0]) == 2


def test_a_map_that_is_given_up_waits_for_no_activation(mode: str):
    fake = Fake(mode, "queue_if_no_path")
    reads = [fake.rig.client.read(8 * n, 512) for n in range(3)]
    fake.world.settle()
    fake.rig.device.table.targets[0].abandon()
    fake.world.run(TAKES_NS // 2)
    assert [read.status for read in reads] == [IOERR] * 3
    assert len(fake.rig.client.done) == 3


def test_a_map_without_a_handler_is_not_concerned(mode: str):
    rig = ScsiRig().map("", "pg_init_retries 3", mode)
    read = rig.client.read(0, 512)
    rig.world.settle()
    assert read.status == OK and rig.client.done == [read]
    assert rig.status().split()[3:6] == ["2", "0", "0"]
