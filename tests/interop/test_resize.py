"""A disk that grows by every path: nothing changes until all have grown and an operator asks; then new clients have all of it."""

from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.nbd_client import NbdError
from tests.support.processes import run

from hawser.nbd.protocol import EINVAL, ENOSPC

pytestmark = pytest.mark.interop

SIZE, LARGE = 8 * MIB, 16 * MIB
BLOCK = 4096


def resize(gateway: Gateway) -> tuple[int, str]:
    done = run([*HAWSER, "resize", "--control", gateway.control], check=False)
    return done.returncode, done.stdout + done.stderr


def grow(image: Path, size: int = LARGE) -> None:
    with image.open("r+b") as file:
        file.truncate(size)


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize(("mode", "cache"), [("rq", "path"), ("bio", "lun")])
def test_a_disk_behind_two_servers_grows_under_load(fleet: Fleet, mode: str, cache: str):
    image = fleet.image("disk", SIZE, b"full")
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    state = f"{fleet.directory}/state"
    words = ["--queue-mode", mode, "--state-dir", state]
    gateway = fleet.serve([server.uri(cache=cache) for server in servers], *words)
    old = fleet.client(gateway)
    old.write(0, b"1" * BLOCK)
    old.flush()
    grow(image)
    # One has seen it, the other has not: nothing changes.
    servers[1].restart()
    gateway.wait_for_log(f"it has grown to {LARGE} bytes")
    gateway.wait_for_states("AA")
    assert fleet.client(gateway).export.size_bytes == SIZE
    pending = [old.send_write(number * BLOCK, b"2" * BLOCK) for number in range(64)]
    status, said = resize(gateway)
    assert status == 0, said
    assert said.splitlines()[-1] == f"mpatha: {LARGE} bytes, for new connections"
    assert said.count("its session is renewed") == 1
    for command in pending:
        old.wait(command)
    old.flush()
    gateway.wait_for_states("AA")
    assert gateway.dm("table", "mpatha").split()[:3] == ["0", str(LARGE // 512), "multipath"]
    # Who was told the old size keeps to it.
    for call in (lambda: old.read(SIZE, BLOCK), lambda: old.write(SIZE, b"x" * BLOCK)):
        with pytest.raises(NbdError) as caught:
            call()
        assert caught.value.errno in (EINVAL, ENOSPC)
    assert old.read(0, BLOCK) == b"2" * BLOCK
    new = fleet.client(gateway)
    assert new.export.size_bytes == LARGE
    new.write(LARGE - BLOCK, b"end!" * 1024)
    new.flush()
    for server in servers:
        server.restart()
        gateway.wait_for_log(f"{server.address}: session")
        gateway.wait_for_states("AA")
        assert new.read(LARGE - BLOCK, BLOCK) == b"end!" * 1024
    assert resize(gateway) == (0, f"nothing to do: {servers[0].uri()} has {LARGE} bytes, which are served\n")
    gateway.assert_no_traceback()
    new.close()
    old.close()
    gateway.end()
    again = fleet.serve([server.uri(cache=cache) for server in servers], *words)
    assert fleet.client(again).export.size_bytes == LARGE


def test_files_grow_and_shrink(fleet: Fleet):
    image = fleet.image("disk", SIZE, b"full")
    gateway = fleet.serve([f"file://{image}", f"file://{image}?weight=2"])
    client = fleet.client(gateway)
    assert resize(gateway)[1].startswith("nothing to do: ")
    grow(image)
    assert resize(gateway) == (0, f"mpatha: {LARGE} bytes, for new connections\n")
    new = fleet.client(gateway)
    new.write(LARGE - BLOCK, b"e" * BLOCK)
    grow(image, LARGE - 512)
    status, said = resize(gateway)
    assert status == 1 and f"not the same disk: its size is {LARGE - 512} bytes, not {LARGE}" in said
    assert gateway.states() == "FA"
    assert client.read(0, 4) == b"full"


def test_until_all_have_grown_the_smallest_size_is_served(fleet: Fleet):
    large, small = fleet.image("large", LARGE, b"full"), fleet.image("small", SIZE, b"full")
    gateway = fleet.serve([str(large), str(small)])
    assert gateway.states() == "AA"
    assert fleet.client(gateway).export.size_bytes == SIZE
    assert any(
        f"{large}: has {LARGE} bytes; all paths have {SIZE}, which are served" in line for line in gateway.warnings()
    )
    assert resize(gateway) == (0, f"nothing to do: {small} has {SIZE} bytes, which are served\n")
    # They were never one disk, as the new part shows.
    small.write_bytes(b"full" * (SIZE // 4) + b"else" * (SIZE // 4))
    status, said = resize(gateway)
    assert status == 1 and f"{small}: not the same disk as {large}: the content of sector" in said
    assert (gateway.states(), fleet.client(gateway).export.size_bytes) == ("AF", SIZE)


@pytest.mark.needs("nbdkit")
def test_a_path_that_cannot_be_asked_stands_in_the_way(fleet: Fleet):
    image = fleet.image("disk", SIZE, b"full")
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri() for server in servers])
    grow(image)
    servers[1].kill()
    gateway.wait_for_states("AF")
    status, said = resize(gateway)
    assert status == 1 and f"{servers[1].uri()}: " in said and "cannot be told" in said
    assert fleet.client(gateway).export.size_bytes == SIZE


def test_a_path_alone_is_not_taken_out_where_io_would_fail(fleet: Fleet):
    image = fleet.image("disk", SIZE, b"full")
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri()], "--queue-timeout", "0")
    grow(image)
    status, said = resize(gateway)
    assert status == 1 and "is the only path in use, and without one I/O fails" in said
    assert gateway.states() == "A"


@pytest.mark.needs("nbdkit")
def test_with_another_path_in_use_each_is_taken_out_in_turn(fleet: Fleet):
    image = fleet.image("disk", SIZE, b"full")
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-timeout", "0")
    grow(image)
    status, said = resize(gateway)
    assert (status, said.count("its session is renewed")) == (0, 2)
    assert (gateway.states(), fleet.client(gateway).export.size_bytes) == ("AA", LARGE)


def test_a_map_without_a_path_has_no_size_to_tell(fleet: Fleet):
    gateway = fleet.serve(["ram:?size=1M"])
    assert gateway.hawser("path", "remove", "259:0", "--force").returncode == 0
    assert resize(gateway) == (
        1,
        "hawser resize: resize: mpatha has no path that could tell its size: hawser path add\n",
    )
    gateway.assert_no_traceback()
