"""The loop on real file descriptors: ends and errors are told, in an event loop that shares its epoll, and under others."""

import asyncio
import os
import socket

import pytest
import uvloop

from hawser.core.reactor import Handler
from hawser.service.loop import Loop, own_loop

pytestmark = pytest.mark.interop


class Ear(Handler):
    """Hears, and does as it is told."""

    def __init__(self, loop, fd, do=None):
        self.loop = loop
        self.fd = fd
        self.do = do
        self.heard = []

    def readable(self):
        self.heard.append("readable")
        self.react()

    def writable(self):
        self.heard.append("writable")
        self.react()

    def react(self):
        self.loop.ignore_reads(self.fd)
        self.loop.ignore_writes(self.fd)
        if self.do is not None:
            self.do()


@pytest.fixture(params=["own", "asyncio", "uvloop"])
def run(request):
    """`run(story)`: the coroutine function `story` is called with a Loop."""
    factory = {"own": own_loop, "asyncio": None, "uvloop": uvloop.new_event_loop}[request.param]

    def run_story(story):
        async def main():
            await asyncio.wait_for(story(Loop()), 30)

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    return run_story


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    yield near, far
    near.close()
    far.close()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def reset(near, far):
    """The other side ends with something unread: the socket has an error pending, not only an end of file."""
    near.send(b"unread")
    far.close()


@pytest.mark.parametrize("watched_first", [True, False])
def test_a_reset_is_told(run, pair, watched_first):
    near, far = pair

    async def story(loop):
        ear = Ear(loop, near.fileno())
        if watched_first:
            loop.watch_reads(near.fileno(), ear)
            await asyncio.sleep(0.01)
            reset(near, far)
        else:
            reset(near, far)
            loop.watch_reads(near.fileno(), ear)
        await until(lambda: ear.heard)
        assert ear.heard == ["readable"]
        with pytest.raises(ConnectionResetError):
            near.recv(1)
        # Whoever has not found out yet may still want to write.
        loop.watch_writes(near.fileno(), ear)
        await until(lambda: len(ear.heard) == 2)
        assert ear.heard == ["readable", "writable"]

    run(story)


def test_what_came_before_a_reset_may_be_read_piece_by_piece(run, pair):
    """As a busy driver does, which takes so much in a turn and no more; uvloop's own watchers tell of a broken socket once."""
    near, far = pair
    got = []

    class Slow(Handler):
        def __init__(self, loop):
            self.loop = loop

        def readable(self):
            try:
                got.append(near.recv(1))
            except ConnectionResetError:
                got.append("reset")
                self.loop.ignore_reads(near.fileno())

        def writable(self):
            got.append("writable")
            self.loop.ignore_writes(near.fileno())

    async def story(loop):
        slow = Slow(loop)
        far.send(b"abc")
        reset(near, far)
        loop.watch_reads(near.fileno(), slow)
        await until(lambda: got)
        loop.watch_writes(near.fileno(), slow)
        await until(lambda: "reset" in got and "writable" in got)
        assert [item for item in got if item != "writable"] == [b"a", b"b", b"c", "reset"]

    run(story)


def test_reads_and_writes_of_one_descriptor_are_told_apart(run, pair):
    near, far = pair

    async def story(loop):
        ear = Ear(loop, near.fileno())
        loop.watch_reads(near.fileno(), ear)
        await asyncio.sleep(0.02)
        assert ear.heard == []
        loop.watch_writes(near.fileno(), ear)
        await until(lambda: ear.heard)
        assert ear.heard == ["writable"]
        loop.watch_reads(near.fileno(), ear)
        far.send(b"x")
        await until(lambda: len(ear.heard) == 2)
        assert ear.heard == ["writable", "readable"]
        await asyncio.sleep(0.02)
        assert len(ear.heard) == 2, "it ignores both now, although there is something to read"

    run(story)


def test_an_event_of_a_closed_descriptor_does_not_reach_the_next_one_of_that_number(run):
    """Both sockets are ready in one batch; the first handler closes the second, whose number goes to a new socket."""
    first, first_far = socket.socketpair()
    second, second_far = socket.socketpair()
    third, third_far = socket.socketpair()

    async def story(loop):
        heir = Ear(loop, second.fileno())

        def replace():
            if heir.heard or loser.heard:
                return
            loop.ignore_reads(second.fileno())
            os.dup2(third.fileno(), second.fileno())
            loop.watch_reads(second.fileno(), heir)

        winner = Ear(loop, first.fileno(), replace)
        loser = Ear(loop, second.fileno())
        loop.watch_reads(first.fileno(), winner)
        loop.watch_reads(second.fileno(), loser)
        first_far.send(b"x")
        second_far.send(b"x")
        await until(lambda: winner.heard)
        await asyncio.sleep(0.02)
        if not loser.heard:
            assert heir.heard == [], "there is nothing to read for it"
            third_far.send(b"x")
            await until(lambda: heir.heard)

    try:
        run(story)
    finally:
        for sock in (first, first_far, second, second_far, third, third_far):
            sock.close()
