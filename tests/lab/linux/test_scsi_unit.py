"""What a simulated scsi_debug disk answers to commands that are no I/O, and its files in sysfs that are about handlers."""

import pytest

from hawser.lab.linux.facts import Facts
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.scsi_debug import OFFLINE_STATE, RUNNING, ScsiDebug, ScsiDriver
from hawser.lab.linux.scsi_unit import DebugUnit
from hawser.multipath.handlers.base import attach
from hawser.scsi import commands
from hawser.scsi.commands import CHECK_CONDITION, GOOD, NO_CONNECT, Command, Result
from hawser.scsi.device import CommandOwner, ScsiWorld
from hawser.scsi.inquiry import decode_standard, port_group_of, relative_port_of, unit_name
from hawser.scsi.port_groups import encode_set
from hawser.scsi.sense import INVALID_CDB_FIELD, INVALID_OPCODE, INVALID_PARAMETER, Sense


class Asker(CommandOwner):
    def __init__(self) -> None:
        super().__init__()
        self.results: list[Result] = []

    def command_done(self, command: Command, result: Result) -> None:
        self.results.append(result)


class Scene:
    def __init__(self, hctl: str = "1:0:0:0", hostno: int = 0, delay: int = 0) -> None:
        self.kit = Kit()
        settings = {"delay": delay, "vpd_use_hostno": hostno}
        header = {"hctl": hctl, "params": {"effective": settings}, "scsi": {"vendor": "Linux", "model": "scsi_debug"}}
        self.driver = ScsiDriver(ScsiDebug(Facts(settings, "params"), 1 << 20), self.kit, 8)
        self.unit = DebugUnit(self.driver, self.kit, Facts(header, "s0"), ScsiWorld())
        self.driver.unit = self.unit

    def ask(self, command: Command) -> Result:
        asker = Asker()
        self.unit.execute(command, asker)
        assert asker.results == [], "never at once"
        self.kit.run(10**9)
        assert len(asker.results) == 1
        return asker.results[0]


def test_the_report_is_that_of_scsi_debug():
    result = Scene().ask(commands.report_target_port_groups(128, True))
    assert result.data.hex() == "00000018010f02000000000100000001030802800000000100000002"
    assert Scene().ask(commands.report_target_port_groups(6, False)).data == result.data[:6]


@pytest.mark.parametrize(("hctl", "state"), [("0:0:0:0", 0), ("1:0:0:0", 1), ("2:0:0:0", 2), ("3:0:0:0", 0)])
def test_states_follow_from_the_hosts(hctl: str, state: int):
    scene = Scene(hctl)
    assert scene.ask(commands.report_target_port_groups(128, True)).data[4] == state
    assert unit_name(scene.unit.designators()) == "naa.33333330000007d0"
    assert port_group_of(scene.unit.designators()) == (int(hctl[0]) + 1) << 8
    assert relative_port_of(scene.unit.designators()) == 1


def test_with_host_numbers_they_are_units_of_their_own_without_alua():
    scene = Scene(hostno=1)
    assert (scene.unit.tpgs(), unit_name(scene.unit.designators())) == (0, "naa.3333333000000fa0")
    assert scene.ask(commands.report_target_port_groups(128, True)).data[4:6] == bytes([0, 1])
    assert attach(scene.unit, "alua") == "ENODEV"


@pytest.mark.parametrize(
    ("command", "outcome", "sense"),
    [
        (commands.test_unit_ready(), GOOD, None),
        (commands.start_stop_unit(True), GOOD, None),
        (commands.set_target_port_groups(encode_set([(0x200, 0)])), CHECK_CONDITION, INVALID_OPCODE),
        (commands.mode_select(bytes(8), True), CHECK_CONDITION, INVALID_PARAMETER),
        (commands.inquire_page(0xC8, 255), CHECK_CONDITION, INVALID_CDB_FIELD),
    ],
)
def test_other_commands(command: Command, outcome: int, sense: Sense | None):
    result = Scene().ask(command)
    assert (result.outcome, result.sense) == (outcome, sense)


def test_inquiry():
    facts = decode_standard(Scene().ask(commands.inquiry(96)).data)
    assert (facts.vendor, facts.model, facts.tpgs) == ("Linux", "scsi_debug", 1)
    assert Scene().ask(commands.inquire_page(0x80, 255)).data == b"\0\x80\0\x042000"


def test_a_disk_that_is_offline_cannot_be_reached_and_is_looked_at_when_it_is_back():
    scene = Scene()
    assert attach(scene.unit, "alua") == ""
    scene.driver.set_state(OFFLINE_STATE)
    assert scene.ask(commands.test_unit_ready()).outcome == NO_CONNECT
    assert scene.unit.access_state_name() == "active/optimized", "of which nothing was asked yet"
    scene.driver.set_state(RUNNING)
    scene.kit.run(2 * 10**9)
    assert scene.unit.access_state_name() == "active/non-optimized"


def test_commands_take_their_time():
    scene = Scene(delay=25)
    asker = Asker()
    scene.unit.execute(commands.test_unit_ready(), asker)
    scene.kit.run(99 * 10**6)
    assert asker.results == []
    scene.kit.run(100 * 10**6)
    assert [result.outcome for result in asker.results] == [GOOD]
