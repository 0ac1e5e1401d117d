"""The blocking disk of the demonstrations' database on a real server: what it reads and writes, and what it raises."""

import pytest

from hawser.core.units import KIB, MIB
from hawser.service.nbd_disk import BLOCK, NbdDisk

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit")]


def test_it_reads_what_it_wrote_of_any_size_and_raises_what_is_refused(fleet):
    server = fleet.nbdkit("memory", "memory", "1M")
    disk = NbdDisk(server.address, "")
    assert disk.size_bytes == MIB
    for size in (BLOCK, 64 * KIB, 256 * KIB):
        data = bytes(range(256)) * (size // 256)
        disk.write(size, data)
        assert disk.read(size, size) == data
        assert disk.read(size - BLOCK, 2 * BLOCK)[BLOCK:] == data[:BLOCK]
    disk.flush()
    with pytest.raises(OSError, match="command 0 of 4096 bytes at 1048576"):
        disk.read(MIB, BLOCK)
    assert disk.read(BLOCK, BLOCK) == bytes(range(256)) * 16, "it goes on"
    server.kill()
    with pytest.raises(OSError):
        disk.read(0, BLOCK)
    disk.close()


def test_an_export_that_is_not_there_and_a_socket_that_nobody_listens_at(fleet):
    image = fleet.image("disk", MIB)
    server = fleet.server("nbdkit", "one", image)
    server.kill()
    with pytest.raises(OSError):
        NbdDisk(server.address, "")
    gateway = fleet.serve(["ram:?size=1M"])
    with pytest.raises(OSError, match="nosuch"):
        NbdDisk(str(gateway.socket), "nosuch")
