"""PortStates: an array whose servers are its target port groups (`Plan.alua`), and the ports by which paths lead to it.

Fault model. Whether a port serves is decided when an I/O is handed to it; what it refuses has had no effect. Commands that are no
I/O reach the array as long as the path has a session, or is a file; they are never lost on the way.
"""

from typing import Final

from hawser.block.request import NOT_SENT, Request
from hawser.core.log import LogSink
from hawser.core.status import OK
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS
from hawser.lab.devices.hardware import Call, Hardware
from hawser.lab.devices.scsi_array import AluaArray, ScsiPort
from hawser.lab.devices.scsi_front import FrontOwner, ScsiFront
from hawser.lab.devices.sim_path import SimPath
from hawser.lab.plan import Plan, Step
from hawser.multipath.handlers.base import attach_by_kind
from hawser.scsi.commands import MAINTENANCE_OUT, NO_CONNECT, Command, Result
from hawser.scsi.device import ScsiWorld
from hawser.scsi.port_groups import EXPLICIT, IMPLICIT, NON_OPTIMIZED, OFFLINE, OPTIMIZED, STANDBY, UNAVAILABLE
from hawser.scsi.sense import Sense

STATES: Final = {
    "optimized": OPTIMIZED,
    "non-optimized": NON_OPTIMIZED,
    "standby": STANDBY,
    "unavailable": UNAVAILABLE,
    "offline": OFFLINE,
}
_KINDS: Final = {"implicit": IMPLICIT, "explicit": EXPLICIT, "both": IMPLICIT | EXPLICIT}
LATENCY_NS: Final = NS_PER_MS // 10


class PathPort(ScsiPort):
    """The port that a path leads to."""

    def __init__(self, states: "PortStates", number: int, path: SimPath, side: int) -> None:
        super().__init__(states.array, number, side, states.scsi, path.turn, path.timers, path.log)
        self.path = path
        self.hardware = path.hardware
        self.latency_ns = LATENCY_NS

    def carry_out(self, command: Command) -> Result:
        if self.path.trouble():
            return Result(NO_CONNECT)
        if command.opcode() == MAINTENANCE_OUT:
            self.hardware.marks.hit("group switched by activation")
            self.hardware.trace.note(self.path.lane, "sets", f"port group {self.side} optimized")
        return super().carry_out(command)

    def refusal(self) -> Sense | None:
        sense = super().refusal()
        if sense is not None:
            self.hardware.marks.hit("port refused")
            self.hardware.trace.note(self.path.lane, "refused", f"port group {self.side}: sense {sense.words()}")
        return sense


class _Ear(FrontOwner):
    def __init__(self, path: SimPath) -> None:
        super().__init__()
        self.path = path

    def send_again(self, request: Request) -> None:
        status = self.path.send_on(request)
        if status != OK:
            self.end_refused(request, status)
        else:
            self.path.commit()

    def end_refused(self, request: Request, status: int) -> None:
        request.finish(status, 0, NOT_SENT)
        self.path.complete(request)


class PortStates:
    """Outlives the gateway; `world_begins` for each of its lives."""

    def __init__(self, plan: Plan, hardware: Hardware) -> None:
        self.hardware = hardware
        self.scsi = ScsiWorld()
        self.array = AluaArray(self.scsi, Turn(), hardware.timers, LogSink(), _KINDS[plan.alua])
        self.array.transition_ns = plan.alua_transition_ns
        self.array.others = STATES[plan.alua_others]
        self.array.tells = True
        self._mended = Call(self._take_sets)
        hardware.trouble()

    def world_begins(self) -> None:
        """A gateway has started: its ports are new ones."""
        self.scsi = ScsiWorld()
        self.array.ports = []

    def join(self, path: SimPath, server: int) -> None:
        """`path` leads to a port of the server's group."""
        port = PathPort(self, len(self.array.ports) + 1, path, server + 1)
        self.array.ports.append(port)
        attach_by_kind(port)
        assert path.device is not None
        path.device.scsi = port
        path.front = ScsiFront(port, _Ear(path), path.timeout_ns)

    def apply(self, step: Step) -> None:
        """One of PORT_STEPS."""
        self.hardware.trouble()
        if step.kind == "port_group":
            self.hardware.marks.hit("port group moved")
            self.array.move({int(step.target[1:]) + 1: STATES[step.word]})
        else:
            self.array.refuses_sets = True
            self.hardware.timers.arm(self._mended, step.duration_ns)

    def _take_sets(self) -> None:
        self.array.refuses_sets = False

    def heal(self) -> None:
        """Every port serves."""
        self.hardware.timers.cancel(self._mended)
        self._take_sets()
        self.array.others = NON_OPTIMIZED
        self.array.transition_ns = 0
        sides = [port.side for port in self.array.ports]
        self.array.move(dict.fromkeys([*sides, *self.array.states], OPTIMIZED))
