"""A negotiation as a generator that reads like its specification, and the driver that feeds it.

The generator says `data = yield Need(4, "the client flags")` where the document says "C: 32 bits, client
flags", queues what it sends with `_send`, and returns the outcome. The driver cuts the incoming bytes to
measure however they arrive, so a conversation's course cannot depend on chunking; it holds no more than the
largest `Need` and the chunk it was handed. A `ProtocolError` anywhere ends the conversation with the outcome
that `_failed` makes of it.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from hawser.nbd.protocol import ProtocolError

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Need:
    """So many bytes are wanted next; `what` names them in an error."""

    size: int
    what: str


class Conversation(Generic[Outcome]):
    """Drives one generator: bytes in by `receive`, bytes out by `outgoing`, the end in `result`."""

    def __init__(self) -> None:
        self.result: Outcome | None = None
        self.sent_bytes = 0
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._need = Need(0, "the start")
        self._steps: Generator[Need, bytes, Outcome] | None = None

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer, in pieces of any size; not to be called once `result` is set."""
        assert self.result is None, "the negotiation is over; later bytes belong to whoever took the result"
        self._incoming += data
        self._advance()

    def outgoing(self) -> bytes:
        """The bytes to send to the peer since the last call, perhaps none; look after `result` is set too."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def end_of_input(self) -> None:
        """The peer sends no more: a conversation that was not over has failed."""
        if self.result is None:
            self.result = self._failed(f"the peer closed the connection where {self._need.what} was due")

    def held_bytes(self) -> int:
        """How many bytes the conversation holds, both ways."""
        return len(self._incoming) + len(self._outgoing)

    def _begin(self, steps: Generator[Need, bytes, Outcome]) -> None:
        self._steps = steps
        try:
            self._need = next(steps)
        except StopIteration as stop:
            self.result = stop.value

    def _advance(self) -> None:
        while self.result is None and len(self._incoming) >= self._need.size:
            data = bytes(self._incoming[: self._need.size])
            del self._incoming[: self._need.size]
            self._step(data)

    def _step(self, data: bytes) -> None:
        assert self._steps is not None
        try:
            self._need = self._steps.send(data)
        except StopIteration as stop:
            self.result = stop.value
        except ProtocolError as error:
            self.result = self._failed(str(error))
        if self.result is not None:
            self._steps = None
            self._incoming.clear()

    def _send(self, data: bytes) -> None:
        self._outgoing += data
        self.sent_bytes += len(data)

    def _leftover(self) -> bytes:
        """What came after the last byte that the conversation wanted."""
        return bytes(self._incoming)

    def _failed(self, reason: str) -> Outcome:
        raise NotImplementedError
