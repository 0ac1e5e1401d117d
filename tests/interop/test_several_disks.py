"""Several disks in one process: `hawser serve --config`, on real servers. What happens to one of them is no other's business."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run
from tests.support.upstreams import Upstream

from hawser.service.control import ask_for_pieces

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit")]

SIZE = 8 * MIB
BLOCK = 4096
NAMES = ("one", "two")


class Disks:
    """Two disks with two servers each, which listen at one address. `slow`: the environment of the first one's first server."""

    def __init__(self, fleet: Fleet, slow: dict[str, str] | None = None) -> None:
        self.fleet = fleet
        self.slow = slow
        self.images = [fleet.image(name, SIZE) for name in NAMES]
        self.servers = [[self.server(disk, number) for number in range(2)] for disk in range(2)]
        self.states = [fleet.directory / f"state-{name}" for name in NAMES]
        self.config = "".join(self._table(disk) for disk in range(2))
        self.gateway = fleet.serve_config(self.config)

    def server(self, disk: int, number: int) -> Upstream:
        environment = self.slow if (disk, number) == (0, 0) else None
        return self.fleet.nbdkit(f"{NAMES[disk]}{number}", "file", self.images[disk], environment=environment)

    def _table(self, disk: int) -> str:
        paths = ", ".join(f'"{server.uri(cache="lun")}"' for server in self.servers[disk])
        return (
            f'[disk.{NAMES[disk]}]\npath = [{paths}]\nlisten = ["nbd+unix:///{NAMES[disk]}?socket=SOCKET"]\n'
            f'queue-timeout = "forever"\nstate-dir = "{self.states[disk]}"\nblock-size = 4096\n'
        )

    def states_of(self, name: str) -> str:
        """The letters of a disk's paths."""
        words = self.gateway.dm("status", name).split()
        return "".join(word for word, before in zip(words[1:], words, strict=False) if before.startswith("259:"))

    def kill_servers(self, disk: int) -> None:
        for server in self.servers[disk]:
            server.kill()


def asked(gateway: Gateway, *command: str, of: str = "") -> str:
    """What the server says, of a map or of all."""
    said, error = _replies(gateway, *command, of=of)
    assert error == ""
    return said


def refusal(gateway: Gateway, *command: str, of: str = "") -> str:
    error = _replies(gateway, *command, of=of)[1]
    assert error != ""
    return error


def _replies(gateway: Gateway, verb: str, *args: str, of: str) -> tuple[str, str]:
    replies = list(ask_for_pieces(str(gateway.control), verb, list(args), map_name=of))
    return "".join(reply.out for reply in replies), replies[-1].err


def test_one_process_serves_two_disks_and_says_which_is_which(fleet: Fleet):
    disks = Disks(fleet)
    gateway = disks.gateway
    ready = [line for line in gateway.output().splitlines() if line.startswith("ready ")]
    assert ready == [f"ready nbd+unix:///{name}?socket={gateway.socket}" for name in NAMES]
    for number, name in enumerate(NAMES):
        client = gateway.client(name)
        client.write(0, name.encode().ljust(BLOCK))
        client.flush()
        assert client.read(0, BLOCK).rstrip() == name.encode()
        assert disks.images[number].read_bytes()[:BLOCK].rstrip() == name.encode()
    if shutil.which("nbdinfo") is not None:
        listed = run(["nbdinfo", "--list", f"nbd+unix://?socket={gateway.socket}"]).stdout.splitlines()
        assert [line for line in listed if line.startswith("export=")] == ['export="one":', 'export="two":']
    # All that lists lists both.
    assert gateway.dm("ls") == "one\t(254:0)\ntwo\t(254:1)\n"
    status = gateway.dm_command("status").stdout.splitlines()
    assert [line.split(":")[0] for line in status] == ["one", "two"]
    assert "259:0 A" in status[0] and "259:1 A" in status[0] and "259:2 A" in status[1] and "259:3 A" in status[1]
    rows = [line.split()[:3] for line in asked(gateway, "paths").splitlines()[1:]]
    assert rows == [["one", "1", "259:0"], ["one", "1", "259:1"], ["two", "1", "259:2"], ["two", "1", "259:3"]]
    assert [row["device"] for row in gateway.stats()][:2] == ["one", "two"]
    hedges = asked(gateway, "stats", "hedges").splitlines()
    assert hedges == [f"{name}: reads are not hedged (--hedge-after)" for name in NAMES]
    # Or one of them.
    rows = [line.split()[:3] for line in asked(gateway, "paths", of="two").splitlines()[1:]]
    assert rows == [["two", "1", "259:2"], ["two", "1", "259:3"]]
    minors = [line.split()[1] for line in gateway.hawser("stats", "--map", "254:1").stdout.splitlines()]
    assert minors == ["1", "2", "3"]
    # What changes a disk has to be told which.
    spare = disks.server(1, 2).uri(cache="lun")
    several = "there are several maps, one, two: say of which, --map NAME"
    assert gateway.hawser("path", "add", spare).stderr == f"hawser path add: {several}\n"
    assert refusal(gateway, "resize") == refusal(gateway, "probe-paths") == several
    assert refusal(gateway, "paths", of="x") == "--map x: there is no such map; there are one, two"
    first = disks.servers[0][0].uri()
    assert refusal(gateway, "path", "add", first, of="two") == f"path {first}: it is a path of one"
    assert "not the same disk" in refusal(gateway, "path", "add", spare, of="one")
    added = gateway.hawser("path", "add", "--map", "two", spare)
    assert added.stdout.endswith(" is a path of two\n"), added.stderr
    assert (disks.states_of("one"), disks.states_of("two")) == ("AA", "AAA")
    # A path says itself whose it is.
    assert asked(gateway, "path", "remove", "259:3").splitlines()[0].endswith(" is no path of two any more")
    assert (
        refusal(gateway, "path", "remove", "259:3")
        == "'259:3' is no path of one, two; hawser paths shows all there are"
    )
    assert asked(gateway, "resize", of="one").startswith("nothing to do: ")
    gateway.assert_no_traceback()
    assert gateway.end() < 5


def test_a_trace_follows_all_disks_or_one(fleet: Fleet):
    gateway = Disks(fleet).gateway
    clients = [gateway.client(name) for name in NAMES]
    for of, expected in (("", {"one", "two"}), ("two", {"two"})):
        with ThreadPoolExecutor(1) as pool:
            tracing = pool.submit(asked, gateway, "trace", "0.3", of=of)
            while not tracing.done():
                for client in clients:
                    client.write(0, b"x" * BLOCK)
                time.sleep(0.01)
        said = tracing.result()
        assert {name for name in NAMES if f'"detail":"{name}"' in said} == expected
        assert {name for name in NAMES if f"{name}0.sock" in said or f"{name}1.sock" in said} == expected


def test_one_disk_goes_on_while_another_has_lost_all_of_its_servers(fleet: Fleet):
    disks = Disks(fleet)
    gateway = disks.gateway
    lost, alive = gateway.client("one"), gateway.client("two")
    lost.write(0, b"a" * BLOCK)
    disks.kill_servers(0)
    waiting = [lost.send_write(number * BLOCK, b"b" * BLOCK) for number in range(1, 64)]
    gateway.wait_until(lambda: disks.states_of("one") == "FF", "its paths have failed")
    began = time.monotonic()
    for number in range(512):
        alive.write(number * BLOCK, bytes([number % 251]) * BLOCK)
    alive.flush()
    assert time.monotonic() - began < 5
    assert alive.read(511 * BLOCK, BLOCK) == bytes([511 % 251]) * BLOCK
    assert lost.unanswered() == len(waiting)
    assert disks.states_of("two") == "AA"
    # One of its servers is back, and so is all that waited.
    disks.servers[0][1].start()
    for cookie in waiting:
        lost.wait(cookie)
    lost.flush()
    assert disks.images[0].read_bytes()[: 64 * BLOCK] == b"a" * BLOCK + b"b" * 63 * BLOCK
    assert gateway.end() < 5
    assert all((state / "witness.json").exists() for state in disks.states)


def test_all_end_together_in_time_each_with_its_own_state(fleet: Fleet):
    disks = Disks(fleet)
    gateway = disks.gateway
    stuck, alive = gateway.client("one"), gateway.client("two")
    alive.write(0, b"c" * BLOCK)
    disks.kill_servers(0)
    stuck.send_write(0, b"d" * BLOCK)
    gateway.wait_until(lambda: disks.states_of("one") == "FF", "its paths have failed")
    assert gateway.end() < 5
    assert "disk one: stopping: what is in flight is failed" in gateway.log()
    assert "disk two: stopping" not in gateway.log()
    assert [(state / "witness.json").exists() for state in disks.states] == [False, True]
    assert not gateway.socket.exists() and not gateway.control.exists()
    # What was written last is held against what is found: of each disk its own.
    for server in disks.servers[0]:
        server.start()
    disks.images[1].write_bytes(b"e" * SIZE)
    done = run([*HAWSER, "serve", "--config", str(fleet.directory / "hawser1.toml")], check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "disk two: path nbd+unix:" in done.stderr and "before the last clean end" in done.stderr
    assert "disk one: path" not in done.stderr
    assert "error: no disk is served, as not all can be: two\n" in done.stderr


@pytest.mark.soak
@pytest.mark.needs("gcc")
def test_after_a_crash_each_disk_fences_what_was_on_its_own_way(fleet: Fleet):
    environment, told = fleet.slow_writes("one0")
    disks = Disks(fleet, environment)
    gateway = disks.gateway
    old, other = gateway.client("one"), gateway.client("two")
    for name in NAMES:
        # Writes of the first disk go to the first server, which is slow with the first block.
        gateway.dm("message", name, "0", "fail_path", {"one": "259:1", "two": "259:3"}[name])
    told.write_text(f"60 0 {BLOCK}")
    old.send_write(0, b"o" * BLOCK)
    other.write(0, b"t" * BLOCK)
    gateway.wait_until(lambda: gateway.stats()[-4]["in_flight"] == 1, "the write is on its way")
    gateway.kill()
    gateway = disks.gateway = fleet.serve_config(disks.config)
    fences = json.loads(asked(gateway, "paths", "json"))["fences"]
    assert [(fence["map"], fence["start"], fence["end"]) for fence in fences] == [("one", 0, BLOCK // 512)]
    new, other = gateway.client("one"), gateway.client("two")
    cookie = new.send_write(0, b"n" * BLOCK)
    other.write(0, b"u" * BLOCK)
    assert not new.has_answer(cookie, 0.5), "the old write may land still"
    disks.servers[0][0].kill()
    new.wait(cookie)
    assert [image.read_bytes()[:BLOCK] for image in disks.images] == [b"n" * BLOCK, b"u" * BLOCK]
    assert gateway.end() < 5


@pytest.mark.soak
def test_a_second_process_is_refused_and_told_which_disk_is_taken(fleet: Fleet):
    disks = Disks(fleet)
    both = disks.config.replace("state-two", "another").replace("SOCKET", f"{fleet.directory}/other.sock")
    file = fleet.directory / "other.toml"
    file.write_text(both)
    done = run([*HAWSER, "serve", "--config", str(file)], check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"disk one: state directory {disks.states[0]}: process {disks.gateway.pid} has it locked" in done.stderr
    assert disks.gateway.client("one").read(0, BLOCK) == bytes(BLOCK)
    assert disks.gateway.end() < 5
