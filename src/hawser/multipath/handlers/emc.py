"""`emc`: CLARiiON arrays, whose units belong to one of two storage processors until they are told to trespass.

Two arguments in a table: `short_trespass` (FC series) and `honor_reservations`, 0 or 1 each. Linux:
drivers/scsi/device_handler/scsi_dh_emc.c.
"""

from typing import Final

from hawser.core.status import IOERR, OK
from hawser.multipath.handlers.base import register_handler
from hawser.scsi.commands import GOOD, INQUIRY, Command, Result, inquire_page, mode_select
from hawser.scsi.device import (
    DH_DEV_FAILED,
    DH_DEV_TEMP_BUSY,
    DH_DEV_UNSUPP,
    DH_IO,
    DH_NOSYS,
    DH_OK,
    ActivationOwner,
    CommandOwner,
    HardwareHandler,
    ScsiDevice,
    take_alone,
)
from hawser.scsi.disposition import NOT_HANDLED, REQUEUE, SUCCESS
from hawser.scsi.port_groups import OPTIMIZED, STANDBY
from hawser.scsi.sense import (
    ILLEGAL_REQUEST,
    MANUAL_INTERVENTION,
    NOT_READY,
    POWER_ON,
    Sense,
)
from hawser.scsi.vendor_pages import (
    CLARIION_STATE,
    FAILOVER_ALUA,
    FAILOVER_LINUX,
    UNIT_OWNED,
    ProcessorState,
    clariion_model,
    decode_processor,
    encode_trespass,
)

UNINITIALIZED: Final = -1
PAGE_BYTES: Final = 0xFC
COPY_IN_PROGRESS: Final = Sense(ILLEGAL_REQUEST, 0x04, 0x00)
COPY_BLOCKS_IO: Final = Sense(ILLEGAL_REQUEST, 0x25, 0x01)


class Emc(HardwareHandler):
    def __init__(self, device: ScsiDevice) -> None:
        super().__init__(device)
        self.short_trespass = False
        self.honor_reservations = False
        self.unit_state = UNINITIALIZED
        self.state: ProcessorState | None = None

    def attach(self) -> int:
        model = clariion_model(self.device.inquiry())
        if model is None:
            return DH_DEV_UNSUPP
        if not model or model.startswith("FC"):
            self.short_trespass = True
        self.device.say(f"emc: detected Clariion {model}, flags {self._flags()}")
        page = self.device.page(CLARIION_STATE)
        if page is None:
            return DH_IO
        result = self.look(page)
        if result == DH_OK:
            self.device.say(f"emc: connected to {self.where()}")
        return result

    def _flags(self) -> int:
        return (1 if self.short_trespass else 0) | (2 if self.honor_reservations else 0)

    def look(self, page: bytes) -> int:
        """What page 0xC0 says of the owner."""
        state = decode_processor(page)
        if state is None:
            return DH_IO
        if state.upgrading:
            self.device.say("emc: Detected in-progress ucode upgrade NDU operation while finding current active SP.")
            return DH_DEV_TEMP_BUSY
        if state.unit_state > UNIT_OWNED:
            self.device.say("emc: invalid VPD page 0xC0 format")
            return DH_NOSYS
        if state.failover not in (FAILOVER_LINUX, FAILOVER_ALUA):
            self.device.say(f"emc: Invalid failover mode {state.failover}")
            return DH_NOSYS
        self.state = state
        self.unit_state = state.unit_state
        self.device.access_state = OPTIMIZED if state.unit_state == UNIT_OWNED else STANDBY
        self.device.is_preferred = state.default == state.current
        return DH_OK

    def where(self) -> str:
        """`SP A Port 0 (owned, default SP A)`."""
        state = self.state
        if state is None:
            return "an unknown SP"
        owned = ("not bound", "bound", "owned")[state.unit_state]
        return f"SP {chr(65 + state.current)} Port {state.port} ({owned}, default SP {chr(65 + state.default)})"

    def trespass(self) -> Command:
        parameters = encode_trespass(self.short_trespass, self.honor_reservations)
        return mode_select(parameters, not self.short_trespass, self.short_trespass)

    def activate(self, owner: ActivationOwner | None) -> None:
        self.device.execute(inquire_page(CLARIION_STATE, PAGE_BYTES), _Trespass(self, owner))

    def set_parameters(self, words: list[str]) -> str:
        """A unit that is owned is trespassed anew, in the new way."""
        numbers = take_alone(words, 2)
        if numbers is None:
            return "EINVAL"
        self.short_trespass = numbers[0] == 1
        self.honor_reservations = numbers[1] == 1
        if self.unit_state == UNIT_OWNED:
            self.unit_state = UNINITIALIZED
            self.device.execute(self.trespass(), _Trespass(self, None))
        return ""

    def prepare(self) -> int:
        return OK if self.unit_state == UNIT_OWNED else IOERR

    def check_sense(self, sense: Sense) -> int:
        if sense in (MANUAL_INTERVENTION, COPY_BLOCKS_IO):
            # The passive side; a copy within the array. The I/O fails at once.
            return SUCCESS
        if sense == POWER_ON:
            return REQUEUE
        return NOT_HANDLED


class _Trespass(CommandOwner):
    """One activation: look, trespass unless the unit is owned, and look again."""

    def __init__(self, handler: Emc, owner: ActivationOwner | None) -> None:
        self.handler = handler
        self.owner = owner
        self._has_trespassed = False

    def command_done(self, command: Command, result: Result) -> None:
        if command.opcode() == INQUIRY:
            self._looked(result)
            return
        found = self._judge(result)
        if found != DH_OK:
            self._end(found)
            return
        self._has_trespassed = True
        form = "short" if self.handler.short_trespass else "long"
        self.handler.device.say(f"emc: {form} trespass command sent")
        self.handler.device.execute(inquire_page(CLARIION_STATE, PAGE_BYTES), self)

    def _looked(self, result: Result) -> None:
        handler = self.handler
        found = handler.look(result.data) if result.outcome == GOOD else DH_IO
        if found == DH_OK and handler.unit_state != UNIT_OWNED and not self._has_trespassed:
            handler.device.execute(handler.trespass(), self)
        else:
            self._end(found)

    def _judge(self, result: Result) -> int:
        """What the answer to a trespass comes to."""
        if result.outcome == GOOD:
            return DH_OK
        sense = result.sense
        if sense is None:
            self.handler.device.say("emc: failed to send MODE SELECT")
            return DH_IO
        self.handler.device.say(f"emc: Found valid sense data {sense.words()} while sending CLARiiON trespass command.")
        is_upgrade = sense.key == NOT_READY and sense.is_code(0x04, 0x03)
        return DH_DEV_TEMP_BUSY if is_upgrade or sense == COPY_IN_PROGRESS else DH_DEV_FAILED

    def _end(self, result: int) -> None:
        self.handler.device.say(f"emc: at {self.handler.where()}")
        if self.owner is not None:
            self.owner.activated(result)


def make_emc(device: ScsiDevice) -> HardwareHandler:
    return Emc(device)


register_handler("emc", make_emc)
