"""Paths that come and go while clients write: `hawser path add`, `remove` and `replace`."""

import random
import threading
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.nbd_client import NbdClient
from tests.support.processes import run

from hawser.service.control import ask_for_pieces

pytestmark = pytest.mark.interop

SIZE = 8 * MIB
BLOCK = 4096
FILL = b"full"


def change(gateway: Gateway, *words: str) -> tuple[int, str]:
    """What the command asks of the server: the words of its options last."""
    said = ""
    for reply in ask_for_pieces(str(gateway.control), "path", list(words), 60):
        said += reply.out
        if not reply.ok:
            return 1, said + reply.err
    return 0, said


def change_by_command(gateway: Gateway, *words: str) -> tuple[int, str]:
    done = run([*HAWSER, "path", words[0], "--control", str(gateway.control), *words[1:]], check=False)
    return done.returncode, done.stdout + done.stderr


class Writer(threading.Thread):
    """Writes blocks over and over, reads each back, flushes now and then; `blocks` is what has to be there in the end."""

    def __init__(self, client: NbdClient) -> None:
        super().__init__()
        self.client = client
        self.blocks: dict[int, bytes] = {}
        self.count = 0
        self.error = ""
        self.ends = False

    def run(self) -> None:
        rng = random.Random(6)
        try:
            while not self.ends:
                number = rng.randrange(256)
                data = bytes([self.count % 251]) * BLOCK
                self.client.write(number * BLOCK, data)
                self.blocks[number] = data
                assert self.client.read(number * BLOCK, BLOCK) == data
                if self.count % 16 == 15:
                    self.client.flush()
                self.count += 1
        except Exception as error:
            self.error = repr(error)

    def end(self) -> dict[int, bytes]:
        self.ends = True
        self.join(30)
        assert self.error == ""
        assert self.count > 0
        self.client.flush()
        return self.blocks


def start_writer(fleet: Fleet, gateway: Gateway) -> Writer:
    writer = Writer(fleet.client(gateway))
    writer.start()
    return writer


def assert_holds(image: Path, blocks: dict[int, bytes]) -> None:
    content = image.read_bytes()
    for number, data in blocks.items():
        assert content[number * BLOCK : (number + 1) * BLOCK] == data


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize(("mode", "cache"), [("rq", "path"), pytest.param("bio", "lun", marks=pytest.mark.soak)])
def test_paths_come_and_go_under_load(fleet: Fleet, mode: str, cache: str):
    image = fleet.image("disk", SIZE, FILL)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two", "three")]
    uris = [server.uri(cache=cache) for server in servers]
    gateway = fleet.serve(
        uris[:1], "--queue-mode", mode, "--block-size", "4k", "--state-dir", f"{fleet.directory}/state"
    )
    writer = start_writer(fleet, gateway)
    status, said = change_by_command(gateway, "add", uris[1])
    assert (status, said) == (0, f"259:1 ({servers[1].uri()}) is a path of mpatha\n")
    assert gateway.states() == "AA"
    groups = gateway.dm("table", "mpatha").split("multipath ")[1]
    assert groups.count("service-time") == (2 if cache == "path" else 1)
    status, said = change(gateway, "replace", "259:0", uris[2])
    assert status == 0, said
    assert "259:2" in said and "in the place of 259:0" in said
    assert [number for number, _, _ in gateway.path_words()] == ["259:2", "259:1"]
    # Nobody asks the first server any more.
    servers[0].kill()
    status, said = change(gateway, "remove", uris[1])
    assert (status, said) == (0, f"259:1 ({servers[1].uri()}) is no path of mpatha any more\n")
    servers[1].kill()
    assert gateway.states() == "A"
    assert f"{servers[0].uri()}" not in gateway.dm("paths")
    before = writer.count
    gateway.wait_until(lambda: writer.count > before + 32, "writes go on")
    assert_holds(image, writer.end())
    gateway.assert_no_traceback()
    gateway.end()


@pytest.mark.needs("nbdkit")
def test_what_is_not_the_disk_is_not_admitted(fleet: Fleet):
    image = fleet.image("disk", SIZE, FILL)
    first = fleet.nbdkit("one", "file", image).uri()
    gateway = fleet.serve([first], "--block-size", "4096")
    table = gateway.dm("table")
    writer = start_writer(fleet, gateway)
    others = {
        "the content of sector": fleet.nbdkit("other", "file", fleet.image("other", SIZE, b"else")).uri(),
        f"its size is {SIZE // 2} bytes, not {SIZE}": fleet.nbdkit(
            "small", "file", fleet.image("small", SIZE // 2, FILL)
        ).uri(),
        "it is read-only": fleet.nbdkit("ro", "-r", "file", image).uri(),
        "no such file": f"nbd+unix:///?socket={fleet.directory}/nowhere.sock",
        "unknown scheme": "ftp://host/disk",
        "is a path already": first,
    }
    for reason, uri in others.items():
        status, said = change(gateway, "add", uri)
        assert status == 1
        assert reason in said, said
        assert gateway.dm("table") == table
    status, said = change(gateway, "replace", "259:0", others["the content of sector"])
    assert (status, "not the same disk" in said, gateway.dm("table")) == (1, True, table)
    assert_holds(image, writer.end())
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
def test_a_second_server_needs_blocks_that_clients_were_told_of(fleet: Fleet):
    image = fleet.image("disk", SIZE, FILL)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([servers[0].uri()])
    status, said = change(gateway, "add", servers[1].uri())
    assert (status, "it needs blocks of 4096 bytes" in said, "--block-size 4096" in said) == (1, True, True)
    # One after the other, never both.
    assert change(gateway, "replace", "259:0", servers[1].uri())[0] == 0


def test_the_last_path_goes_only_by_force(fleet: Fleet):
    image = fleet.image("disk", SIZE, FILL)
    gateway = fleet.serve([str(image)])
    client = fleet.client(gateway)
    client.write(0, b"x" * BLOCK)
    number = gateway.path_words()[0][0]
    status, said = change(gateway, "remove", number)
    assert (status, "is the last path of mpatha" in said) == (1, True)
    assert client.read(0, 4) == b"xxxx"
    assert change(gateway, "remove", number, "force")[0] == 0
    assert gateway.paths() == []
    pending = client.send_write(BLOCK, b"y" * BLOCK)
    # What was written last tells that it is the same disk.
    status, said = change(gateway, "add", f"file://{image}")
    assert status == 0, said
    client.wait(pending)
    assert client.read(0, 2 * BLOCK) == b"x" * BLOCK + b"y" * BLOCK
    status, said = change_by_command(gateway, "remove", "nosuch")
    assert (status, said.startswith("hawser path remove: 'nosuch' is no path; there are ")) == (1, True)
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
def test_a_dead_path_is_replaced(fleet: Fleet):
    image = fleet.image("disk", SIZE, FILL)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([servers[0].uri(cache="lun")], "--queue-timeout", "forever")
    client = fleet.client(gateway)
    client.write(0, b"x" * BLOCK)
    client.flush()
    servers[0].kill()
    gateway.wait_for_states("F")
    pending = client.send_write(BLOCK, b"y" * BLOCK)
    status, said = change(gateway, "replace", "259:0", servers[1].uri(cache="lun"))
    assert status == 0, said
    client.wait(pending)
    assert client.read(0, 2 * BLOCK) == b"x" * BLOCK + b"y" * BLOCK
    assert gateway.states() == "A"
    gateway.assert_no_traceback()


def test_what_an_operator_has_begun_is_left_alone(fleet: Fleet):
    image = fleet.image("disk", SIZE, FILL)
    gateway = fleet.serve([str(image), f"file://{image}?weight=2"])
    other = f"file://{image}?weight=3"
    table = gateway.dm("table", "mpatha").strip()
    gateway.dm("load", "mpatha", "--table", table)
    assert "has an inactive table" in change(gateway, "add", other)[1]
    gateway.dm("clear", "mpatha")
    gateway.dm("suspend", "mpatha")
    assert "is suspended" in change(gateway, "add", other)[1]
    gateway.dm("resume", "mpatha")
    first = gateway.path_words()[0][0]
    gateway.dm("create", "beside", "--table", f"0 8 linear {first} 0")
    assert "is used by beside, too" in change(gateway, "remove", first)[1]
    gateway.dm("remove", "beside")
    assert change(gateway, "add", other, "group", "4")[0] == 1
    status, said = change(gateway, "add", other, "group", "2")
    assert status == 0, said
    assert gateway.dm("table", "mpatha").split("multipath ")[1].startswith("1 queue_if_no_path 0 2 1 service-time")
    assert change(gateway, "remove", first)[0] == 0
    assert gateway.states() == "AA"
    assert fleet.client(gateway).read(0, 4) == FILL
    gateway.assert_no_traceback()
