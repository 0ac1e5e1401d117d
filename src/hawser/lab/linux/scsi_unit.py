"""What scsi_debug's disks answer to commands that are no I/O, for the hardware handler that may be attached to them.

Linux: resp_inquiry(), resp_report_tgtpgs() and resp_mode_select() of drivers/scsi/scsi_debug.c. With `vpd_use_hostno` 0 all
disks are one logical unit, each behind a port group of its own, whose state follows from the number of its host modulo 3:
optimized, non-optimized, standby. The array claims implicit ALUA only, and no state ever changes.
"""

from struct import pack
from typing import TYPE_CHECKING, Final

from hawser.core.clock import Timer
from hawser.core.turn import Work
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.kit import Kit
from hawser.scsi.commands import (
    EVPD,
    INQUIRY,
    MAINTENANCE_IN,
    MODE_SELECT_6,
    MODE_SELECT_10,
    NO_CONNECT,
    REPORT_TARGET_PORT_GROUPS,
    START_STOP_UNIT,
    TEST_UNIT_READY,
    Command,
    Result,
    allocation_length,
    failed_with,
)
from hawser.scsi.device import GONE, OFFLINE, RUNNING, CommandOwner, ScsiDevice, ScsiWorld
from hawser.scsi.inquiry import (
    ASCII,
    DEVICE_IDENTIFICATION,
    NAA,
    OF_PORT,
    PORT_GROUP,
    RELATIVE_PORT,
    T10_VENDOR,
    Designator,
    StandardInquiry,
    encode_identification,
    encode_page,
    encode_standard,
)
from hawser.scsi.port_groups import (
    IMPLICIT,
    OPTIMIZED,
    SUPPORTS_OPTIMIZED,
    SUPPORTS_UNAVAILABLE,
    UNAVAILABLE,
    GroupState,
    encode_report,
)
from hawser.scsi.sense import INVALID_CDB_FIELD, INVALID_OPCODE, INVALID_PARAMETER

if TYPE_CHECKING:
    from hawser.lab.linux.scsi_debug import ScsiDriver

NAA_OF_UNITS: Final = 0x3333333000000000
SERIAL_PAGE: Final = 0x80
# What scsi_debug says that its group can be in; the kernel's log has it as tolUSNA.
_FIRST_FOUR: Final = 0x0F


class _Reply(Timer):
    def __init__(self, unit: "DebugUnit", command: Command, owner: CommandOwner) -> None:
        super().__init__()
        self.unit = unit
        self.command = command
        self.owner = owner

    def expire(self) -> None:
        self.owner.command_done(self.command, self.unit.answer(self.command))


class _Now(Work):
    def __init__(self, reply: _Reply) -> None:
        self.reply = reply

    def run(self) -> None:
        self.reply.expire()


class DebugUnit(ScsiDevice):
    def __init__(self, driver: "ScsiDriver", kit: Kit, facts: Facts, world: ScsiWorld) -> None:
        super().__init__(facts.text("hctl", "0:0:0:0"), world, kit.turn, kit.timers, kit.log)
        self.driver = driver
        scsi = facts.part("scsi")
        names = (scsi.text("vendor", "Linux"), scsi.text("model", "scsi_debug"), scsi.text("rev"))
        self.is_one_unit = facts.part("params").part("effective").text("vpd_use_hostno", "1") == "0"
        self._inquiry = encode_standard(StandardInquiry(*names, IMPLICIT if self.is_one_unit else 0), bytes(60))
        host, channel, target, lun = [int(number) for number in self.name.split(":")]
        self.host_number = host
        self.group_id = ((host + 1 & 0x7F) << 8) + (channel & 0x7F)
        self.unit_number = ((0 if self.is_one_unit else host) + 1) * 2000 + target * 1000 + lun

    def follow(self, state: str) -> None:
        """The disk is in another state, in sysfs' words."""
        was = self.state
        self.state = {"running": RUNNING, "offline": OFFLINE}.get(state, GONE)
        if self.state == RUNNING and was != RUNNING and self.handler is not None:
            self.handler.rescan()

    def inquiry(self) -> bytes:
        return self._inquiry

    def page(self, page: int) -> bytes | None:
        serial = str(self.unit_number).encode()
        if page == SERIAL_PAGE:
            return encode_page(page, serial)
        if page != DEVICE_IDENTIFICATION:
            return None
        return encode_identification(
            [
                Designator(T10_VENDOR, self._inquiry[8:32] + serial, code_set=ASCII),
                Designator(NAA, pack(">Q", NAA_OF_UNITS + self.unit_number)),
                Designator(RELATIVE_PORT, pack(">xxH", 1), OF_PORT),
                Designator(PORT_GROUP, pack(">xxH", self.group_id), OF_PORT),
            ]
        )

    def execute(self, command: Command, owner: CommandOwner) -> None:
        reply = _Reply(self, command, owner)
        delay_ns = 0 if command.opcode() == INQUIRY or self.state != RUNNING else self.driver.host.delay_ns(0)
        if delay_ns:
            self.timers.arm(reply, delay_ns)
        else:
            self.turn.defer(_Now(reply))

    def answer(self, command: Command) -> Result:
        """What the disk answers now."""
        if self.state != RUNNING:
            return Result(NO_CONNECT)
        opcode = command.opcode()
        if opcode == INQUIRY:
            return self._inquire(command)
        if opcode == MAINTENANCE_IN and command.service_action() == REPORT_TARGET_PORT_GROUPS:
            return Result(data=self._report()[: allocation_length(command.cdb)])
        if opcode in (TEST_UNIT_READY, START_STOP_UNIT):
            return Result()
        # It knows no page that a handler would set.
        return failed_with(INVALID_PARAMETER if opcode in (MODE_SELECT_6, MODE_SELECT_10) else INVALID_OPCODE)

    def _inquire(self, command: Command) -> Result:
        data = self.page(command.cdb[2]) if command.cdb[1] & EVPD else self._inquiry
        if data is None:
            return failed_with(INVALID_CDB_FIELD)
        return Result(data=data[: allocation_length(command.cdb)])

    def _report(self) -> bytes:
        """Of its two ports the second leads nowhere. It does not know the extended header, and does not mind it."""
        state, supports = (self.host_number % 3, _FIRST_FOUR) if self.is_one_unit else (OPTIMIZED, SUPPORTS_OPTIMIZED)
        own = GroupState(self.group_id, state, False, supports, ports=(1,))
        other = GroupState(self.group_id + 0x80, UNAVAILABLE, False, SUPPORTS_UNAVAILABLE, ports=(2,))
        return encode_report([own, other], False)
