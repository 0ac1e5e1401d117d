"""`alua`: what it finds out and when, what it tells the array, and which I/O it lets pass."""

import pytest
from tests.multipath.scsi_rig import ScsiRig, Waiter

from hawser.core.status import IOERR, OK
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.multipath.handlers.base import attach
from hawser.scsi.commands import LOST, MAINTENANCE_IN, MAINTENANCE_OUT, NOT_TAKEN, TEST_UNIT_READY, Result, failed_with
from hawser.scsi.device import (
    DH_DEV_OFFLINED,
    DH_DEV_TEMP_BUSY,
    DH_IO,
    DH_NOSYS,
    DH_OK,
    DH_RES_TEMP_UNAVAIL,
)
from hawser.scsi.disposition import NEEDS_RETRY, NOT_HANDLED, REQUEUE
from hawser.scsi.port_groups import (
    EXPLICIT,
    IMPLICIT,
    LBA_DEPENDENT,
    NON_OPTIMIZED,
    OFFLINE,
    OPTIMIZED,
    STANDBY,
    TRANSITIONING,
    UNAVAILABLE,
)
from hawser.scsi.sense import ABORTED_COMMAND, STATE_CHANGED, Sense

RTPG, STPG, TUR = MAINTENANCE_IN, MAINTENANCE_OUT, TEST_UNIT_READY


def make(*sides: int, **options) -> ScsiRig:
    rig = ScsiRig("alua", sides or (1, 2), **options)
    for port in rig.ports:
        assert attach(port, "alua") == ""
    return rig


def activate(rig: ScsiRig, path: int = 0) -> Waiter:
    waiter = Waiter()
    rig.ports[path].activate(waiter)
    rig.world.run()
    return waiter


def test_attaching_asks_for_nothing():
    rig = make()
    rig.states(STANDBY, STANDBY)
    rig.world.run()
    assert [port.commands for port in rig.ports] == [[], []]
    assert [port.prepare() for port in rig.ports] == [OK, OK]
    assert [port.handler.group.group_id for port in rig.ports] == [1, 2]


def test_a_report_tells_of_all_groups():
    rig = make(1, 2, 3, 4, 4)
    rig.states(OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE)
    rig.array.preferred = 2
    assert activate(rig).results == [DH_OK]
    assert [port.access_state for port in rig.ports] == [OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE, UNAVAILABLE]
    assert [port.is_preferred for port in rig.ports] == [False, True, False, False, False]
    assert rig.ports[2].access_state_name() == "standby"
    assert [port.commands for port in rig.ports] == [[RTPG], [], [], [], []]
    assert rig.world.clock.now_ns == 5 * NS_PER_MS + 2 * rig.ports[0].latency_ns


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (OPTIMIZED, OK),
        (NON_OPTIMIZED, OK),
        (LBA_DEPENDENT, OK),
        (TRANSITIONING, OK),
        (STANDBY, IOERR),
        (UNAVAILABLE, IOERR),
        (OFFLINE, IOERR),
    ],
)
def test_which_io_may_go(state: int, status: int):
    rig = make()
    rig.ports[0].handler.group.state = state
    assert rig.ports[0].prepare() == status


@pytest.mark.parametrize(
    ("state", "tpgs", "commands", "result"),
    [
        (OPTIMIZED, EXPLICIT, [RTPG], DH_OK),
        (OPTIMIZED, IMPLICIT, [RTPG, RTPG], DH_OK),
        (STANDBY, IMPLICIT, [RTPG, RTPG], DH_OK),
        (NON_OPTIMIZED, EXPLICIT, [RTPG, STPG, RTPG], DH_OK),
        (STANDBY, EXPLICIT, [RTPG, STPG, RTPG], DH_OK),
        (UNAVAILABLE, EXPLICIT | IMPLICIT, [RTPG, STPG, RTPG], DH_OK),
        (OFFLINE, EXPLICIT, [RTPG], DH_DEV_OFFLINED),
        (LBA_DEPENDENT, EXPLICIT, [RTPG], DH_NOSYS),
    ],
)
def test_what_an_activation_does(state: int, tpgs: int, commands: list[int], result: int):
    """With implicit ALUA alone the array is asked once more, and decides."""
    rig = make(tpgs=tpgs)
    rig.states(state, OPTIMIZED)
    if not tpgs & EXPLICIT and state == OPTIMIZED:
        commands = [RTPG, RTPG]
    assert activate(rig).results == [result]
    assert rig.ports[0].commands == commands
    explicit = STPG in commands
    assert rig.array.states == {1: OPTIMIZED if explicit else state, 2: STANDBY if explicit else OPTIMIZED}


@pytest.mark.parametrize(
    ("word", "preferred", "tpgs", "sets"),
    [
        ("1", False, EXPLICIT | IMPLICIT, 0),
        ("0", False, EXPLICIT | IMPLICIT, 1),
        ("1", True, EXPLICIT | IMPLICIT, 1),
        ("1", False, EXPLICIT, 1),
    ],
)
def test_a_non_optimized_group_may_do(word: str, preferred: bool, tpgs: int, sets: int):
    rig = make(tpgs=tpgs)
    assert rig.ports[0].handler.set_parameters([word]) == ""
    rig.states(NON_OPTIMIZED, OPTIMIZED)
    rig.array.preferred = 1 if preferred else 2
    assert activate(rig).results == [DH_OK]
    assert rig.array.sets == sets


def test_activations_that_come_together_share_a_round():
    rig = make(1, 1, 2)
    rig.states(STANDBY, OPTIMIZED)
    waiters = [Waiter(), Waiter()]
    for waiter, port in zip(waiters, rig.ports, strict=False):
        port.activate(waiter)
    rig.world.run()
    assert [waiter.results for waiter in waiters] == [[DH_OK], [DH_OK]]
    assert [port.commands for port in rig.ports] == [[RTPG, STPG, RTPG], [], []]


def test_an_array_that_refuses_to_be_set():
    """It is asked once more; what it says then counts, and I/O finds out."""
    rig = make()
    rig.states(STANDBY, OPTIMIZED)
    rig.array.refuses_sets = True
    assert activate(rig).results == [DH_OK]
    assert rig.ports[0].commands == [RTPG, STPG, RTPG]
    assert rig.ports[0].prepare() == IOERR


@pytest.mark.parametrize("reports", [True, False])
def test_a_transition_is_waited_for(reports: bool):
    """It is asked again every 2 s, by TEST UNIT READY first, until that does not speak of a transition any more."""
    rig = make()
    rig.states(STANDBY, OPTIMIZED)
    rig.array.transition_ns = 5 * NS_PER_S
    rig.array.reports_in_transition = reports
    assert activate(rig).results == [DH_OK]
    assert rig.ports[0].commands == [RTPG, STPG, RTPG, TUR, TUR, TUR, RTPG]
    assert 6 * NS_PER_S < rig.world.clock.now_ns < 6.1 * NS_PER_S
    assert rig.ports[0].prepare() == OK


@pytest.mark.parametrize(("said_s", "limit_s"), [(0, 60), (10, 10)])
def test_a_transition_that_takes_too_long(said_s: int, limit_s: int):
    """60 s, or what the array says: then the port counts as standby."""
    rig = make()
    rig.array.transition_s = said_s
    rig.states(STANDBY, OPTIMIZED)
    rig.array.transition_ns = 1000 * NS_PER_S
    waiter = Waiter()
    rig.ports[0].activate(waiter)
    rig.world.run((limit_s - 1) * NS_PER_S)
    assert waiter.results == []
    rig.world.run((limit_s + 3) * NS_PER_S)
    assert waiter.results == [DH_IO]
    assert (rig.ports[0].prepare(), rig.ports[0].access_state) == (IOERR, STANDBY)


def test_an_array_without_the_extended_header():
    rig = make()
    rig.array.knows_extended = False
    assert activate(rig).results == [DH_OK]
    assert rig.ports[0].commands == [RTPG, RTPG]
    activate(rig)
    assert rig.ports[0].commands == [RTPG, RTPG, RTPG], "it is remembered"


def test_a_long_report_is_asked_for_again():
    rig = make(*range(1, 21))
    assert activate(rig).results == [DH_OK]
    assert rig.ports[0].commands == [RTPG, RTPG]
    assert rig.ports[19].access_state == OPTIMIZED


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ([Result(LOST)], DH_IO),
        ([Result(NOT_TAKEN)], DH_DEV_TEMP_BUSY),
        ([Result(data=b"ab")], DH_IO),
        ([failed_with(Sense(ABORTED_COMMAND, 0x47, 3))], DH_IO),
        ([failed_with(STATE_CHANGED)] * 3, DH_OK),
        ([failed_with(Sense(6, 0x28, 0))], DH_OK),
        ([failed_with(Sense(5, 0x20, 0)), failed_with(Sense(5, 0x20, 0))], DH_IO),
    ],
)
def test_reports_that_fail(answers: list[Result], result: int):
    rig = make()
    rig.ports[0].script.extend(answers)
    assert activate(rig).results == [result]


def test_errors_do_not_matter_where_there_is_but_one_state():
    rig = make()
    rig.array.supports = 0x01
    activate(rig)
    rig.ports[0].script.append(Result(LOST))
    assert activate(rig).results == [DH_OK]


def test_another_port_of_the_group_is_asked_where_one_cannot_be_reached():
    rig = make(1, 1, 2)
    rig.ports[0].is_cut = True
    assert activate(rig).results == [DH_OK]
    assert rig.ports[1].commands == [RTPG]
    rig.ports[1].is_cut = True
    assert activate(rig).results == [DH_RES_TEMP_UNAVAIL]


@pytest.mark.parametrize(
    ("sense", "word", "asks"),
    [
        ((2, 0x04, 0x0A), NEEDS_RETRY, True),
        ((6, 0x04, 0x0A), NEEDS_RETRY, True),
        ((6, 0x29, 0x00), REQUEUE, True),
        ((6, 0x29, 0x04), REQUEUE, False),
        ((6, 0x2A, 0x01), REQUEUE, False),
        ((6, 0x2A, 0x06), REQUEUE, True),
        ((6, 0x2A, 0x07), REQUEUE, True),
        ((6, 0x3F, 0x03), REQUEUE, False),
        ((6, 0x3F, 0x0E), REQUEUE, False),
        ((6, 0x28, 0x00), NOT_HANDLED, False),
        ((2, 0x04, 0x0B), NOT_HANDLED, False),
        ((2, 0x29, 0x00), NOT_HANDLED, False),
        ((3, 0x11, 0x00), NOT_HANDLED, False),
    ],
)
def test_senses(sense: tuple[int, int, int], word: int, asks: bool):
    rig = make()
    port = rig.ports[0]
    assert port.check_sense(Sense(*sense)) == word
    assert (port.handler.group.state == TRANSITIONING) == (sense[1:] == (0x04, 0x0A))
    rig.world.run()
    first = [TUR, RTPG] if sense[1:] == (0x04, 0x0A) else [RTPG]
    assert port.commands == (first if asks else [])
    assert port.check_sense(Sense(*sense, deferred=True)) == NOT_HANDLED


def test_a_rescan_finds_the_port_in_another_group():
    rig = make(1, 2)
    rig.states(OPTIMIZED, STANDBY)
    port = rig.ports[0]
    port.side = 2
    port.handler.rescan()
    rig.world.run()
    assert (port.handler.group.group_id, port.commands, port.prepare()) == (2, [RTPG], IOERR)
    assert port.handler.group is rig.ports[1].handler.group


def test_who_leaves_while_a_round_is_under_way_is_told_all_the_same():
    rig = make(1, 2)
    waiter = Waiter()
    rig.ports[0].activate(waiter)
    rig.ports[0].handler.detach()
    rig.ports[0].handler = None
    rig.world.run()
    assert waiter.results == [DH_OK]
