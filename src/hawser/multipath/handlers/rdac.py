"""`rdac`: LSI's arrays with two controllers, of which one owns a unit. MODE SELECT of page 0x2C makes the other the owner.

Activations that come while a MODE SELECT waits to be sent go with it: one command moves all units of a controller. Linux:
drivers/scsi/device_handler/scsi_dh_rdac.c.
"""

from typing import Final

from hawser.core.status import IOERR, OK
from hawser.core.turn import Work
from hawser.multipath.handlers.base import register_handler
from hawser.scsi.commands import GOOD, Command, Result, inquire_page, mode_select
from hawser.scsi.device import (
    DH_IO,
    DH_NOSYS,
    DH_OK,
    ActivationOwner,
    CommandOwner,
    HandlerCommons,
    HardwareHandler,
    ScsiDevice,
)
from hawser.scsi.disposition import NOT_HANDLED, REQUEUE, SUCCESS
from hawser.scsi.port_groups import NON_OPTIMIZED, OPTIMIZED, STANDBY
from hawser.scsi.sense import (
    ABORTED_COMMAND,
    NO_SENSE,
    NOT_READY,
    POWER_ON,
    RDAC_LOCKED,
    RDAC_NOT_OWNER,
    UNIT_ATTENTION,
    Sense,
)
from hawser.scsi.vendor_pages import (
    MODE_IOSHIP,
    MODE_RDAC,
    RDAC_IDENTITY,
    RDAC_OWNERSHIP,
    RDAC_SOFTWARE,
    RDAC_SUBSYSTEM,
    RDAC_UNITS_6,
    RDAC_UNITS_10,
    controller_index,
    decode_identity,
    decode_ownership,
    encode_transfer,
    units_max,
)

RETRIES_MAX: Final = 5
# Unlike the kernel, which waits for another host's lock for ever.
LOCKED_MAX: Final = 1000
PAGE_BYTES: Final = 0xFF
_MODES: Final = ("RDAC", "AVT", "IOSHIP")
_PASSING: Final = (Sense(NOT_READY, 0x04, 0x01), Sense(NOT_READY, 0x04, 0xA1), Sense(NOT_READY, 0xA1, 0x02))
_QUIESCENCE: Final = Sense(UNIT_ATTENTION, 0x8B, 0x02)
_INCOMPATIBLE: Final = Sense(NOT_READY, 0x04, 0x81)


class Rdac(HardwareHandler):
    def __init__(self, device: ScsiDevice) -> None:
        super().__init__(device)
        self.unit = 0
        self.mode = MODE_RDAC
        self.is_owned = False
        self.is_passive = False
        self.controller: Controller | None = None

    def attach(self) -> int:
        result = self._attach()
        if result != DH_OK:
            self.detach()
            return result
        owned = "owned" if self.is_owned else "unowned"
        self.device.say(f"rdac: LUN {self.unit} ({_MODES[self.mode]}) ({owned})")
        return DH_OK

    def _attach(self) -> int:
        device = self.device
        identity_page = device.page(RDAC_IDENTITY)
        if identity_page is None:
            return DH_IO
        identity = decode_identity(identity_page)
        if identity is None:
            return DH_NOSYS
        subsystem = device.page(RDAC_SUBSYSTEM)
        index = controller_index(subsystem) if subsystem is not None else -1
        if index < 0:
            return DH_IO
        self.unit = identity.unit
        controller = _controllers(device).get(device.host(), identity.array_id, index, identity.label)
        controller.members.append(self)
        self.controller = controller
        ownership = device.page(RDAC_OWNERSHIP)
        if ownership is None or not self.look(ownership):
            return DH_IO
        software = device.page(RDAC_SOFTWARE)
        if software is None or units_max(software) < 0:
            return DH_IO
        controller.ten = units_max(software) >= RDAC_UNITS_6
        return DH_OK

    def detach(self) -> None:
        if self.controller is not None:
            self.controller.members.remove(self)
            self.controller = None

    def look(self, page: bytes) -> bool:
        """What page 0xC9 says of the owner; whether it is one."""
        self.is_passive = False
        facts = decode_ownership(page)
        if facts is None:
            return False
        self.mode = facts.mode
        self.is_owned = facts.owned
        self.is_passive = not facts.owned and facts.mode == MODE_RDAC
        access = OPTIMIZED if facts.owned else STANDBY if self.is_passive else NON_OPTIMIZED
        # The kernel says the same of all units of the controller.
        for member in self.controller.members if self.controller is not None else []:
            member.device.access_state = access
            member.device.is_preferred = facts.preferred
        return True

    def activate(self, owner: ActivationOwner | None) -> None:
        self.device.execute(inquire_page(RDAC_OWNERSHIP, PAGE_BYTES), _Look(self, owner))

    def looked(self, owner: ActivationOwner | None, result: Result) -> None:
        """The page that says who the owner is has come, or has not."""
        if result.outcome != GOOD or not self.look(result.data):
            self.device.tell(owner, DH_IO)
        elif not self._wants_to_take() or self.controller is None:
            self.device.tell(owner, DH_OK)
        else:
            self.controller.take(self, owner)

    def _wants_to_take(self) -> bool:
        if self.is_owned:
            return False
        return self.mode == MODE_RDAC or (self.mode == MODE_IOSHIP and self.device.is_preferred)

    def prepare(self) -> int:
        return IOERR if self.is_passive else OK

    def check_sense(self, sense: Sense) -> int:
        if sense in _PASSING or sense in (POWER_ON, _QUIESCENCE):
            return REQUEUE
        if sense == RDAC_NOT_OWNER:
            self.is_passive = True
            return SUCCESS
        return SUCCESS if sense == _INCOMPATIBLE else NOT_HANDLED


class _Look(CommandOwner):
    def __init__(self, handler: Rdac, owner: ActivationOwner | None) -> None:
        self.handler = handler
        self.owner = owner

    def command_done(self, command: Command, result: Result) -> None:
        self.handler.looked(self.owner, result)


class _Taking:
    def __init__(self, handler: Rdac, owner: ActivationOwner | None) -> None:
        self.handler = handler
        self.owner = owner


class Controller(Work):
    """One of an array's controllers, as one host bus adapter reaches it. It is the deferred work that sends a MODE SELECT for all
    who want to be its units."""

    def __init__(self, host: str, array_id: bytes, index: int, label: str) -> None:
        self.host = host
        self.array_id = array_id
        self.index = index
        self.label = label
        self.ten = False
        self.members: list[Rdac] = []
        self._wanted: list[_Taking] = []

    def take(self, handler: Rdac, owner: ActivationOwner | None) -> None:
        self._wanted.append(_Taking(handler, owner))
        if len(self._wanted) == 1:
            handler.device.turn.defer(self)

    def run(self) -> None:
        wanted = self._wanted
        self._wanted = []
        most = RDAC_UNITS_10 if self.ten else RDAC_UNITS_6
        units = [one.handler.unit for one in wanted if one.handler.unit < most]
        device = wanted[0].handler.device
        device.say(f"rdac: array {self.label}, ctlr {self.index}, queueing MODE_SELECT command")
        device.execute(mode_select(encode_transfer(units, self.ten), self.ten), _Transfer(self, wanted))


class _Transfer(CommandOwner):
    """One MODE SELECT."""

    def __init__(self, controller: Controller, wanted: list[_Taking]) -> None:
        self.controller = controller
        self.wanted = wanted
        self.device = wanted[0].handler.device
        self._tries = 0
        self._locked = 0

    def command_done(self, command: Command, result: Result) -> None:
        if result.outcome != GOOD and self._is_worth_a_retry(result.sense):
            self.device.execute(command, self)
            return
        where = f"rdac: array {self.controller.label}, ctlr {self.controller.index}, MODE_SELECT"
        if result.outcome == GOOD:
            self.device.say(f"{where} completed")
        elif result.sense is not None:
            self.device.say(f"{where} returned with sense {result.sense.words()}")
        for one in self.wanted:
            if result.outcome == GOOD:
                one.handler.is_passive = False
            if one.owner is not None:
                one.owner.activated(DH_OK if result.outcome == GOOD else DH_IO)

    def _is_worth_a_retry(self, sense: Sense | None) -> bool:
        if sense is None:
            return False
        if sense == RDAC_LOCKED:
            self._locked += 1
            return self._locked <= LOCKED_MAX
        if sense.key in (NO_SENSE, ABORTED_COMMAND, UNIT_ATTENTION) or sense == _PASSING[0]:
            self._tries += 1
            return self._tries <= RETRIES_MAX
        return False


class Controllers(HandlerCommons):
    """The controllers that some device is behind."""

    def __init__(self) -> None:
        self.all: list[Controller] = []

    def get(self, host: str, array_id: bytes, index: int, label: str) -> Controller:
        for controller in self.all:
            if controller.array_id == array_id and controller.index == index and controller.host == host:
                return controller
        made = Controller(host, array_id, index, label)
        self.all = [controller for controller in self.all if controller.members] + [made]
        return made


def _controllers(device: ScsiDevice) -> Controllers:
    found = device.world.commons.get("rdac")
    if isinstance(found, Controllers):
        return found
    made = Controllers()
    device.world.commons["rdac"] = made
    return made


def make_rdac(device: ScsiDevice) -> HardwareHandler:
    return Rdac(device)


register_handler("rdac", make_rdac)
