"""ScsiArray: one logical unit behind several ports that do not all serve it, as arrays with asymmetric access are.

    AluaArray   target port groups, each in a state of its own; implicit and explicit; transitions take time
    RdacArray   two controllers, one owner, MODE SELECT of page 0x2C
    EmcArray    two storage processors, one owner, MODE SELECT of page 0x22
    HpArray     two sides, START STOP UNIT

A port answers commands that are no I/O (`ScsiPort.execute`), and says what it would answer an I/O (`refusal`): who carries I/O
out asks it first. What goes wrong is scripted: `ScsiPort.script` holds answers that come before all others, `is_cut` lets nothing
pass.

Fault model. A command is done whole or not at all; an I/O that a port refuses has had no effect.
"""

from collections import deque
from struct import pack
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.core.clock import Timer, Timers
from hawser.core.log import LogSink
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS
from hawser.scsi import port_groups, vendor_pages
from hawser.scsi.commands import (
    EVPD,
    EXTENDED_HEADER,
    INQUIRY,
    MAINTENANCE_IN,
    MAINTENANCE_OUT,
    MODE_SELECT_6,
    MODE_SELECT_10,
    NO_CONNECT,
    START_STOP_UNIT,
    TEST_UNIT_READY,
    Command,
    Result,
    allocation_length,
    failed_with,
)
from hawser.scsi.device import CommandOwner, ScsiDevice, ScsiWorld
from hawser.scsi.inquiry import (
    DEVICE_IDENTIFICATION,
    NAA,
    OF_PORT,
    PORT_GROUP,
    RELATIVE_PORT,
    Designator,
    StandardInquiry,
    encode_identification,
    encode_standard,
)
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
    GroupState,
)
from hawser.scsi.sense import (
    INITIALISATION_REQUIRED,
    INVALID_CDB_FIELD,
    INVALID_OPCODE,
    INVALID_PARAMETER,
    MANUAL_INTERVENTION,
    PORT_OFFLINE,
    PORT_STANDBY,
    PORT_UNAVAILABLE,
    RDAC_NOT_OWNER,
    SET_GROUPS_FAILED,
    STATE_CHANGED,
    Sense,
)
from hawser.scsi.sense import TRANSITIONING as IN_TRANSITION

LATENCY_NS: Final = NS_PER_MS // 5
UNIT_NAA: Final = bytes.fromhex("60014051234567890000000000000001")
_REFUSALS: Final = {
    STANDBY: PORT_STANDBY,
    UNAVAILABLE: PORT_UNAVAILABLE,
    OFFLINE: PORT_OFFLINE,
    TRANSITIONING: IN_TRANSITION,
}
_SERVES: Final = (OPTIMIZED, NON_OPTIMIZED, LBA_DEPENDENT)


class _Exchange(Timer):
    """A command on its way to the array and back; it is carried out half-way."""

    def __init__(self, port: "ScsiPort", command: Command, owner: CommandOwner) -> None:
        super().__init__()
        self.port = port
        self.command = command
        self.owner = owner
        self.result: Result | None = None
        self.tries = 0

    def expire(self) -> None:
        port = self.port
        result = self.result
        if result is None:
            self.tries += 1
            self.result = port.carry_out(self.command)
            port.timers.arm(self, port.latency_ns)
        elif port.wants_again(result, self.tries):
            self.result = None
            port.timers.arm(self, port.latency_ns)
        else:
            self.owner.command_done(self.command, result)


class ScsiPort(ScsiDevice):
    """One port. `number`: its relative target port identifier, from 1; `side`: its port group, controller or processor."""

    def __init__(
        self,
        array: "ScsiArray",
        number: int,
        side: int,
        world: ScsiWorld,
        turn: Turn,
        timers: Timers,
        log: LogSink,
    ) -> None:
        super().__init__(f"{number - 1}:0:0:0", world, turn, timers, log)
        self.array = array
        self.number = number
        self.side = side
        self.latency_ns = LATENCY_NS
        self.is_cut = False
        self.script: deque[Result] = deque()
        # Unit attentions that have not been told.
        self.attentions: deque[Sense] = deque()
        # Opcodes in the order in which they came.
        self.commands: list[int] = []

    def inquiry(self) -> bytes:
        return self.array.inquiry(self)

    def page(self, page: int) -> bytes | None:
        return self.array.page(self, page)

    def readiness(self) -> Result:
        sense = self.array.readiness(self)
        return Result() if sense is None else failed_with(sense)

    def execute(self, command: Command, owner: CommandOwner) -> None:
        self.timers.arm(_Exchange(self, command, owner), self.latency_ns)

    def carry_out(self, command: Command) -> Result:
        if self.is_cut:
            return Result(NO_CONNECT)
        self.commands.append(command.opcode())
        if self.script:
            return self.script.popleft()
        opcode = command.opcode()
        if opcode == INQUIRY:
            data = self.page(command.cdb[2]) if command.cdb[1] & EVPD else self.inquiry()
            if data is None:
                return failed_with(INVALID_CDB_FIELD)
            return Result(data=data[: allocation_length(command.cdb)])
        if self.attentions:
            return failed_with(self.attentions.popleft())
        if opcode == TEST_UNIT_READY:
            return self.readiness()
        return self.array.answer(self, command)

    def refusal(self) -> Sense | None:
        """What an I/O that arrives now is answered instead of being done; None: it is done."""
        if self.attentions:
            return self.attentions.popleft()
        return self.array.readiness(self)


@mypyc_attr(allow_interpreted_subclasses=True)
class ScsiArray:
    """`ports` in order of their numbers. `timers` are its own; ports may be somebody's with other ones."""

    vendor = "HAWSER"
    model = "ARRAY"
    tpgs = 0

    def __init__(self, world: ScsiWorld, turn: Turn, timers: Timers, log: LogSink) -> None:
        self.world = world
        self.turn = turn
        self.timers = timers
        self.log = log
        self.ports: list[ScsiPort] = []

    def add_port(self, side: int) -> ScsiPort:
        port = ScsiPort(self, len(self.ports) + 1, side, self.world, self.turn, self.timers, self.log)
        self.ports.append(port)
        return port

    def inquiry(self, port: ScsiPort) -> bytes:
        return encode_standard(StandardInquiry(self.vendor, self.model, "0001", self.tpgs))

    def page(self, port: ScsiPort, page: int) -> bytes | None:
        if page != DEVICE_IDENTIFICATION:
            return None
        return encode_identification(
            [
                Designator(NAA, UNIT_NAA),
                Designator(RELATIVE_PORT, pack(">xxH", port.number), OF_PORT),
                Designator(PORT_GROUP, pack(">xxH", port.side), OF_PORT),
            ]
        )

    def readiness(self, port: ScsiPort) -> Sense | None:
        """Why the port does not serve the unit, if it does not."""
        raise NotImplementedError

    def answer(self, port: ScsiPort, command: Command) -> Result:
        """What it answers to anything but inquiries and TEST UNIT READY."""
        return failed_with(INVALID_OPCODE)


class _Arrival(Timer):
    def __init__(self, array: "AluaArray") -> None:
        super().__init__()
        self.array = array

    def expire(self) -> None:
        self.array.arrive()


class AluaArray(ScsiArray):
    """`states` by port group. `others`: what groups become that were optimized when another one is set so.

    `transition_ns`: how long a change takes, in which neither kind of group serves; `transition_s`: how long it is said to.
    `knows_extended`: the header with that; else it refuses it. `tells`: changes are unit attentions. `refuses_sets`: SET TARGET
    PORT GROUPS fails.
    """

    def __init__(
        self, world: ScsiWorld, turn: Turn, timers: Timers, log: LogSink, tpgs: int = IMPLICIT | EXPLICIT
    ) -> None:
        super().__init__(world, turn, timers, log)
        self.tpgs = tpgs
        self.states: dict[int, int] = {}
        self.preferred = -1
        self.supports = port_groups.SUPPORTS_ALL
        self.others = STANDBY
        self.transition_ns = 0
        self.transition_s = 0
        self.knows_extended = True
        self.reports_in_transition = True
        self.tells = False
        self.refuses_sets = False
        self.sets = 0
        self._target: dict[int, int] = {}
        self._arrival = _Arrival(self)

    def inquiry(self, port: ScsiPort) -> bytes:
        return encode_standard(StandardInquiry(self.vendor, self.model, "0001", self.tpgs))

    def state_of(self, group_id: int) -> int:
        return self.states.get(group_id, OPTIMIZED)

    def readiness(self, port: ScsiPort) -> Sense | None:
        return _REFUSALS.get(self.state_of(port.side))

    def move(self, states: dict[int, int]) -> None:
        """Groups go into other states, after a transition if that takes time."""
        changed = {group: state for group, state in states.items() if self.state_of(group) != state}
        if not changed:
            return
        self._target.update(changed)
        if self.transition_ns:
            for group in changed:
                self.states[group] = TRANSITIONING
            self.timers.arm(self._arrival, self.transition_ns)
        else:
            self.arrive()

    def arrive(self) -> None:
        """The transition is over."""
        self.states.update(self._target)
        self._target = {}
        if self.tells:
            for port in self.ports:
                if STATE_CHANGED not in port.attentions:
                    port.attentions.append(STATE_CHANGED)

    def prefer(self, group_id: int) -> None:
        """Make a group optimized; those that were are something else then."""
        states: dict[int, int] = {}
        for group in [port.side for port in self.ports]:
            if OPTIMIZED in (self.state_of(group), self._target.get(group, self.others)):
                states[group] = self.others
        states[group_id] = OPTIMIZED
        self.move(states)

    def answer(self, port: ScsiPort, command: Command) -> Result:
        opcode = command.opcode()
        if opcode == MAINTENANCE_IN:
            return self._report(port, command)
        if opcode == MAINTENANCE_OUT and self.tpgs & EXPLICIT:
            return self._set(command)
        return failed_with(INVALID_OPCODE)

    def _report(self, port: ScsiPort, command: Command) -> Result:
        extended = command.cdb[1] & EXTENDED_HEADER != 0
        if extended and not self.knows_extended:
            return failed_with(INVALID_CDB_FIELD)
        if not self.reports_in_transition and self.state_of(port.side) == TRANSITIONING:
            return failed_with(IN_TRANSITION)
        groups: dict[int, list[int]] = {}
        for one in self.ports:
            groups.setdefault(one.side, []).append(one.number)
        report = port_groups.encode_report(
            [
                GroupState(group, self.state_of(group), group == self.preferred, self.supports, ports=tuple(numbers))
                for group, numbers in groups.items()
            ],
            extended,
            self.transition_s,
        )
        return Result(data=report[: allocation_length(command.cdb)])

    def _set(self, command: Command) -> Result:
        self.sets += 1
        if self.refuses_sets:
            return failed_with(SET_GROUPS_FAILED)
        known = {port.side for port in self.ports}
        for group, state in port_groups.decode_set(command.data_out):
            if group not in known:
                return failed_with(INVALID_PARAMETER)
            if state == OPTIMIZED:
                self.prefer(group)
            else:
                self.move({group: state})
        return Result()


class RdacArray(ScsiArray):
    """Sides are 1 and 2, the slots of its controllers; `owner` is one of them."""

    vendor = "LSI"
    model = "INF-01-00"

    def __init__(self, world: ScsiWorld, turn: Turn, timers: Timers, log: LogSink) -> None:
        super().__init__(world, turn, timers, log)
        self.owner = 1
        self.preferred = 1
        self.mode = vendor_pages.MODE_RDAC
        self.units_max = 255
        self.unit = 7

    def page(self, port: ScsiPort, page: int) -> bytes | None:
        if page == vendor_pages.RDAC_IDENTITY:
            return vendor_pages.encode_identity(vendor_pages.Identity(self.unit, b"hawser-array-0001", "lab"))
        if page == vendor_pages.RDAC_SUBSYSTEM:
            return vendor_pages.encode_subsystem(port.side)
        if page == vendor_pages.RDAC_SOFTWARE:
            return vendor_pages.encode_software(self.units_max)
        if page == vendor_pages.RDAC_OWNERSHIP:
            own, preferred = port.side == self.owner, port.side == self.preferred
            return vendor_pages.encode_ownership(vendor_pages.Ownership(self.mode, own, preferred))
        return super().page(port, page)

    def readiness(self, port: ScsiPort) -> Sense | None:
        return None if port.side == self.owner or self.mode != vendor_pages.MODE_RDAC else RDAC_NOT_OWNER

    def answer(self, port: ScsiPort, command: Command) -> Result:
        opcode = command.opcode()
        if opcode not in (MODE_SELECT_6, MODE_SELECT_10):
            return failed_with(INVALID_OPCODE)
        units = vendor_pages.decode_transfer(command.data_out, opcode == MODE_SELECT_10)
        if units is None:
            return failed_with(INVALID_PARAMETER)
        if self.unit in units:
            self.owner = port.side
        return Result()


class EmcArray(ScsiArray):
    """Sides are 0 and 1, its storage processors; `owner` is one of them. `is_old`: an FC series, which knows the short trespass
    only."""

    vendor = "DGC"
    model = "RAID 5"

    def __init__(self, world: ScsiWorld, turn: Turn, timers: Timers, log: LogSink) -> None:
        super().__init__(world, turn, timers, log)
        self.owner = 0
        self.default = 0
        self.is_old = False
        self.is_upgrading = False
        self.failover = vendor_pages.FAILOVER_LINUX

    def inquiry(self, port: ScsiPort) -> bytes:
        if self.is_old:
            return super().inquiry(port)
        # Behind the usual 36 bytes: the length of the model at 99, of the serial at 160, and both.
        behind = bytearray(160 - 36) + bytes([4]) + b"SN01" + b"CX3 "
        behind[99 - 36] = 4
        return encode_standard(StandardInquiry(self.vendor, self.model, "0001"), bytes(behind))

    def page(self, port: ScsiPort, page: int) -> bytes | None:
        if page != vendor_pages.CLARIION_STATE:
            return super().page(port, page)
        state = vendor_pages.UNIT_OWNED if port.side == self.owner else vendor_pages.UNIT_BOUND
        return vendor_pages.encode_processor(
            vendor_pages.ProcessorState(
                state, self.default, self.owner, port.number - 1, self.failover, self.is_upgrading
            )
        )

    def readiness(self, port: ScsiPort) -> Sense | None:
        return None if port.side == self.owner else MANUAL_INTERVENTION

    def answer(self, port: ScsiPort, command: Command) -> Result:
        opcode = command.opcode()
        if opcode not in (MODE_SELECT_6, MODE_SELECT_10):
            return failed_with(INVALID_OPCODE)
        ten = opcode == MODE_SELECT_10
        if (ten and self.is_old) or not vendor_pages.is_trespass(command.data_out, ten):
            return failed_with(INVALID_PARAMETER)
        self.owner = port.side
        return Result()


class HpArray(ScsiArray):
    """Sides are 0 and 1; `active` is one of them."""

    vendor = "COMPAQ"
    model = "HSV110"

    def __init__(self, world: ScsiWorld, turn: Turn, timers: Timers, log: LogSink) -> None:
        super().__init__(world, turn, timers, log)
        self.active = 0

    def readiness(self, port: ScsiPort) -> Sense | None:
        return None if port.side == self.active else INITIALISATION_REQUIRED

    def answer(self, port: ScsiPort, command: Command) -> Result:
        if command.opcode() != START_STOP_UNIT or command.cdb[4] & 1 == 0:
            return failed_with(INVALID_OPCODE)
        self.active = port.side
        return Result()
