"""`hawser serve` started wrongly: one line that names the culprit, the right exit status; what can be used is used."""

import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, serve_command
from tests.support.nbd_client import NbdError
from tests.support.processes import run, wait_for

from hawser.nbd.protocol import EIO, EPERM

pytestmark = pytest.mark.interop


def refused(fleet: Fleet, paths: list[str], *options: str, listen: str = "") -> subprocess.CompletedProcess[str]:
    """Run `hawser serve` that has to end by itself, with an error and without a word on stdout."""
    listen = listen or f"nbd+unix:///d?socket={fleet.directory}/refused.sock"
    done = run(serve_command(paths, [listen], *options), check=False, seconds=30)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    return done


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_options_of_a_disk_are_written_in_one_place(fleet: Fleet):
    """With --config in the file, without it on the command line."""
    file = fleet.directory / "hawser.toml"
    file.write_text("[disk.a]\n")
    done = refused(fleet, ["ram:"], "--config", str(file))
    assert done.returncode == 2
    assert only_line(done).endswith(f"error: --config {file}: --path belongs into the file then")
    done = run([*HAWSER, "serve", "--listen", "nbd://localhost/d"], check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "Error: Missing option '--path'."
    done = run([*HAWSER, "serve", "--config", str(file)], check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert only_line(done).endswith(f'error: {file}: [disk.a] path: is missing: path = ["URI", ...]')


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ftp://host/disk", ["'ftp://host/disk'", "unknown scheme 'ftp'", "nbd+unix://"]),
        ("disk.img", ["'disk.img'", "an absolute file name"]),
        ("ram:?colour=blue", ["'ram:?colour=blue'", "unknown attribute 'colour'", "size"]),
        ("ram:?size=7", ["'7'", "multiple of 512"]),
        ("ram:?weight=1&weight=2", ["'weight'", "twice"]),
        ("/tmp?x", ["/tmp?x"]),
        ("nbd://?cache=lun", ["the host is missing"]),
        ("nbd://host:99999/x", ["port", "1 to 65535"]),
        ("nbd://host/x?cache=perhaps", ["cache", "lun"]),
        ("nbd://host/x?quiesce=soon", ["quiesce", "soon"]),
        ("nbd+unix:///x", ["socket=NAME"]),
        ("nbd+unix:///x?socket=/" + "y" * 200, ["107 bytes"]),
        ("nbd+unix:///x?socket=/a&eof=maybe", ["eof", "maybe"]),
    ],
)
def test_a_path_uri_that_means_nothing(fleet, path, words):
    line = only_line_or_last(refused(fleet, [path]))
    for word in words:
        assert word in line, line


def only_line_or_last(done: subprocess.CompletedProcess[str]) -> str:
    """A URI fails by itself; a file that is not there is named first, then there is nothing left to serve."""
    lines = done.stderr.splitlines()
    assert len(lines) <= 2, lines
    return lines[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--queue-timeout", "whenever"], ["--queue-timeout", "whenever", "forever"]),
        (["--io-timeout", "0"], ["--io-timeout 0"]),
        (["--io-timeout", "-3"], ["--io-timeout"]),
        (["--selector", "dice 6"], ["dice", "service-time"]),
        (["--selector", ""], ["selector"]),
        (["--table", "0 2048 multipath nonsense"], ["table", "nonsense"]),
        (["--table", "0 2048 linear 259:0 0"], ["multipath"]),
        (["--table", "0 99999999 multipath 0 0 1 1 round-robin 0 1 1 259:0 1"], ["99999999"]),
        (["--table", "0 2048 multipath 0 0 1 1 round-robin 0 1 1 259:7 1"], ["259:7"]),
    ],
)
def test_options_that_mean_nothing(fleet, options, words):
    line = only_line(refused(fleet, ["ram:?size=1M"], *options))
    for word in words:
        assert word in line, line


def test_listening_beyond_loopback_wants_to_be_said(fleet):
    line = only_line(refused(fleet, ["ram:?size=1M"], listen="nbd://0.0.0.0:0/d"))
    assert "0.0.0.0" in line and "--insecure-listen" in line
    gateway = fleet.serve(["ram:?size=1M"], "--insecure-listen", listen="nbd://0.0.0.0:0/d")
    assert re.fullmatch(r"nbd://0\.0\.0\.0:\d+/d", gateway.uri)


def test_a_path_that_cannot_be_opened_is_left_out_and_named(fleet):
    image = fleet.image()
    (fleet.directory / "folder").mkdir()
    empty = fleet.image("empty", 0)
    missing = fleet.directory / "missing.img"
    paths = [str(missing), str(image), str(fleet.directory / "folder"), str(empty), "/dev/null"]
    gateway = fleet.serve(paths)
    assert gateway.paths() == [("A", 0)]
    for bad in (str(missing), "folder", str(empty), "/dev/null"):
        lines = [line for line in gateway.warnings() if bad in line]
        assert len(lines) == 1, (bad, gateway.warnings())
        assert "left out" in lines[0]
    fleet.client(gateway).write(0, b"x" * 512)


def test_no_path_at_all(fleet):
    done = refused(fleet, [str(fleet.directory / "missing.img")])
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "missing.img" in lines[0] and "no path can be used" in lines[1]


def test_a_file_of_another_size_is_named_and_left_out(fleet):
    gateway = fleet.serve(
        [str(fleet.image("a", 4 * MIB)), str(fleet.image("b", 8 * MIB)), str(fleet.image("c", 4 * MIB))]
    )
    assert gateway.states() == "AA"
    line = next(line for line in gateway.warnings() if "b.img" in line)
    assert "not the same disk" in line and "a.img" in line and str(8 * MIB) in line
    assert fleet.client(gateway).export.size_bytes == 4 * MIB


def test_a_file_of_other_content_is_named_and_left_out(fleet):
    same = fleet.image("a", 4 * MIB, b"same")
    other = fleet.image("b", 4 * MIB, b"same")
    with other.open("r+b") as file:
        file.write(b"else")
    gateway = fleet.serve([str(same), str(other)])
    assert gateway.states() == "A"
    line = next(line for line in gateway.warnings() if "b.img" in line)
    assert "not the same disk" in line and "sector 0" in line
    fleet.client(gateway).write(0, b"n" * 512)
    assert other.read_bytes()[:4] == b"else"


def test_paths_whose_wwids_differ_are_not_one_disk(fleet):
    """Whether they can be reached or not. Unknown ones are not compared."""
    one, two = fleet.image("a", MIB), fleet.image("b", MIB)
    nobody = f"nbd+unix:///d?socket={fleet.directory}/nobody"
    paths = [f"file://{one}?wwid=naa.1", f"file://{two}", f"{nobody}&wwid=naa.2&cache=lun", "ram:?size=1M&wwid=naa.3"]
    gateway = fleet.serve(paths)
    assert gateway.states() == "AA"
    assert [line.partition("error: ")[2] for line in gateway.warnings() if "left out" in line] == [
        f"path {paths[2]}: not the same disk as {paths[0]}: its WWID is 'naa.2', not 'naa.1'; it is left out",
        f"path {paths[3]}: not the same disk as {paths[0]}: its WWID is 'naa.3', not 'naa.1'; it is left out",
    ]


@pytest.mark.needs("nbdkit")
def test_servers_that_come_later_with_other_size_or_content_are_not_used(fleet):
    image = fleet.image("disk", 8 * MIB, b"same")
    first = fleet.nbdkit("first", "file", image)
    second = fleet.nbdkit("second", "file", image)
    third = fleet.nbdkit("third", "file", image)
    third.kill()
    gateway = fleet.serve([server.uri(cache="lun") for server in (first, second, third)])
    client = fleet.client(gateway)
    assert gateway.states() == "AAF"
    for number in range(4):
        client.write(number * MIB, b"N" * 4096)
    stale = fleet.image("stale", 8 * MIB, b"same")
    third.command = [str(stale) if word == image else word for word in third.command]
    third.start()
    gateway.wait_for_log("do not hold what was last written there")
    assert gateway.states() == "AAF"
    second.kill()
    gateway.wait_for_states("AFF")
    shrunk = fleet.image("shrunk", 4 * MIB, b"same")
    second.command = [str(shrunk) if word == image else word for word in second.command]
    second.start()
    gateway.wait_for_log("not the same disk: its size is")
    assert gateway.states() == "AFF"
    assert client.read(MIB, 4096) == b"N" * 4096
    second.command = [str(image) if word == str(shrunk) else word for word in second.command]
    second.restart()
    gateway.dm("message", "mpatha", "0", "reinstate_path", "259:1")
    gateway.wait_for_states("AAF")


@pytest.mark.needs("nbdkit")
def test_a_server_that_is_not_there_yet_is_a_failed_path_that_comes_by_itself(fleet):
    image = fleet.image("disk", 8 * MIB)
    first, second = (fleet.nbdkit(name, "file", image) for name in ("first", "second"))
    second.kill()
    gateway = fleet.serve([first.uri(cache="lun"), second.uri(cache="lun")])
    assert gateway.paths() == [("A", 0), ("F", 1)]
    assert any("second.sock" in line and "refused" in line for line in gateway.warnings())
    second.start()
    gateway.wait_for_states("AA")


@pytest.mark.needs("nbdkit")
def test_a_server_that_refuses_writes_makes_no_disk_read_only_that_has_another(fleet):
    image = fleet.image("disk", 8 * MIB)
    closed, open_ = fleet.nbdkit("closed", "-r", "file", image), fleet.nbdkit("open", "file", image)
    paths = [closed.uri(cache="lun"), open_.uri(cache="lun")]
    gateway = fleet.serve(paths)
    assert gateway.paths() == [("A", 0)]
    assert any(
        "closed.sock" in line and "it is read-only; it is left out" in line for line in gateway.log().splitlines()
    )
    fleet.client(gateway).write(0, b"1" * 4096)
    gateway.end()
    # One that is to be read-only has use for both.
    gateway = fleet.serve(paths, "--read-only")
    gateway.wait_for_states("AA")
    with pytest.raises(NbdError) as caught:
        fleet.client(gateway).write(0, b"1" * 4096)
    assert caught.value.errno == EPERM
    gateway.end()
    gateway = fleet.serve(paths[:1])
    assert any(line.endswith("is read-only, and so is the disk") for line in gateway.warnings())


@pytest.mark.needs("nbdkit")
def test_servers_that_are_slow_to_answer_are_asked_again_while_none_is_reached(fleet):
    image = fleet.image("disk", 8 * MIB)
    first, second = (fleet.nbdkit(name, "file", image) for name in ("first", "second"))
    first.freeze()
    second.freeze()
    log = fleet.directory / "hawser1.err"

    def thaw_the_second() -> None:
        """Once it has been silent for too long."""
        wait_for(lambda: log.exists() and "second.sock: no answer" in log.read_text(), "both servers are found silent")
        second.thaw()

    thread = threading.Thread(target=thaw_the_second)
    thread.start()
    gateway = fleet.serve([first.uri(), second.uri()], "--io-timeout", "0.2")
    thread.join()
    assert any("second.sock: no answer to the handshake" in line for line in gateway.warnings())
    assert gateway.paths() == [("F", 1), ("A", 0)]
    first.thaw()
    gateway.wait_for_states("AA")


@pytest.mark.needs("nbdkit")
def test_an_export_that_the_server_does_not_have_is_named(fleet):
    image = fleet.image("disk", 8 * MIB)
    server = fleet.server("nbd-server", "first", image)
    done = refused(fleet, [server.uri().replace("/e?", "/wrong?")])
    assert "wrong" in done.stderr and "no path can be used" in done.stderr


def test_an_address_in_use(fleet):
    first = fleet.serve(["ram:?size=1M"], listen="nbd://127.0.0.1:0/d")
    line = only_line_or_last(refused(fleet, ["ram:?size=1M"], listen=first.uri))
    assert first.uri in line and "in use" in line
    second = fleet.serve(["ram:?size=1M"])
    done = refused(fleet, ["ram:?size=1M"], listen=second.uri)
    assert str(second.socket) in done.stderr and "in use" in done.stderr
    assert second.client().read(0, 512) == bytes(512), "the socket file of a living server was taken away"


def test_one_address_of_two_is_in_use_the_other_serves(fleet):
    first = fleet.serve(["ram:?size=1M"], listen="nbd://127.0.0.1:0/d")
    second = fleet.serve(["ram:?size=1M"], "--listen", first.uri)
    assert second.output().count("ready ") == 1
    assert any("in use" in line for line in second.warnings())
    assert second.client().read(0, 512) == bytes(512)


def stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))


def test_a_stale_socket_file_is_removed_and_another_file_is_not(fleet):
    stale_socket(fleet.directory / "hawser1.sock")
    stale_socket(fleet.directory / "hawser1.ctl")
    gateway = fleet.serve(["ram:?size=1M"])
    assert gateway.client().read(0, 512) == bytes(512)
    assert gateway.dm("ls")
    precious = fleet.directory / "precious"
    precious.write_text("data")
    done = refused(fleet, ["ram:?size=1M"], listen=f"nbd+unix:///d?socket={precious}")
    assert str(precious) in done.stderr
    assert precious.read_text() == "data"
    done = run(serve_command(["ram:?size=1M"], [gateway.uri + "x"], "--control", str(precious)), check=False)
    assert done.returncode == 1 and str(precious) in done.stderr
    assert precious.read_text() == "data"


def test_the_sockets_are_gone_afterwards(fleet):
    gateway = fleet.serve(["ram:?size=1M"])
    assert gateway.socket.exists() and gateway.control.exists()
    gateway.end()
    assert not gateway.socket.exists() and not gateway.control.exists()


def test_ram_paths_share_a_store_and_its_size(fleet):
    gateway = fleet.serve(["ram:?size=1M", "ram:?size=2M", "ram:?size=1M"])
    assert gateway.states() == "AA"
    assert any("ram:?size=2M" in line and "left out" in line for line in gateway.warnings())


def test_a_table_of_the_users_own(fleet):
    image = fleet.image("disk", 4 * MIB)
    table = (
        "0 8192 multipath 3 queue_if_no_path queue_mode bio 0 2 1 round-robin 0 1 1 259:1 1 round-robin 0 1 1 259:0 1"
    )
    gateway = fleet.serve([str(image), f"file://{image}?weight=3"], "--table", table)
    # As the kernel prints it: bio-based multipath retains what handler there is.
    shown = table.replace("3 queue_if_no_path", "4 queue_if_no_path retain_attached_hw_handler")
    assert gateway.dm("table", "mpatha") == shown + " \n"
    fleet.client(gateway).write(0, b"x" * 512)
    assert " 259:1 A 0 " in gateway.dm("status")


def test_with_a_table_that_does_not_queue_nothing_waits(fleet):
    table = "0 2048 multipath 0 0 1 1 round-robin 0 1 1 259:0 1"
    gateway = fleet.serve(["ram:?size=1M"], "--table", table)
    client = fleet.client(gateway)
    gateway.dm("message", "mpatha", "0", "fail_path", "259:0")
    with pytest.raises(NbdError) as caught:
        client.read(0, 512)
    assert caught.value.errno == EIO
    gateway.dm("message", "mpatha", "0", "reinstate_path", "259:0")
    assert client.read(0, 512) == bytes(512)
