"""Files and block devices as paths, on the real system: O_DIRECT, short files, discard and zeroes, slow files."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.fleet import MIB
from tests.support.nbd_client import NbdError
from tests.support.processes import run
from tests.support.programs import missing, require_program
from tests.support.upstreams import content

from hawser.nbd import protocol
from hawser.nbd.protocol import EIO

pytestmark = pytest.mark.interop

MODES = ["rq", "bio"]


def require_root() -> None:
    if os.geteuid() != 0:
        missing("only root can make loop devices and mount")


@pytest.fixture
def loop_device(socket_dir: Path) -> Iterator[tuple[Path, str]]:
    """A loop device with 4096-byte sectors, and the file behind it."""
    require_root()
    losetup = require_program("losetup")
    back = socket_dir / "back.img"
    with back.open("wb") as file:
        file.truncate(32 * MIB)
    device = run([losetup, "-f", "--show", "--sector-size", "4096", back]).stdout.strip()
    try:
        yield back, device
    finally:
        run([losetup, "-d", device], check=False)


def exercise(client, block: int) -> None:
    """Every command, at the export's own granularity, against what a bytearray says."""
    truth = bytearray(MIB)
    client.zero(0, MIB)

    def put(offset: int, data: bytes, flags: int = 0) -> None:
        client.write(offset, data, flags)
        truth[offset : offset + len(data)] = data

    put(0, b"a" * block)
    put(block * 3, b"b" * block * 20, protocol.CMD_FLAG_FUA)
    put(512 << 10, b"c" * (256 << 10))
    client.trim(block * 4, block * 2)
    truth[block * 4 : block * 6] = bytes(block * 2)
    client.zero(block * 8, block, protocol.CMD_FLAG_NO_HOLE)
    truth[block * 8 : block * 9] = bytes(block)
    client.flush()
    assert client.read(0, MIB) == bytes(truth)
    # Reads may be of any size.
    assert client.read(block * 3 + 1, 2 * block) == truth[block * 3 + 1 : block * 5 + 1]
    assert client.read(MIB - 3, 3) == truth[-3:]


@pytest.mark.parametrize("mode", MODES)
def test_direct_on_a_block_device(fleet, loop_device, mode):
    _, device = loop_device
    gateway = fleet.serve([f"file://{device}?direct=yes"], "--queue-mode", mode)
    number = f"{os.major(os.stat(device).st_rdev)}:{os.minor(os.stat(device).st_rdev)}"
    assert f" {number} A 0 " in gateway.dm("status"), "a block device keeps its number"
    client = fleet.client(gateway)
    assert client.export.block_min == 4096
    with pytest.raises(NbdError) as caught:
        client.write(512, b"x" * 512)
    assert caught.value.errno == protocol.EINVAL
    exercise(client, 4096)
    exercise(fleet.client(gateway), 4096)
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_buffered_on_a_block_device(fleet, loop_device, mode):
    back, device = loop_device
    gateway = fleet.serve([device], "--queue-mode", mode)
    client = fleet.client(gateway)
    exercise(client, 4096)
    client.write(8 * MIB, b"k" * MIB)
    client.flush()
    assert content(back, 8 * MIB, MIB) == b"k" * MIB
    gateway.assert_no_traceback()


@pytest.mark.parametrize("attribute", ["weight=1", "direct=yes"])
@pytest.mark.parametrize("mode", MODES)
def test_a_regular_file(fleet, mode, attribute):
    image = fleet.image("disk", 16 * MIB)
    gateway = fleet.serve([f"file://{image}?{attribute}"], "--queue-mode", mode)
    exercise(fleet.client(gateway), 4096)
    assert gateway.states() == "A"
    gateway.assert_no_traceback()


def test_trim_and_zeroes_give_room_back_and_no_hole_keeps_it(fleet):
    image = fleet.image("disk", 16 * MIB)
    client = fleet.client(fleet.serve([str(image)]))
    client.write(0, b"x" * (4 * MIB))
    client.flush()
    full = os.stat(image).st_blocks
    client.trim(0, MIB)
    assert os.stat(image).st_blocks <= full - MIB // 512 + 16
    client.zero(MIB, MIB)
    after = os.stat(image).st_blocks
    assert after <= full - 2 * MIB // 512 + 16
    client.zero(2 * MIB, MIB, protocol.CMD_FLAG_NO_HOLE)
    assert os.stat(image).st_blocks >= after - 16
    assert client.read(0, 4 * MIB) == bytes(3 * MIB) + b"x" * MIB
    assert os.stat(image).st_size == 16 * MIB


def test_a_file_whose_size_is_no_multiple_of_a_sector(fleet):
    image = fleet.image("disk", MIB + 100)
    client = fleet.client(fleet.serve([str(image)]))
    assert client.export.size_bytes == MIB
    client.write(MIB - 512, b"e" * 512)
    assert client.read(MIB - 512, 512) == b"e" * 512
    assert os.stat(image).st_size == MIB + 100


@pytest.mark.parametrize("mode", MODES)
def test_a_file_that_was_cut_short_errs_beyond_its_end_and_serves_what_is_left(fleet, mode):
    image = fleet.image("disk", 4 * MIB, b"f")
    gateway = fleet.serve([str(image)], "--queue-mode", mode)
    client = fleet.client(gateway)
    os.truncate(image, 2 * MIB)
    for offset, size in ((3 * MIB, 4096), (2 * MIB - 4096, 8192)):
        with pytest.raises(NbdError) as caught:
            client.read(offset, size)
        assert caught.value.errno == EIO
    assert client.read(0, 4096) == b"f" * 4096
    gateway.assert_no_traceback()


def test_a_file_that_may_not_be_written_is_exported_read_only(fleet):
    image = fleet.image("disk", MIB, b"r")
    gateway = fleet.serve([str(image)], "--read-only")
    client = fleet.client(gateway)
    assert client.export.flags & protocol.FLAG_READ_ONLY
    assert client.read(0, 512) == b"r" * 512


@pytest.mark.needs("nbdkit", "nbdfuse", "gcc")
def test_a_file_that_asks_a_server_has_threads_from_the_start_and_holds_nobody_up(fleet):
    """A file on a file system whose server takes its time: by nbdfuse over an nbdkit whose reads are delayed."""
    require_root()
    image = fleet.image("disk", 16 * MIB, b"s")
    slow = fleet.nbdkit("slow", "file", image, "rdelay=150ms", filters=["delay"])
    mount_point = fleet.directory / "fuse"
    mount_point.mkdir()
    fuse = fleet.run("nbdfuse", "nbdfuse", mount_point, "--unix", str(slow.address))
    try:
        fuse.wait_until(lambda: (mount_point / "nbd").exists(), "shows the export as a file")
        gateway = fleet.serve([str(mount_point / "nbd")])
        client = fleet.client(gateway)
        assert client.read(0, 4096) == b"s" * 4096
        assert "was slow" not in gateway.log(), "its first system call was to go to a thread, too"
        other = fleet.client(gateway)
        started = time.monotonic()
        cookies = [client.send_read(number * MIB, 4096) for number in range(8)]
        # The loop is free meanwhile: the control socket answers, and so does the other client's handshake.
        assert gateway.states() == "A"
        assert other.read(9 * MIB, 4096) == b"s" * 4096
        for cookie in cookies:
            assert client.wait(cookie) == b"s" * 4096
        assert time.monotonic() - started < 20
        assert gateway.end() < 5
        gateway.assert_no_traceback()
    finally:
        run([require_program("umount"), "-l", mount_point], check=False)
        slow.kill()
        fuse.kill()


@pytest.mark.needs("nbdkit", "nbdfuse")
def test_a_file_that_hangs_does_not_keep_the_process_from_ending(fleet):
    require_root()
    image = fleet.image("disk", 16 * MIB, b"s")
    server = fleet.nbdkit("hangs", "file", image, "rdelay=100ms", filters=["delay"])
    mount_point = fleet.directory / "fuse"
    mount_point.mkdir()
    fuse = fleet.run("nbdfuse", "nbdfuse", mount_point, "--unix", str(server.address))
    try:
        fuse.wait_until(lambda: (mount_point / "nbd").exists(), "shows the export as a file")
        gateway = fleet.serve([str(mount_point / "nbd")])
        client = fleet.client(gateway)
        assert client.read(0, 4096) == b"s" * 4096
        server.freeze()
        stuck = client.send_read(MIB, 4096)
        assert not client.has_answer(stuck, 0.5)
        gateway.signal(15)
        started = time.monotonic()
        with pytest.raises(NbdError) as caught:
            client.wait(stuck, 10)
        assert caught.value.errno == EIO
        # The process itself lingers in the kernel until its system call returns, whatever it does; the sockets are free.
        gateway.wait_until(lambda: not gateway.socket.exists(), "took its socket away")
        assert time.monotonic() - started < 5
    finally:
        server.thaw()
        run([require_program("umount"), "-l", mount_point], check=False)
        server.kill()
        fuse.kill()
    assert gateway.wait() == 0
