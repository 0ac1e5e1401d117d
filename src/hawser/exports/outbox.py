"""Outbox: replies on their way to one client, sent with as few system calls as it takes."""

import socket
from typing import Final

from hawser.block.ops import Buffer

IOV_MAX: Final = 1024

SENT: Final = 0
BLOCKED: Final = 1
GONE: Final = 2


class Outbox:
    """`views` is what is still to be sent, in order. What puts views in bounds their number."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.views: list[Buffer] = []

    def send(self) -> int:
        """Send what there is: SENT, BLOCKED when the client does not take more now, GONE when it is not there any more."""
        views = self.views
        while views:
            part = views if len(views) <= IOV_MAX else views[:IOV_MAX]
            try:
                sent = self.sock.sendmsg(part)
            except (BlockingIOError, InterruptedError):
                return BLOCKED
            except OSError:
                return GONE
            views = _rest(part, views, sent)
            self.views = views
        return SENT


def _rest(part: list[Buffer], views: list[Buffer], sent: int) -> list[Buffer]:
    """What is left of `views` when `sent` bytes of its first `part` have gone."""
    index = 0
    count = len(part)
    while index < count and sent >= len(part[index]):
        sent -= len(part[index])
        index += 1
    if index == len(views):
        return []
    left = views[index:]
    if sent:
        left[0] = memoryview(left[0])[sent:]
    return left
