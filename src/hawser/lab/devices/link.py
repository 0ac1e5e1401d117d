"""Link: the wire between one path and its server, and the connections over it, one after the other.

Fault model. Bytes towards the server share the bandwidth; both ways take the latency. The wire may pass nothing for a while
(black hole: whatever is on it waits in a send queue and arrives when it heals), be slow (brown-out), or lose its connections: in
front of both sides, of ours alone, once or several times. It never corrupts, reorders or repeats (that is the server's part).
Connecting takes a round trip, needs a server that is up and not hung, and waits while the wire is black.
"""

from typing import Final

from hawser.core.clock import Timer
from hawser.core.units import KIB, NS_PER_S
from hawser.lab.devices.connection import Connection, LinkUser
from hawser.lab.devices.hardware import Call, Hardware
from hawser.lab.devices.server import Server
from hawser.lab.plan import FILE, TCP, UNIX, PathPlan, Step

# What the two socket buffers between us and a server hold. Small ones make commands wait with us, where they are not sent.
SEND_BUFFERS: Final = (8 * KIB, 32 * KIB, 256 * KIB)
ENDLESS: Final = 1 << 60
FLAP_CHANCE: Final = 50


class _Knock(Timer):
    """A connection that is being made."""

    def __init__(self, link: "Link", connection: Connection) -> None:
        super().__init__()
        self.link = link
        self.connection = connection

    def expire(self) -> None:
        self.link.knocked(self)


class Link:
    """`name` is the path's. One user at a time opens connections on it; old ones may stand beside the newest."""

    def __init__(self, hardware: Hardware, name: str, server: Server, plan: PathPlan) -> None:
        self.hardware = hardware
        self.name = name
        self.lane = f"path {name}"
        self.server = server
        self.lun = plan.lun
        self.transport = plan.transport
        assert self.transport in (FILE, UNIX, TCP)
        self.eof_drains = plan.eof_drains
        self.is_bounded = plan.quiesce_ns is not None
        self.latency_ns = plan.latency_ns
        self.delay_ns = plan.latency_ns
        self.bytes_per_s = plan.bytes_per_s
        self.send_buffer_bytes = SEND_BUFFERS[hardware.dice(f"{name} buffer", 0).below(len(SEND_BUFFERS))]
        if self.transport == FILE:
            # A system call hands its buffers to the kernel, however many they are.
            self.send_buffer_bytes = ENDLESS
        self.is_blocked = False
        self.connections: list[Connection] = []
        # All since the power came on: what was sent on one that is closed may still be under way.
        self._opened: list[Connection] = []
        self._stuck: list[Connection] = []
        self._waiting: list[_Knock] = []
        self._free_ns = 0
        self._flaps_left = 0
        self._flap_ns = 0
        self._unblock = Call(self._passes_again)
        self._brighten = Call(self._fast_again)
        self._flap = Call(self._flap_now)
        server.links.append(self)

    # Connecting.

    def open(self, user: LinkUser, number: int) -> Connection:
        """Begin to connect; the user hears of it. A file is there at once."""
        connection = Connection(self, user, number)
        self.connections.append(connection)
        self._opened.append(connection)
        if self.transport == FILE:
            connection.accept(None)
        else:
            self.hardware.timers.arm(_Knock(self, connection), 2 * self.delay_ns)
        return connection

    def knocked(self, knock: _Knock) -> None:
        connection = knock.connection
        if not connection.is_open_here:
            return
        if self.is_blocked or self.server.is_hung:
            self._waiting.append(knock)
        elif self.server.is_up():
            connection.accept(self.server.process)
            connection.user.connected()
        else:
            connection.end_here("connection refused", orderly=False)

    def knock_again(self) -> None:
        """Server or wire are not what they were."""
        waiting = self._waiting
        self._waiting = []
        for knock in waiting:
            self.hardware.timers.arm(knock, self.delay_ns)

    def closed(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)

    # Moving bytes.

    def transmit(self, size: int) -> int:
        """When `size` bytes that are sent now have arrived."""
        now_ns = self.hardware.clock.now_ns
        start_ns = self._free_ns if self._free_ns > now_ns else now_ns
        self._free_ns = start_ns + size * NS_PER_S // self.bytes_per_s
        return self._free_ns + self.delay_ns

    def has_stuck(self, connection: Connection) -> None:
        if connection not in self._stuck:
            self._stuck.append(connection)

    # What goes wrong.

    def apply(self, step: Step) -> None:
        """One of LINK_STEPS happens now."""
        kind = step.kind
        if kind == "lose":
            self._lose(step.amount, far=False)
        elif kind == "lose_far":
            self._lose(100, far=True)
        elif kind == "close":
            for connection in list(self.connections):
                connection.close()
        elif kind == "black_hole":
            self._block(step.duration_ns)
        elif kind == "brown_out":
            self.delay_ns = self.latency_ns * max(1, step.amount)
            _extend(self.hardware, self._brighten, step.duration_ns)
        else:
            assert kind == "flap", kind
            self._flaps_left = max(1, step.amount)
            self._flap_ns = step.duration_ns
            self._flap_now()

    def heal(self) -> None:
        """Everything that has an end ends now."""
        self._flaps_left = 0
        self.hardware.timers.cancel(self._flap)
        self.hardware.timers.cancel(self._unblock)
        self.hardware.timers.cancel(self._brighten)
        self._fast_again()
        if self.is_blocked:
            self._passes_again()

    def lose_power(self) -> None:
        """What was under way is nowhere, and nobody is left to be told."""
        for connection in self._opened:
            connection.lose_power()
        self._opened = []
        self.connections = []
        self._stuck = []
        self._waiting = []
        self._free_ns = 0

    def _lose(self, chance: int, far: bool) -> None:
        self.hardware.trace.note(
            self.lane, "lost", f"the connection, {'our side' if far else 'both sides'}, chance {chance}"
        )
        for connection in list(self.connections):
            connection.lose(chance, far)

    def _block(self, duration_ns: int) -> None:
        self.hardware.trace.note(self.lane, "black", f"nothing passes for {duration_ns} ns")
        self.is_blocked = True
        _extend(self.hardware, self._unblock, duration_ns)

    def _passes_again(self) -> None:
        self.is_blocked = False
        self.hardware.trace.note(self.lane, "passes", "the black hole is over")
        stuck = self._stuck
        self._stuck = []
        for connection in stuck:
            connection.release()
        self.knock_again()

    def _fast_again(self) -> None:
        self.delay_ns = self.latency_ns

    def _flap_now(self) -> None:
        self._flaps_left -= 1
        self._lose(FLAP_CHANCE, far=False)
        if self._flaps_left > 0:
            self.hardware.timers.arm(self._flap, self._flap_ns)


def _extend(hardware: Hardware, timer: Timer, duration_ns: int) -> None:
    """Arm `timer`, unless it ends later anyway."""
    if not timer.is_armed() or timer.deadline_ns < hardware.clock.now_ns + duration_ns:
        hardware.timers.arm(timer, duration_ns)
