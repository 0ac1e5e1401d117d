"""A flush error is told once by Linux: EIO, then OK. It must reach the client, and stay. DESIGN, Hard problems 3."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.nbd_client import NbdClient, NbdError
from tests.support.processes import run
from tests.support.programs import missing, require_program

from hawser.nbd.protocol import CMD_FLAG_FUA, EIO

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server", "losetup", "mount"),
]

ROOM = 2 * MIB


@pytest.fixture
def small_disk(socket_dir: Path) -> Iterator[str]:
    """A loop device of 16 MiB over a file system with room for 2: writes succeed, writing back does not."""
    if os.geteuid() != 0:
        missing("only root can mount and make loop devices")
    room = socket_dir / "room"
    room.mkdir()
    run([require_program("mount"), "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", room])
    loop = ""
    try:
        back = room / "back"
        with back.open("wb") as file:
            file.truncate(8 * ROOM)
        loop = run([require_program("losetup"), "-f", "--show", back]).stdout.strip()
        yield loop
    finally:
        if loop:
            run([require_program("losetup"), "-d", loop], check=False)
        run([require_program("umount"), "-l", room], check=False)


def overfill(client: NbdClient) -> None:
    for number in range(8):
        client.write(number * MIB, b"W" * MIB)


def fails_with_eio(client: NbdClient) -> bool:
    with pytest.raises(NbdError) as caught:
        client.flush()
    return caught.value.errno == EIO


def scene(fleet: Fleet, small_disk: str, upstream: str, mode: str):
    if upstream != "file":
        servers = [fleet.server(upstream, name, Path(small_disk)) for name in ("one", "two")]
        # Both really lead into one page cache: the flush could be tried again on the other one, and would "succeed".
        paths = [server.uri(cache="lun") for server in servers]
    else:
        paths = [small_disk, f"file://{small_disk}?weight=1"]
    return fleet.serve(paths, "--queue-mode", mode)


@pytest.mark.parametrize(
    ("upstream", "mode"),
    [("nbdkit", "rq"), ("nbdkit", "bio"), ("file", "rq"), ("qemu-nbd", "rq"), ("nbd-server", "bio")],
)
def test_it_reaches_the_client_and_stays(fleet, small_disk, upstream, mode):
    gateway = scene(fleet, small_disk, upstream, mode)
    client = fleet.client(gateway)
    other = fleet.client(gateway)
    overfill(client)
    assert fails_with_eio(client)
    assert fails_with_eio(client), "told once by the kernel, but not forgotten"
    assert fails_with_eio(other), "whoever had the disk open may have lost data"
    assert gateway.states() == "AA", "an answer is no reason to fail a path"
    newcomer = fleet.client(gateway)
    newcomer.write(0, b"n" * 4096)
    if upstream == "qemu-nbd":
        # It does not trust the page cache any more, and says so for as long as it lives.
        assert fails_with_eio(newcomer)
    else:
        newcomer.flush()
    assert fails_with_eio(client)
    gateway.assert_no_traceback()


@pytest.mark.parametrize(
    ("upstream", "mode"), [("nbdkit", "rq"), ("nbdkit", "bio"), ("qemu-nbd", "bio"), ("nbd-server", "rq")]
)
def test_a_write_with_fua_may_hear_it_first(fleet, small_disk, upstream, mode):
    """It has room itself. Its server syncs the whole disk behind it, and that error is told once, too."""
    gateway = scene(fleet, small_disk, upstream, mode)
    client = fleet.client(gateway)
    client.write(0, b"F" * 4096)
    client.flush()
    overfill(client)
    with pytest.raises(NbdError) as caught:
        client.write(0, b"f" * 4096, CMD_FLAG_FUA)
    assert caught.value.errno == EIO
    assert fails_with_eio(client)
    assert fails_with_eio(client)
    assert gateway.states() == "AA"
    gateway.assert_no_traceback()
