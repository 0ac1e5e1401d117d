"""Hangups: who hangs up while nothing is read from him.

A client with as much in flight as it may have is not read from, so that its end of file would not be seen, and its commands would
outlive it (DESIGN, Hard problems 7).

The event loop's selector tells of an end only along with what is to be read before it; an epoll of its own, itself a file
descriptor that becomes readable, asks for the end alone.
"""

import select

from hawser.core.reactor import Handler, Reactor


class Hangups(Handler):
    """`watch` a socket while its reads are ignored; its handler is told by `readable` once the other side has hung up."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}

    def watch(self, fd: int, handler: Handler) -> None:
        if not self._handlers:
            self.reactor.watch_reads(self._epoll.fileno(), self)
        if fd not in self._handlers:
            self._epoll.register(fd, select.EPOLLRDHUP)
        self._handlers[fd] = handler

    def ignore(self, fd: int) -> None:
        """Needed before the socket is closed; does nothing for one that is not watched."""
        if fd not in self._handlers:
            return
        del self._handlers[fd]
        self._epoll.unregister(fd)
        if not self._handlers:
            self.reactor.ignore_reads(self._epoll.fileno())

    def readable(self) -> None:
        for fd, _ in self._epoll.poll(0):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler.readable()
