"""`rdac`, `emc` and `hp_sw`: who owns the unit, how that is changed, and which I/O they let pass."""

import pytest
from tests.multipath.scsi_rig import ScsiRig, Waiter

from hawser.core.status import IOERR, OK
from hawser.multipath.handlers.base import attach
from hawser.scsi.commands import (
    INQUIRY,
    LOST,
    MODE_SELECT_6,
    MODE_SELECT_10,
    START_STOP_UNIT,
    TEST_UNIT_READY,
    Result,
    failed_with,
)
from hawser.scsi.device import DH_DEV_FAILED, DH_DEV_TEMP_BUSY, DH_IO, DH_NOSYS, DH_OK, DH_RETRY
from hawser.scsi.disposition import NOT_HANDLED, REQUEUE, SUCCESS
from hawser.scsi.port_groups import NON_OPTIMIZED, OPTIMIZED, STANDBY
from hawser.scsi.sense import MANUAL_INTERVENTION, POWER_ON, RDAC_LOCKED, RDAC_NOT_OWNER, Sense
from hawser.scsi.vendor_pages import MODE_AVT, MODE_IOSHIP

GOOD = Result()


def make(kind: str, *sides: int) -> ScsiRig:
    rig = ScsiRig(kind, sides)
    for port in rig.ports:
        assert attach(port, kind) == ""
    return rig


def activate(rig: ScsiRig, *paths: int) -> list[int]:
    waiters = [Waiter() for _ in paths]
    for waiter, path in zip(waiters, paths, strict=True):
        rig.ports[path].activate(waiter)
    rig.world.run()
    assert all(len(waiter.results) == 1 for waiter in waiters)
    return [waiter.results[0] for waiter in waiters]


def prepared(rig: ScsiRig) -> list[int]:
    return [port.prepare() for port in rig.ports]


# rdac


def test_rdac_takes_a_unit_that_the_other_controller_owns():
    rig = make("rdac", 1, 2)
    assert prepared(rig) == [OK, IOERR]
    assert [port.access_state for port in rig.ports] == [OPTIMIZED, STANDBY]
    assert activate(rig, 1) == [DH_OK]
    assert (rig.array.owner, rig.ports[1].commands) == (2, [INQUIRY, MODE_SELECT_10])
    assert prepared(rig)[1] == OK
    assert activate(rig, 1) == [DH_OK]
    assert rig.ports[1].commands == [INQUIRY, MODE_SELECT_10, INQUIRY], "it is the owner already"
    assert activate(rig, 0) == [DH_OK]
    assert rig.array.owner == 1


def test_rdac_uses_the_short_form_where_the_array_has_few_units():
    rig = ScsiRig("rdac", (2,))
    rig.array.units_max = 31
    assert attach(rig.ports[0], "rdac") == ""
    assert activate(rig, 0) == [DH_OK]
    assert (rig.array.owner, rig.ports[0].commands) == (2, [INQUIRY, MODE_SELECT_6])


def test_rdac_sends_one_command_for_all_units_of_a_controller():
    rig = make("rdac", 2, 2)
    rig.ports[1].name = rig.ports[0].name
    again = rig.ports[1].handler
    again.detach()
    assert again.attach() == DH_OK
    assert again.controller is rig.ports[0].handler.controller
    assert activate(rig, 0, 1) == [DH_OK, DH_OK]
    selects = [port.commands.count(MODE_SELECT_10) for port in rig.ports]
    assert selects == [1, 0]
    assert prepared(rig) == [OK, OK]


@pytest.mark.parametrize(
    ("mode", "preferred", "takes", "state"),
    [
        (MODE_AVT, 2, False, NON_OPTIMIZED),
        (MODE_IOSHIP, 1, False, NON_OPTIMIZED),
        (MODE_IOSHIP, 2, True, NON_OPTIMIZED),
    ],
)
def test_rdac_in_other_modes(mode: int, preferred: int, takes: bool, state: int):
    rig = ScsiRig("rdac", (1, 2))
    rig.array.mode = mode
    rig.array.preferred = preferred
    assert [attach(port, "rdac") for port in rig.ports] == ["", ""]
    assert (prepared(rig), rig.ports[1].access_state) == ([OK, OK], state)
    assert activate(rig, 1) == [DH_OK]
    assert rig.array.owner == (2 if takes else 1)


@pytest.mark.parametrize(
    ("answers", "result", "selects"),
    [
        ([failed_with(Sense(6, 0x2A, 1))] * 5, DH_OK, 6),
        ([failed_with(Sense(6, 0x2A, 1))] * 6, DH_IO, 6),
        ([failed_with(Sense(6, 0x29, 0))] * 20, DH_OK, 21),
        ([failed_with(Sense(2, 4, 1))], DH_OK, 2),
        ([failed_with(Sense(0xB, 0, 0))], DH_OK, 2),
        ([failed_with(RDAC_LOCKED)] * 20, DH_OK, 21),
        ([failed_with(Sense(5, 0x26, 0))], DH_IO, 1),
        ([Result(LOST)], DH_IO, 1),
    ],
)
def test_rdac_tries_again_after_some_answers(answers: list[Result], result: int, selects: int):
    rig = make("rdac", 2)
    port = rig.ports[0]
    port.script.append(Result(data=port.page(0xC9) or b""))
    port.script.extend(answers)
    assert activate(rig, 0) == [result]
    assert port.commands.count(MODE_SELECT_10) == selects
    assert port.prepare() == (OK if result == DH_OK else IOERR)


def test_rdac_cannot_find_out_who_the_owner_is():
    rig = make("rdac", 2)
    rig.ports[0].script.append(Result(LOST))
    assert activate(rig, 0) == [DH_IO]


@pytest.mark.parametrize(
    ("sense", "word"),
    [
        (Sense(2, 4, 1), REQUEUE),
        (Sense(2, 4, 0x81), SUCCESS),
        (Sense(2, 4, 0xA1), REQUEUE),
        (Sense(2, 0xA1, 2), REQUEUE),
        (Sense(2, 4, 3), NOT_HANDLED),
        (RDAC_NOT_OWNER, SUCCESS),
        (Sense(5, 0x20, 0), NOT_HANDLED),
        (POWER_ON, REQUEUE),
        (Sense(6, 0x8B, 2), REQUEUE),
        (Sense(6, 0x2A, 6), NOT_HANDLED),
        (Sense(3, 0x11, 0), NOT_HANDLED),
    ],
)
def test_rdac_senses(sense: Sense, word: int):
    port = make("rdac", 1).ports[0]
    assert port.check_sense(sense) == word
    assert port.prepare() == (IOERR if sense == RDAC_NOT_OWNER else OK)


# emc


@pytest.mark.parametrize("is_old", [False, True])
def test_emc_trespasses(is_old: bool):
    rig = ScsiRig("emc", (0, 1))
    rig.array.is_old = is_old
    assert [attach(port, "emc") for port in rig.ports] == ["", ""]
    assert prepared(rig) == [OK, IOERR]
    assert [port.is_preferred for port in rig.ports] == [True, True]
    select = MODE_SELECT_6 if is_old else MODE_SELECT_10
    assert activate(rig, 1) == [DH_OK]
    assert (rig.array.owner, rig.ports[1].commands, rig.ports[1].prepare()) == (1, [INQUIRY, select, INQUIRY], OK)
    assert activate(rig, 1) == [DH_OK]
    assert rig.ports[1].commands == [INQUIRY, select, INQUIRY, INQUIRY]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (failed_with(Sense(5, 4, 0)), DH_DEV_TEMP_BUSY),
        (failed_with(Sense(2, 4, 3)), DH_DEV_TEMP_BUSY),
        (failed_with(Sense(5, 0x26, 0)), DH_DEV_FAILED),
        (Result(LOST), DH_IO),
    ],
)
def test_emc_trespasses_that_fail(answer: Result, result: int):
    rig = make("emc", 1)
    port = rig.ports[0]
    port.script.extend([Result(data=port.page(0xC0) or b""), answer])
    assert activate(rig, 0) == [result]
    assert port.prepare() == IOERR


def test_emc_does_not_trespass_during_an_upgrade():
    rig = make("emc", 0, 1)
    rig.array.is_upgrading = True
    assert activate(rig, 1) == [DH_DEV_TEMP_BUSY]
    assert (rig.array.owner, rig.ports[1].commands) == (0, [INQUIRY])
    rig.array.is_upgrading = False
    rig.array.failover = 1
    assert activate(rig, 1) == [DH_NOSYS]


def test_emc_arguments_make_an_owner_trespass_anew():
    rig = make("emc", 0, 1)
    first, second = (port.handler for port in rig.ports)
    assert [first.set_parameters(["1", "1"]), second.set_parameters(["1", "0"])] == ["", ""]
    assert (first.short_trespass, first.honor_reservations, second.honor_reservations) == (True, True, False)
    assert prepared(rig) == [IOERR, IOERR], "not before that is done"
    rig.world.run()
    assert [port.commands for port in rig.ports] == [[MODE_SELECT_6, INQUIRY], []]
    assert prepared(rig) == [OK, IOERR]


@pytest.mark.parametrize(
    ("sense", "word"),
    [
        (MANUAL_INTERVENTION, SUCCESS),
        (Sense(5, 0x25, 1), SUCCESS),
        (POWER_ON, REQUEUE),
        (Sense(5, 0x25, 0), NOT_HANDLED),
        (Sense(2, 4, 1), NOT_HANDLED),
        (Sense(3, 0x11, 0), NOT_HANDLED),
    ],
)
def test_emc_senses(sense: Sense, word: int):
    assert make("emc", 0).ports[0].check_sense(sense) == word


# hp_sw


def test_hp_sw_starts_the_passive_side():
    """It is the next look that finds it active, as in the kernel."""
    rig = make("hp_sw", 0, 1)
    assert prepared(rig) == [OK, IOERR]
    assert activate(rig, 1) == [DH_OK]
    assert (rig.array.active, rig.ports[1].commands) == (1, [TEST_UNIT_READY, START_STOP_UNIT])
    assert prepared(rig)[1] == IOERR
    assert activate(rig, 1) == [DH_OK]
    assert prepared(rig)[1] == OK


@pytest.mark.parametrize(
    ("answers", "result", "commands"),
    [
        ([failed_with(POWER_ON), GOOD], DH_OK, 2),
        ([failed_with(POWER_ON)] * 20, DH_OK, 22),
        ([failed_with(Sense(2, 4, 3))], DH_IO, 1),
        ([Result(LOST)], DH_IO, 1),
        ([failed_with(Sense(2, 4, 2)), failed_with(MANUAL_INTERVENTION)], DH_OK, 3),
        ([failed_with(Sense(2, 4, 2)), *[failed_with(MANUAL_INTERVENTION)] * 4], DH_RETRY, 5),
        ([failed_with(Sense(2, 4, 2)), failed_with(Sense(5, 0x20, 0))], DH_IO, 2),
        ([failed_with(Sense(2, 4, 2)), Result(LOST)], DH_IO, 2),
    ],
)
def test_hp_sw_answers(answers: list[Result], result: int, commands: int):
    rig = make("hp_sw", 1)
    rig.ports[0].script.extend(answers)
    assert activate(rig, 0) == [result]
    assert len(rig.ports[0].commands) == commands


def test_hp_sw_is_not_attached_to_what_is_not_ready():
    rig = ScsiRig("rdac", (2,))
    assert attach(rig.ports[0], "hp_sw") == "EINVAL"
    assert rig.ports[0].check_sense(POWER_ON) == NOT_HANDLED
