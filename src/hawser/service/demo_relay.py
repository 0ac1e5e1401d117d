"""Relay: a cable over TCP to a server behind a unix socket, as a process. Stopped (SIGSTOP), it is a black hole: connections
stand, nothing is refused, and nothing comes through; what it holds goes on when it goes on (SIGCONT), as in a network that
heals.

    python -P -m hawser.service.demo_relay SOCKET

It prints the port of the loopback address that it listens at.
"""

import asyncio
import contextlib
import sys
from typing import Final

from hawser.service.demo_child import die_with_parent

ADDRESS: Final = "127.0.0.1"
CHUNK: Final = 1 << 16


class Relay:
    """Passes on, both ways, until either side ends; then both do."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream

    async def serve(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            near_writer.transport.abort()
            return
        ways = [
            asyncio.ensure_future(_pass_on(near_reader, far_writer)),
            asyncio.ensure_future(_pass_on(far_reader, near_writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            near_writer.transport.abort()
            far_writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


async def relay(upstream: str) -> None:
    """For ever."""
    server = await asyncio.start_server(Relay(upstream).serve, ADDRESS, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(arguments: list[str]) -> int:
    """As a process."""
    die_with_parent()
    asyncio.run(relay(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
