"""A client is gone, by a reset or SIGKILL, with writes queued: behind a fence, or without a path. Another one writes the same
blocks: its data survives, whatever becomes of the first one's. DESIGN, Hard problems 7."""

import socket
import struct
import time

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdClient
from tests.support.processes import Process
from tests.support.programs import require_program
from tests.support.upstreams import content

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "fio")]

BLOCK = 4096
BLOCKS = 60
HEIRS = b"N" * BLOCK
RESET = struct.pack("ii", 1, 0)
LOCAL = "127.0.0.1"


def writer(uri: str) -> list[str]:
    """A client of another make (fio with libnbd), which has as many writes in flight as there are blocks, until it is killed."""
    words = [
        "--name=writer",
        "--thread",
        "--ioengine=nbd",
        f"--uri={uri}",
        "--rw=write",
        "--buffer_pattern=0x4b",
        "--time_based",
    ]
    words += [f"--bs={BLOCK}", f"--iodepth={BLOCKS}", f"--size={BLOCK * BLOCKS}", "--runtime=600"]
    return [require_program("fio"), *words]


class Scene:
    """Two servers over one file, of which the first one stands still when asked to; both kinds of client that will be gone."""

    def __init__(self, fleet: Fleet, mode: str) -> None:
        self.fleet = fleet
        self.image = fleet.image("disk", 8 * MIB)
        self.servers = [fleet.nbdkit(name, "file", self.image) for name in ("one", "two")]
        self.gateway: Gateway = fleet.serve(
            [server.uri(cache="lun", timeout=1) for server in self.servers],
            *["--queue-mode", mode, "--queue-timeout", "forever", "--grouping", "failover"],
            listen=f"nbd://{LOCAL}:0/d",
        )
        self.gateway.wait_for_paths("AA")
        self.steady = self.gateway.client()

    def leave(self) -> tuple[NbdClient, Process]:
        """Two clients whose writes of all blocks have reached the gateway, and wait there."""
        reset = self.gateway.client()
        for number in range(BLOCKS):
            reset.send_write(number * BLOCK, b"R" * BLOCK)
        killed = self.fleet.run("writer", *writer(self.gateway.uri))
        killed.wait_until(lambda: "Open count:        3" in self.gateway.dm("info"), "is connected")
        # Until the gateway has read what both have sent, which cannot be seen from outside.
        time.sleep(0.7)
        assert not reset.answered(0)
        return reset, killed

    def go(self, reset: NbdClient, killed: Process) -> None:
        reset.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        reset.close()
        killed.kill()
        self.gateway.wait_until(lambda: "Open count:        1" in self.gateway.dm("info"), "sees that both are gone")

    def inherit(self) -> list[int]:
        return [self.steady.send_write(number * BLOCK, HEIRS) for number in range(BLOCKS)]

    def assert_inherited(self, commands: list[int]) -> None:
        for command in commands:
            self.steady.wait(command)
        assert self.steady.read(0, BLOCKS * BLOCK) == HEIRS * BLOCKS
        self.steady.flush()
        self.gateway.wait_for_states("AA")
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            assert content(self.image, 0, BLOCKS * BLOCK) == HEIRS * BLOCKS, (
                "what a client that is gone had queued has landed"
            )
            time.sleep(0.05)
        self.gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", ["rq", pytest.param("bio", marks=pytest.mark.soak)])
def test_what_was_queued_behind_a_fence_does_not_come_over_what_another_client_writes(fleet: Fleet, mode):
    scene = Scene(fleet, mode)
    first = scene.servers[0]
    first.freeze()
    # One write over all of it is in the server that stands still; its retry has succeeded.
    old = scene.steady.send_write(0, b"O" * BLOCK * BLOCKS)
    scene.gateway.wait_for_log("fate unknown")
    scene.steady.wait(old)
    gone = scene.leave()
    scene.go(*gone)
    commands = scene.inherit()
    assert not scene.steady.has_answer(commands[0], 0.2), "the old write is in the server still"
    first.thaw()
    scene.assert_inherited(commands)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_was_queued_without_a_path_does_not_come_over_what_another_client_writes(fleet: Fleet, mode):
    scene = Scene(fleet, mode)
    for server in scene.servers:
        server.kill()
    scene.gateway.wait_for_states("FF")
    gone = scene.leave()
    scene.go(*gone)
    commands = scene.inherit()
    assert not scene.steady.has_answer(commands[0], 0.2)
    for server in scene.servers:
        server.start()
    scene.assert_inherited(commands)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_what_was_in_a_server_does_not_come_over_what_another_client_writes(fleet: Fleet, mode):
    """Both servers stand still with the writes of the clients that are gone."""
    scene = Scene(fleet, mode)
    for server in scene.servers:
        server.freeze()
    gone = scene.leave()
    scene.go(*gone)
    commands = scene.inherit()
    assert not scene.steady.has_answer(commands[0], 1.5)
    for server in scene.servers:
        server.thaw()
    scene.assert_inherited(commands)
