"""A connection as others know it: its bios, the clock, the reactor. One class cannot be all of them, compiled."""

from typing import TYPE_CHECKING

from hawser.block.bio import Bio, BioOwner
from hawser.core.clock import Timer
from hawser.core.reactor import Handler

if TYPE_CHECKING:
    from hawser.exports.connection import Connection


class ConnectionOwner(BioOwner):
    """The connection as its bios know it."""

    def __init__(self, connection: "Connection") -> None:
        super().__init__()
        self.connection = connection

    def bio_done(self, bio: Bio) -> None:
        self.connection.bio_done(bio)

    def waits_for_proof(self, count: int, size: int) -> None:
        self.connection.waits_for_proof(count, size)


class ConnectionTimer(Timer):
    """The connection as the clock knows it."""

    def __init__(self, connection: "Connection") -> None:
        super().__init__()
        self.connection = connection

    def expire(self) -> None:
        self.connection.too_long()


class ConnectionHandler(Handler):
    """The connection as the reactor knows it."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection

    def readable(self) -> None:
        self.connection.readable()

    def writable(self) -> None:
        self.connection.flush()

    def after_turn(self) -> None:
        self.connection.flush()


class FarewellHandler(Handler):
    """The client has hung up while nothing was read from it."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection

    def readable(self) -> None:
        self.connection.drop("")
