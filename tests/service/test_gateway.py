"""A gateway put together and taken apart in this process: what it cannot start with, and what the control socket answers."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hawser.core.log import LogSink
from hawser.exports.listen_uri import parse_listen_uri
from hawser.multipath.demotion import demote
from hawser.paths.uri import parse_path_uri
from hawser.service.chosen import choose
from hawser.service.control import ControlServer, Reply
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway
from hawser.service.options import ServeOptions
from hawser.service.path_states import path_states, paths
from hawser.service.start_error import StartError

SECONDS = 30


class Harbour:
    """Where gateways are built: a log, and a directory for sockets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = LogSink()

    def options(self, *paths: str, listen: str = "", **rest) -> ServeOptions:
        where = listen or f"nbd+unix:///d?socket={self.directory}/s"
        return ServeOptions([parse_path_uri(path) for path in paths], [parse_listen_uri(where, False)], **rest)

    def run(self, options: ServeOptions, story: Callable[[Gateway], Awaitable[None]]) -> None:
        async def main() -> None:
            gateway = Gateway(options, self.log)
            try:
                await gateway.start()
                await story(gateway)
            finally:
                await gateway.stop()

        asyncio.run(asyncio.wait_for(main(), SECONDS))

    def refused(self, *paths: str, **rest) -> str:
        """Why it does not start; everything was let go of nonetheless."""

        async def never(gateway: Gateway) -> None:
            raise AssertionError("it started")

        with pytest.raises(StartError) as caught:
            self.run(self.options(*paths, **rest), never)
        return str(caught.value)

    def errors(self) -> list[str]:
        return [text for level, text in self.log.lines if level <= 3]


@pytest.fixture
def harbour(socket_dir: Path) -> Harbour:
    return Harbour(socket_dir)


def image(harbour: Harbour, name: str, content: bytes = b"", size: int = 1 << 20) -> str:
    path = harbour.directory / name
    path.write_bytes(content + bytes(size - len(content)))
    return str(path)


# What it starts with, and what it cannot start with.


def test_paths_to_one_place_are_told(harbour: Harbour):
    """Whatever else their URIs say of them, and whether they are reached or not."""
    file = image(harbour, "a")
    nobody = f"nbd+unix:///d?socket={harbour.directory}/nobody&cache=lun"
    given = [file, f"{nobody}&weight=2", "ram:?size=1M", f"file://{file}?depth=3", nobody, nobody, "ram:?size=1M"]

    async def story(gateway: Gateway) -> None:
        assert len(gateway.paths) == len(given)

    harbour.run(harbour.options(*given), story)
    assert [text for _, text in harbour.log.lines if "one place" in text] == [
        f"paths 1 and 4 are one place, {file}: what fails there fails for all of them",
        f"paths 2, 5 and 6 are one place, nbd+unix:///d?socket={harbour.directory}/nobody: "
        "what fails there fails for all of them",
    ]


def test_no_path_that_can_be_used(harbour: Harbour):
    missing = f"{harbour.directory}/missing"
    assert harbour.refused(missing) == "no path can be used"
    assert harbour.errors() == [f"path {missing}: {missing}: No such file or directory; it is left out"]


def test_a_server_that_is_not_there_is_waited_for_no_longer_than_it_takes_to_refuse(harbour: Harbour):
    assert harbour.refused(f"nbd+unix:///d?socket={harbour.directory}/nobody") == "no path can be used"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "nonsense"),
        ("0 2048 nonsense", "nonsense"),
        ("0 2048 linear 259:0 0", "there is no multipath target"),
        ("0 2048 multipath 0 0 1 1 round-robin 0 1 1 259:9 1", "259:9"),
        ("0 9999 multipath 0 0 1 1 round-robin 0 1 1 259:0 1", "9999"),
    ],
)
def test_a_table_that_is_unusable(harbour: Harbour, line: str, words: str):
    said = harbour.refused("ram:?size=1M", table=line)
    assert f"table {line!r}: " in said and words in said


def test_caches_that_do_not_know_each_other_in_one_group(harbour: Harbour):
    one, two = (f"ram:?size=1M&cache=path&weight={n}" for n in (1, 2))
    assert "group 1 would spread I/O over caches" in harbour.refused(one, two, grouping="multibus")


def test_no_address_left_to_listen_on(harbour: Harbour):
    nowhere = f"nbd+unix:///d?socket={harbour.directory}/missing/s"
    assert harbour.refused("ram:?size=1M", listen=nowhere) == "there is no address left to listen on"
    assert len(harbour.errors()) == 1 and "no such file or directory" in harbour.errors()[0]


def test_ram_paths_of_one_server_have_one_size(harbour: Harbour):
    async def story(gateway: Gateway) -> None:
        assert len(gateway.devices) == 1

    harbour.run(harbour.options("ram:?size=1M", "ram:?size=2M"), story)
    assert harbour.errors() == [
        "path ram:?size=2M: the ram: paths of one disk share a store, which has 1048576 bytes; it is left out"
    ]


def test_a_path_of_other_content_is_left_out_and_named(harbour: Harbour):
    paths = [image(harbour, "a", b"same"), image(harbour, "b", b"else"), image(harbour, "c", b"same")]

    async def story(gateway: Gateway) -> None:
        assert [device.name for device in gateway.devices] == [paths[0], paths[2]]

    harbour.run(harbour.options(*paths), story)
    assert harbour.errors() == [
        f"path {paths[1]}: not the same disk as {paths[0]}: the content of sector 0 differs; it is left out"
    ]


# What it answers.


def answers(harbour: Harbour, *lines: bytes) -> list[Reply]:
    found: list[Reply] = []

    async def story(gateway: Gateway) -> None:
        control = ControlServer(gateway.common, str(harbour.directory / "c"))
        for line in lines:
            found.extend([reply async for reply in control.replies(line)])

    harbour.run(harbour.options("ram:?size=1M&weight=1", "ram:?size=1M&weight=2"), story)
    return found


def test_the_verbs_say_what_dmsetup_says(harbour: Harbour):
    ls, table, status, info = answers(
        harbour, b'{"verb":"ls"}', b'{"verb":"table","args":["mpatha"]}', b'{"verb":"status"}', b'{"verb":"info"}'
    )
    assert ls == Reply(True, "mpatha\t(254:0)\n")
    assert table.out == ("0 2048 multipath 1 queue_if_no_path 0 1 1 service-time 0 2 2 259:0 1 1 259:1 1 2 \n")
    assert status.out.startswith("mpatha: 0 2048 multipath 2 1 0 0 1 1 E 0 2 2 259:0 A 0 0 1 ")
    assert "Open count:        0" in info.out


def test_a_message_acts_and_may_name_a_path_by_its_uri(harbour: Harbour):
    failed, status, back, again = answers(
        harbour,
        b'{"verb":"message","args":["mpatha","0","fail_path","ram:?size=1M&weight=2"]}',
        b'{"verb":"status","args":["mpatha"]}',
        b'{"verb":"message","args":["mpatha","0","reinstate_path","259:1"]}',
        b'{"verb":"status","args":["mpatha"]}',
    )
    assert failed == back == Reply(True)
    assert "259:1 F 1" in status.out and "259:1 A 1" in again.out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "a request is"),
        (b"ls\n", "a request is"),
        (b"{}", "a request is"),
        (b'{"verb": 7}', "a request is"),
        (b'{"verb": "ls", "colour": "blue"}', "a request is"),
        (b'{"verb": "ls", "args": "mpatha"}', "a request is"),
        (b'\xff{"verb": "ls"}', "a request is"),
        (b'{"verb": "reboot"}', "unknown verb 'reboot'; there are clear, create, deps, help, info"),
        (b'{"verb": "ls", "args": ["x"]}', "Incorrect number of arguments."),
        (b'{"verb": "status", "args": ["a", "b"]}', "Device does not exist."),
        (b'{"verb": "remove", "args": ["mpatha"]}', "Device or resource busy"),
        (b'{"verb": "table", "args": ["nobody"]}', "table ioctl on nobody  failed: No such device or address"),
        (b'{"verb": "info", "args": ["nobody"]}', "Device does not exist."),
        (b'{"verb": "message", "args": ["mpatha"]}', "Incorrect number of arguments."),
        (b'{"verb": "message", "args": ["mpatha", "x", "y"]}', "Invalid sector."),
        ('{"verb": "message", "args": ["mpatha", "²", "y"]}'.encode(), "Invalid sector."),
        (b'{"verb": "message", "args": ["nobody", "0", "x"]}', "No such device or address"),
        (b'{"verb": "message", "args": ["mpatha", "0"]}', "message"),
        (b'{"verb": "message", "args": ["mpatha", "9999", "x"]}', "message"),
        (b'{"verb": "message", "args": ["mpatha", "0", "fail_path", "259:9"]}', "259:9"),
        (b'{"verb": "message", "args": ["mpatha", "0", "switch_group", "9"]}', "invalid PG number"),
        (b'{"verb": "message", "args": ["mpatha", "' + b"9" * 5000 + b'", "x"]}', "Invalid sector."),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(harbour: Harbour, line: bytes, words: str):
    before, reply, after = answers(harbour, b'{"verb":"status"}', line, b'{"verb":"status"}')
    assert not reply.ok and words in reply.err, reply
    assert before == after


def test_a_path_that_is_used_last_says_why(harbour: Harbour):
    async def story(gateway: Gateway) -> None:
        assert gateway.target is not None
        target, device = gateway.target, gateway.devices[1]
        chosen = choose(gateway.common, "")
        gateway.loop.run(lambda: demote(target, device, "its reads are slow"))
        first, second = path_states(chosen).paths
        assert (first.slow, first.check, first.cache) == ("", "up", "lun")
        assert (second.state, second.check, second.slow) == ("active", "up", "another path is quicker")
        lines = paths(chosen, []).splitlines()
        assert lines[2].endswith("ram: (path 1)  used last: another path is quicker")
        with pytest.raises(ControlVerbError, match="paths takes nothing, or json, or recheck"):
            paths(chosen, ["everything"])

    harbour.run(harbour.options("ram:?size=1M", "ram:?size=1M"), story)
