"""The selector of a process that serves I/O: asyncio's and the data plane's file descriptors in one epoll.

asyncio asks its selector for events once per round. This one hands the data plane's events to the `Loop` that watches them,
right there, and returns to asyncio only when something is asyncio's: so an I/O costs one epoll_wait, and none of asyncio's own
time.
"""

import select
import selectors
from collections.abc import Callable, Mapping
from typing import Any

Poll = Callable[[float], list[tuple[int, int]]]


class SharedSelector(selectors.BaseSelector):
    """`epoll` is shared with a Loop, which sets `poll`: wait (seconds, negative: for ever) and give back the events
    not its own."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.poll: Poll = self._poll
        self._keys: dict[int, selectors.SelectorKey] = {}

    def _poll(self, timeout: float) -> list[tuple[int, int]]:
        return self.epoll.poll(timeout)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = _fd_of(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (fd {fd}) is already registered")
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self.epoll.register(fd, _mask_of(events))
        self._keys[fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys.pop(_fd_of(fileobj))
        try:
            self.epoll.unregister(key.fd)
        except OSError:
            # It was closed first, which took it out.
            return key
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[_fd_of(fileobj)]
        if events != key.events:
            self.epoll.modify(key.fd, _mask_of(events))
        key = selectors.SelectorKey(fileobj, key.fd, events, data)
        self._keys[key.fd] = key
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = []
        for fd, mask in self.poll(-1.0 if timeout is None else max(0.0, timeout)):
            key = self._keys.get(fd)
            if key is not None:
                events = selectors.EVENT_READ if mask & ~select.EPOLLOUT else 0
                if mask & ~select.EPOLLIN:
                    events |= selectors.EVENT_WRITE
                ready.append((key, events & key.events))
        return ready

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_fd_of(fileobj)]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self.epoll.close()
        self._keys.clear()


def _fd_of(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())


def _mask_of(events: int) -> int:
    mask = select.EPOLLIN if events & selectors.EVENT_READ else 0
    return mask | (select.EPOLLOUT if events & selectors.EVENT_WRITE else 0)
