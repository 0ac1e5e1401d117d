"""Servers that read, modify and write larger blocks than they say: through several of them only whole blocks may be written.

DESIGN, Hard problems 4.
"""

import pytest
from tests.support.fleet import MIB
from tests.support.nbd_client import NbdError
from tests.support.processes import run

from hawser.nbd.protocol import EINVAL

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server")]


def refused(call, *args) -> bool:
    with pytest.raises(NbdError) as caught:
        call(*args)
    return caught.value.errno == EINVAL


def test_over_several_servers_a_part_of_a_block_is_refused_and_neighbours_are_safe(fleet):
    image = fleet.image("disk", 8 * MIB, b"0")
    names = ("one", "two")
    servers = [fleet.nbdkit(name, "file", image, "minblock=4096", filters=["blocksize"]) for name in names]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers])
    client = fleet.client(gateway)
    assert client.export.block_min >= 4096
    assert refused(client.write, 512, b"N" * 512)
    assert refused(client.zero, 0, 512)
    assert refused(client.trim, 4096, 2048)
    client.write(0, b"W" * 4096)
    assert client.read(0, 4096) == b"W" * 4096
    # A read may be of any size: nothing is modified by it.
    assert client.read(512, 512) == b"W" * 512
    assert client.read(4095, 2) == b"W0"


@pytest.mark.parametrize("kind", ["nbdkit", "qemu-nbd", "nbd-server"])
def test_servers_that_state_no_block_size_count_as_working_in_4096_bytes(fleet, kind):
    image = fleet.image("disk", 8 * MIB)
    servers = [fleet.server(kind, name, image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers])
    client = fleet.client(gateway)
    assert client.export.block_min >= 4096
    assert refused(client.write, 0, b"N" * 512)
    client.write(0, b"N" * client.export.block_min)


def test_one_server_alone_may_be_written_by_the_sector(fleet):
    image = fleet.image("disk", 8 * MIB)
    server = fleet.nbdkit("one", "file", image)
    client = fleet.client(fleet.serve([server.uri()]))
    assert client.export.block_min == 512
    client.write(512, b"N" * 512)
    assert client.read(0, 1536) == bytes(512) + b"N" * 512 + bytes(512)


def test_qemu_takes_the_block_size_to_heart(fleet):
    """A client that heeds the export's block sizes may be asked for less than a block: it does the rest itself."""
    image = fleet.image("disk", 8 * MIB, b"0")
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers])
    commands = ["write -P 0x4e 512 512", "read -P 0x4e 512 512", "read -P 0x30 0 512"]
    run(["qemu-io", "-f", "raw", *[word for command in commands for word in ("-c", command)], gateway.uri])
