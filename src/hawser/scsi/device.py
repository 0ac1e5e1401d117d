"""ScsiDevice: a logical unit through one port, as a hardware handler and a SCSI driver see it; HardwareHandler, what is between.

Linux: struct scsi_device and struct scsi_device_handler (include/scsi/scsi_dh.h), scsi_dh_activate() in drivers/scsi/scsi_dh.c.

Whoever drives a path that speaks SCSI makes a ScsiDevice, hangs it on the path's block device (`BlockDevice.scsi`), and

- has learnt inquiry data, vital product data and readiness when the path is offered: attaching a handler asks for nothing;
- sends what `execute` is given, and answers later in the same turn or in another one, never at once;
- asks `prepare` before it sends an I/O, and ends the I/O with the status if that is not OK, as never sent;
- asks `check_sense` of an I/O that came back with sense data, and acts on hawser.scsi.disposition; of any other command,
  too, and sends it once more where that says REQUEUE (`wants_again`).
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.core.clock import Timers
from hawser.core.log import LogSink
from hawser.core.status import OK
from hawser.core.turn import Turn, Work
from hawser.scsi.commands import GOOD, Command, Result
from hawser.scsi.disposition import NOT_HANDLED, REQUEUE
from hawser.scsi.inquiry import DEVICE_IDENTIFICATION, Designator, decode_identification, decode_standard
from hawser.scsi.port_groups import OPTIMIZED, STATE_NAMES
from hawser.scsi.sense import Sense

# What activating, or attaching, comes to (SCSI_DH_*).
DH_OK: Final = 0
DH_DEV_FAILED: Final = 1
DH_DEV_TEMP_BUSY: Final = 2
DH_DEV_UNSUPP: Final = 3
DH_NOTCONN: Final = 5
DH_IO: Final = 8
DH_RETRY: Final = 10
DH_IMM_RETRY: Final = 11
DH_TIMED_OUT: Final = 12
DH_RES_TEMP_UNAVAIL: Final = 13
DH_DEV_OFFLINED: Final = 14
DH_NOMEM: Final = 15
DH_NOSYS: Final = 16

# Unlike the kernel, where a command may be requeued for ever.
REQUEUES_MAX: Final = 64

# Where a device stands (SDEV_*). GONE: it has been deleted, whoever still has it open.
RUNNING: Final = 0
OFFLINE: Final = 1
GONE: Final = 2


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandOwner:
    """Who has sent a command."""

    def command_done(self, command: Command, result: Result) -> None:
        """It has ended, within a turn and with nothing of the owner's on the stack."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class ActivationOwner:
    """Who wants a device activated."""

    def activated(self, result: int) -> None:
        """It has come to one of DH_*. Told once, in a turn."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class HandlerCommons:
    """What the handlers of several devices of one world know in common: port groups, controllers."""


class ScsiWorld:
    """The SCSI devices that belong together: one gateway's, one laboratory's. `commons` by the handler's name."""

    def __init__(self) -> None:
        self.commons: dict[str, HandlerCommons] = {}


class _Told(Work):
    def __init__(self, owner: ActivationOwner, result: int) -> None:
        self.owner = owner
        self.result = result

    def run(self) -> None:
        self.owner.activated(self.result)


@mypyc_attr(allow_interpreted_subclasses=True)
class ScsiDevice:
    """`name` is what log lines call it (`0:0:0:0`). `access_state` and `is_preferred`: what its handler has found out last."""

    def __init__(self, name: str, world: ScsiWorld, turn: Turn, timers: Timers, log: LogSink) -> None:
        self.name = name
        self.world = world
        self.turn = turn
        self.timers = timers
        self.log = log
        self.state = RUNNING
        self.handler: HardwareHandler | None = None
        self.access_state = OPTIMIZED
        self.is_preferred = False

    # What the driver of the path says.

    def inquiry(self) -> bytes:
        """The standard inquiry data."""
        raise NotImplementedError

    def page(self, page: int) -> bytes | None:
        """A page of vital product data as it is known, or None when there is none."""
        raise NotImplementedError

    def readiness(self) -> Result:
        """How TEST UNIT READY was answered last."""
        return Result(GOOD)

    def execute(self, command: Command, owner: CommandOwner) -> None:
        """Send a command that is no I/O. Whatever becomes of it, `owner` is told, once, later."""
        raise NotImplementedError

    # What follows from that.

    def host(self) -> str:
        """The host bus adapter, or whatever stands for it."""
        return self.name.partition(":")[0]

    def prepare(self) -> int:
        """Whether an I/O may be sent, as far as the handler knows: OK, or the status that it ends with, never sent."""
        return self.handler.prepare() if self.handler is not None else OK

    def check_sense(self, sense: Sense) -> int:
        """What the handler says of an I/O's sense data: a word of hawser.scsi.disposition."""
        handler = self.handler
        return NOT_HANDLED if handler is None or sense.deferred else handler.check_sense(sense)

    def tpgs(self) -> int:
        """Which kinds of ALUA it claims, in bits of hawser.scsi.port_groups."""
        return decode_standard(self.inquiry()).tpgs

    def designators(self) -> list[Designator]:
        page = self.page(DEVICE_IDENTIFICATION)
        return decode_identification(page) if page is not None else []

    def handler_name(self) -> str:
        """The name of the handler that is attached, or an empty string."""
        return self.handler.name if self.handler is not None else ""

    def wants_again(self, result: Result, tries: int) -> bool:
        """Whether a command that is no I/O, and has been sent `tries` times, is to be sent once more before its owner is told."""
        return result.sense is not None and tries <= REQUEUES_MAX and self.check_sense(result.sense) == REQUEUE

    def access_state_name(self) -> str:
        return STATE_NAMES.get(self.access_state, "unknown")

    def activate(self, owner: ActivationOwner) -> None:
        """Have the handler make this way to the unit a usable one."""
        handler = self.handler
        if handler is None:
            self.tell(owner, DH_NOSYS)
        elif self.state == GONE:
            self.tell(owner, DH_NOTCONN)
        elif self.state == OFFLINE:
            self.tell(owner, DH_DEV_OFFLINED)
        else:
            handler.activate(owner)

    def tell(self, owner: ActivationOwner | None, result: int) -> None:
        """Tell the owner later in this turn."""
        if owner is not None:
            self.turn.defer(_Told(owner, result))

    def say(self, text: str) -> None:
        """A line of the kernel's log about this device. It is no line of device mapper's."""
        self.log.remark(f"sd {self.name}: {text}")


@mypyc_attr(allow_interpreted_subclasses=True)
class HardwareHandler:
    """Knows how an array decides which of its ports serve a unit. One for each device that it is attached to; `name` is what it
    is registered as, set by whoever attaches it."""

    name = ""

    def __init__(self, device: ScsiDevice) -> None:
        self.device = device

    def attach(self) -> int:
        """Whether it can handle the device: DH_OK, or why not. It is attached afterwards."""
        raise NotImplementedError

    def detach(self) -> None:
        """It handles the device no longer; activations that are under way end all the same."""

    def activate(self, owner: ActivationOwner | None) -> None:
        """Make the device usable for I/O. It is told to the owner, never at once."""
        self.device.tell(owner, DH_OK)

    def prepare(self) -> int:
        """Whether an I/O may be sent: OK, or the status that it ends with."""
        return OK

    def check_sense(self, sense: Sense) -> int:
        """What an I/O's sense data mean here: a word of hawser.scsi.disposition."""
        return NOT_HANDLED

    def set_parameters(self, words: list[str]) -> str:
        """The arguments behind the handler's name in a table. The errno of a refusal, or an empty string.

        Linux' scsi_dh_set_params() gives the number of SCSI_DH_NOSYS where a handler has no parameters, which is EBUSY's.
        """
        return "EBUSY"

    def rescan(self) -> None:
        """The device was scanned anew, as when it comes back online."""


def take_alone(words: list[str], count: int) -> list[int] | None:
    """Exactly `count` words that are 0 or 1, read as the kernel's sscanf reads %u, without a sign; None when they are not."""
    if len(words) != count:
        return None
    found: list[int] = []
    for word in words:
        digits = ""
        for letter in word:
            if not ("0" <= letter <= "9"):
                break
            digits += letter
        if not digits or int(digits) > 1:
            return None
        found.append(int(digits))
    return found
