"""ScsiFront: what the driver of a SCSI disk does around an I/O: asks the handler whether it may go, and hears sense data.

An I/O that its port refuses goes to the array and back, then the handler and the rules for all disks say what becomes of it: once
more, at once or later, or an end. It has had no effect. Linux: scsi_prepare_cmd(), scsi_decide_disposition(),
scsi_io_completion().
"""

from mypy_extensions import mypyc_attr

from hawser.block.request import Request
from hawser.core.clock import Timer
from hawser.core.status import OK
from hawser.lab.devices.scsi_array import ScsiPort
from hawser.scsi.disposition import judge
from hawser.scsi.sense import Sense


@mypyc_attr(allow_interpreted_subclasses=True)
class FrontOwner:
    """The driver whose front it is."""

    def send_again(self, request: Request) -> None:
        """Try a request once more that the array has refused."""
        raise NotImplementedError

    def end_refused(self, request: Request, status: int) -> None:
        """It ends with `status`, never done."""
        raise NotImplementedError


class Refused(Timer):
    """A request that was refused: on its way there and back, or waiting to go once more."""

    def __init__(self, front: "ScsiFront", request: Request) -> None:
        super().__init__()
        self.front = front
        self.request = request
        self.began_ns = front.port.timers.clock.now_ns
        self.tries = 0
        self.sense: Sense | None = None

    def expire(self) -> None:
        self.front.next_step(self)


class ScsiFront:
    """`patience_ns`: how long an I/O is tried. `held`: what is being tried again, by request."""

    def __init__(self, port: ScsiPort, owner: FrontOwner, patience_ns: int) -> None:
        self.port = port
        self.owner = owner
        self.patience_ns = patience_ns
        self.held: dict[int, Refused] = {}
        # Senses that I/O was answered with.
        self.refusals: list[str] = []

    def prepare(self) -> int:
        """Whether an I/O may be sent: OK or the status that it ends with."""
        return self.port.prepare()

    def takes(self, request: Request) -> bool:
        """Whether the array does the request, which arrives now. If not, it is held here."""
        sense = self.port.refusal()
        if sense is None:
            self.held.pop(id(request), None)
            return True
        held = self.held.get(id(request))
        if held is None:
            held = Refused(self, request)
            self.held[id(request)] = held
        held.tries += 1
        held.sense = sense
        self.refusals.append(sense.words())
        self.port.timers.arm(held, 2 * self.port.latency_ns)
        return False

    def next_step(self, held: Refused) -> None:
        sense = held.sense
        if sense is None:
            self.owner.send_again(held.request)
            return
        held.sense = None
        age_ns = self.port.timers.clock.now_ns - held.began_ns
        verdict = judge(sense, self.port.check_sense(sense), held.tries, age_ns, self.patience_ns)
        if verdict.retries:
            self.port.timers.arm(held, max(verdict.delay_ns, 1))
        else:
            del self.held[id(held.request)]
            self.owner.end_refused(held.request, verdict.status)

    def forget(self, request: Request) -> None:
        """It ends in another way."""
        self.held.pop(id(request), None)

    def requests(self) -> list[Request]:
        """What is held."""
        return [held.request for held in self.held.values()]

    def give_up(self) -> list[Request]:
        """Hold nothing any more: what was held."""
        found = [held.request for held in self.held.values()]
        for held in self.held.values():
            self.port.timers.cancel(held)
        self.held = {}
        return found

    def status_of(self, request: Request) -> int:
        """The handler's word, for a request that goes once more."""
        status = self.prepare()
        if status != OK:
            self.held.pop(id(request), None)
        return status
