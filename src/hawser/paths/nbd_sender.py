"""Sender: commands on their way into a connection, and which of them the transport has been handed anything of.

That distinction is what a lost connection is judged by: a command of which not one byte was handed over was *not
sent* and may be retried freely; any other may have arrived.
"""

import socket
from collections import deque
from typing import Final

from hawser.block.ops import Buffer

IOV_MAX: Final = 1024


class Outgoing:
    """A command as bytes. `started`: some of them were handed over."""

    def __init__(self, cookie: int, views: list[Buffer]) -> None:
        self.cookie = cookie
        self.views = views
        self.started = False


class Sender:
    """`waiting` is what the transport has not taken yet, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting: deque[Outgoing] = deque()

    def send(self, commands: list[Outgoing], iov: list[Buffer]) -> bool:
        """Send `commands`, whose bytes are also in `iov`, behind what waits; whether everything was taken."""
        if self.waiting:
            self.waiting.extend(commands)
            return False
        sent = 0
        if len(iov) <= IOV_MAX:
            try:
                sent = self.sock.sendmsg(iov)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                # The receiving side will say what happened, and end the session.
                pass
        self._keep_unsent(commands, sent)
        return not self.waiting

    def _keep_unsent(self, commands: list[Outgoing], sent: int) -> None:
        for outgoing in commands:
            size = 0
            for view in outgoing.views:
                size += len(view)
            if sent >= size:
                sent -= size
                continue
            if sent:
                outgoing.started = True
                outgoing.views = skip(outgoing.views, sent)
                sent = 0
            self.waiting.append(outgoing)

    def send_waiting(self) -> bool:
        """Send what waits; whether nothing waits any more (or nothing can ever be sent)."""
        waiting = self.waiting
        while waiting:
            first = waiting[0]
            try:
                sent = self.sock.sendmsg(first.views[:IOV_MAX])
            except (BlockingIOError, InterruptedError):
                return False
            except OSError:
                return True
            first.started = True
            first.views = skip(first.views, sent)
            if not first.views:
                waiting.popleft()
        return True

    def take_back(self, cookie: int) -> bool:
        """Whether not a byte of the command was handed over; it is forgotten then."""
        for outgoing in self.waiting:
            if outgoing.cookie == cookie:
                if outgoing.started:
                    return False
                self.waiting.remove(outgoing)
                return True
        return False

    def not_started(self) -> list[int]:
        """The cookies of which not a byte was handed over."""
        return [outgoing.cookie for outgoing in self.waiting if not outgoing.started]


def skip(views: list[Buffer], count: int) -> list[Buffer]:
    """`views` without their first `count` bytes."""
    for index, view in enumerate(views):
        if count < len(view):
            if count == 0:
                return views[index:]
            rest: list[Buffer] = [memoryview(view)[count:]]
            return rest + views[index + 1 :]
        count -= len(view)
    return []
