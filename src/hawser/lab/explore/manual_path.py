"""ManualPath: a path on which nothing happens by itself. It holds what it was given until the exploration moves it.

It keeps the rules of hawser.paths (nbd.py, nbd_session.py, aftermath.py): what is told to the engine at a late answer, at the end
of a session and at a proof, and in which order. A session that ended leaves an `Aftermath`: commands that the server received and
may still execute, and what a proof will resolve.
"""

from hawser.block.driver import Driver
from hawser.block.ops import READ
from hawser.block.orphan import PROOF_ANSWER, Orphan
from hawser.block.request import ANSWERED, NOT_SENT, UNKNOWN, Request
from hawser.core.status import OK, TIMEOUT, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.devices.array import Controller
from hawser.lab.explore.command import DONE, STUCK, Command
from hawser.lab.payload import encode
from hawser.multipath.disk import PathDevice


class Aftermath:
    """`server_died`: its process ended, and its cache with it; else only the connection did."""

    def __init__(self, ghosts: list[Command], orphans: list[Orphan], cache: Orphan | None, server_died: bool) -> None:
        self.ghosts = ghosts
        self.orphans = orphans
        self.cache = cache
        self.server_died = server_died


class ManualPath(Driver):
    """`commands`: those of the present session that may still be answered, live and late. `hole`: nothing passes just now."""

    def __init__(self, name: str, server: Controller, turn: Turn) -> None:
        super().__init__(turn)
        self.name = name
        self.server = server
        self.device: PathDevice | None = None
        self.answers_are_final = True
        self.up = True
        self.hole = False
        self.epoch = 1
        self.commands: list[Command] = []
        self.aftermaths: list[Aftermath] = []
        self.sent: list[Command] = []
        self._batch: list[Request] = []

    # What the engine asks of a driver.

    def queue_rq(self, request: Request) -> int:
        if self.up:
            self._batch.append(request)
        else:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
        return OK

    def commit(self) -> None:
        batch = self._batch
        if batch:
            self._batch = []
            for request in batch:
                self._send(request)

    def _send(self, request: Request) -> None:
        if not self.up:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
            return
        command = Command(request)
        if self.hole:
            command.stage = STUCK
        self.sent.append(command)
        place = len(self.commands)
        while place > 0 and command.comes_before(self.commands[place - 1]):
            place -= 1
        self.commands.insert(place, command)

    def outstanding(self) -> list[Request]:
        found = list(self._batch)
        for command in self.commands:
            if command.request is not None:
                found.append(command.request)
        return found

    def trouble(self) -> str:
        return "" if self.up else "is not connected"

    def path(self) -> PathDevice:
        assert self.device is not None
        return self.device

    # What the exploration does.

    def has_late(self) -> bool:
        for command in self.commands:
            if command.request is None:
                return True
        return False

    def answer(self, command: Command) -> None:
        """The answer to an executed command arrives, perhaps late."""
        assert command.stage == DONE
        self.commands.remove(command)
        request = command.request
        if request is None:
            self._late_answer(command)
            return
        if command.status != OK:
            request.finish(
                command.status, command.good << SECTOR_SHIFT if command.good < command.count else 0, ANSWERED
            )
        else:
            if command.op == READ:
                request.data = encode(command.result)
            request.finish(OK, request.size)
        self.complete(request)

    def _late_answer(self, command: Command) -> None:
        orphan = command.orphan
        assert orphan is not None
        if command.status == OK:
            self.path().late_write()
        orphan.resolve(PROOF_ANSWER)
        if self.listener is not None and self.up:
            self.listener.session_ready(self)

    def time_out(self, command: Command) -> None:
        """Nobody waits for this answer any more. What reads, or flushes late, does so unseen: it is let go of."""
        request = command.request
        assert request is not None
        command.request = None
        if command.is_write():
            command.orphan = self._orphan(request)
        else:
            self.commands.remove(command)
        request.finish(TIMEOUT, 0, UNKNOWN)
        self.complete(request)

    def _orphan(self, request: Request) -> Orphan:
        orphan = request.orphaned(self.name, self.epoch)
        request.orphan = orphan
        return orphan

    def end_session(self, server_died: bool) -> None:
        """The connection is gone, with what sits in our send queue; what was received may still be executed."""
        self.up = False
        self.hole = False
        orphans: list[Orphan] = []
        ghosts: list[Command] = []
        commands = self.commands
        self.commands = []
        for command in commands:
            request = command.request
            command.request = None
            if request is not None:
                if command.is_write():
                    command.orphan = self._orphan(request)
                request.finish(TRANSPORT, 0, UNKNOWN)
                self.complete(request)
            if command.orphan is not None:
                orphans.append(command.orphan)
                if command.stage != STUCK and command.stage != DONE:
                    ghosts.append(command)
        device = self.path()
        device.session_ended()
        cache = device.left_behind
        if cache is not None and cache.epoch != self.epoch:
            cache = None
        if orphans or cache is not None:
            self.aftermaths.append(Aftermath(ghosts, orphans, cache, server_died))
        if self.listener is not None:
            self.listener.session_lost(self, "the connection ended")

    def connect(self) -> None:
        """A new session."""
        self.up = True
        self.epoch += 1
        if self.listener is not None:
            self.listener.session_ready(self)

    def settle(self, aftermath: Aftermath, proof: str) -> None:
        """It is proved that the old session can do no more harm."""
        self.aftermaths.remove(aftermath)
        for orphan in aftermath.orphans:
            orphan.resolve(proof)
        cache = aftermath.cache
        if cache is not None and not cache.proof:
            self.path().cache_gone(proof)
