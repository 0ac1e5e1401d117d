"""Several disks put together in this process: their names and numbers, starts that are refused, ends."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.nbd_client import NbdClient

from hawser.core.log import LogSink
from hawser.exports.addresses import Addresses
from hawser.exports.listen_uri import parse_listen_uri
from hawser.paths.uri import parse_path_uri
from hawser.service.chosen import Chosen, choose
from hawser.service.control import STREAMS, ControlServer, Reply
from hawser.service.control_error import ControlVerbError
from hawser.service.gateways import Gateways
from hawser.service.options import ProcessOptions, ServeOptions
from hawser.service.start_error import StartError

SECONDS = 30
MIB = 1 << 20
BLOCK = 4096
SLOW = "ram:?size=1M&delay=0.3"
RAM = ("ram:?size=1M", "ram:?size=1M")

Story = Callable[[Gateways], Awaitable[None]]


class Harbour:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = LogSink()

    def disk(self, name: str, *paths: str, listen: str = "", **rest) -> ServeOptions:
        where = listen or f"nbd+unix:///{name}?socket={self.directory}/s"
        return ServeOptions(
            [parse_path_uri(path) for path in paths or RAM], [parse_listen_uri(where, False)], name, **rest
        )

    def image(self, name: str, size: int = MIB) -> str:
        path = self.directory / name
        path.write_bytes(name.encode() * (size // len(name)) + name.encode()[: size % len(name)])
        return str(path)

    def run(self, disks: list[ServeOptions], story: Story) -> None:
        async def main() -> None:
            gateways = Gateways(ProcessOptions(), disks, self.log, Addresses())
            try:
                await gateways.start()
                await story(gateways)
            finally:
                await gateways.stop()

        asyncio.run(asyncio.wait_for(main(), SECONDS))

    def refused(self, *disks: ServeOptions) -> list[str]:
        """Why they do not start: the log's errors; nobody is let in, and everything was let go of."""

        async def never(gateways: Gateways) -> None:
            raise AssertionError("they started")

        with pytest.raises(StartError) as caught:
            self.run(list(disks), never)
        assert not (self.directory / "s").exists()
        return [*(text for level, text in self.log.lines if level <= 3), str(caught.value)]


@pytest.fixture
def harbour(socket_dir: Path) -> Harbour:
    return Harbour(socket_dir)


def test_numbers_and_names_are_unique_and_in_the_order_of_the_options(harbour: Harbour):
    async def story(gateways: Gateways) -> None:
        numbers = [[path.devt for path in gateway.devices] for gateway in gateways.all]
        assert numbers == [["259:0", "259:1"], ["259:2", "259:3"]]
        names = [path.name for gateway in gateways.all for path in gateway.devices]
        assert names == ["ram:", "ram: (path 1)", "ram: (path 2)", "ram: (path 3)"]
        assert [gateway.device.devt for gateway in gateways.all if gateway.device is not None] == ["254:0", "254:2"]
        assert [device.name for device in gateways.common.registry.all_mapped()] == ["a", "b", "low"]
        # Each disk's ram is its own.
        assert gateways.all[0].paths[0].driver is not gateways.all[1].paths[0].driver

    harbour.run([harbour.disk("b"), harbour.disk("a", devices=[("low", "0 8 linear 259:2 0")])], story)


def test_a_verb_is_for_all_or_for_the_map_that_was_named(harbour: Harbour):
    async def story(gateways: Gateways) -> None:
        common = gateways.common
        assert choose(common, "").gateways == gateways.all
        assert choose(common, "b").one() is choose(common, "254:1").one() is gateways.all[1]
        with pytest.raises(ControlVerbError, match="--map c: there is no such map; there are a, b"):
            choose(common, "c")
        with pytest.raises(ControlVerbError, match="there are several maps, a, b: say of which, --map NAME"):
            choose(common, "").one()
        # By number or name a path is one disk's; this URI is one of each.
        assert choose(common, "").with_path("259:3") is gateways.all[1]
        with pytest.raises(ControlVerbError, match=r"ram:\?size=1M is a path of a, b: say of which"):
            choose(common, "").with_path("ram:?size=1M")
        assert choose(common, "b").with_path("ram:?size=1M") is gateways.all[1]
        # A map is known by the name that it has now.
        common.control.rename("b", "c")
        assert choose(common, "c").one() is gateways.all[1]

    harbour.run([harbour.disk("a"), harbour.disk("b")], story)


def test_the_control_socket_takes_a_map_beside_the_verb(harbour: Harbour):
    async def story(gateways: Gateways) -> None:
        control = ControlServer(gateways.common, str(harbour.directory / "c"))

        async def ask(line: bytes) -> list[Reply]:
            return [reply async for reply in control.replies(line)]

        (all_of,) = await ask(b'{"verb":"stats"}')
        (one,) = await ask(b'{"verb":"stats","map":"b"}')
        assert [row.split()[1] for row in all_of.out.splitlines()] == ["0", "1", "0", "1", "2", "3"]
        assert [row.split()[1] for row in one.out.splitlines()] == ["1", "2", "3"]
        for verb in (b"stats", b"resize"):
            (reply,) = await ask(b'{"verb":"%s","map":"x"}' % verb)
            assert reply == Reply(False, err="--map x: there is no such map; there are a, b")

    harbour.run([harbour.disk("a"), harbour.disk("b")], story)


def test_a_verb_with_a_mistake_in_it_is_answered_and_told(harbour: Harbour, monkeypatch: pytest.MonkeyPatch):
    async def broken(chosen: Chosen, args: list[str], is_gone: Callable[[], bool]) -> AsyncIterator[str]:
        yield "so far\n"
        raise IndexError(args[0])

    async def story(gateways: Gateways) -> None:
        control = ControlServer(gateways.common, str(harbour.directory / "c"))
        found = [reply async for reply in control.replies(b'{"verb":"broken","args":["oh"]}')]
        why = "broken: a mistake of the server's, see its log: IndexError: oh"
        assert found == [Reply(True, "so far\n", more=True), Reply(False, err=why)]
        assert [reply.ok async for reply in control.replies(b'{"verb":"stats"}')] == [True]

    monkeypatch.setitem(STREAMS, "broken", broken)
    harbour.run([harbour.disk("a")], story)
    (told,) = [text for _, text in harbour.log.lines if "IndexError: oh" in text]
    assert told.startswith("Traceback")


def test_a_disk_that_cannot_be_served_keeps_all_from_it_and_is_named(harbour: Harbour):
    errors = harbour.refused(harbour.disk("a"), harbour.disk("b", "/no/such"), harbour.disk("c", "/nor/this"))
    assert errors == [
        "path /no/such: /no/such: No such file or directory; it is left out",
        "path /nor/this: /nor/this: No such file or directory; it is left out",
        "disk b: no path can be used",
        "disk c: no path can be used",
        "no disk is served, as not all can be: b, c",
    ]


def test_a_table_or_an_address_that_is_refused_is_of_a_disk_too(harbour: Harbour):
    errors = harbour.refused(harbour.disk("a"), harbour.disk("b", table="0 8 multipath 7"))
    assert errors[-2].startswith("disk b: b: table '0 8 multipath 7': ")
    absent = harbour.disk("b", listen=f"nbd+unix:///b?socket={harbour.directory}/no/s")
    errors = harbour.refused(harbour.disk("a"), absent)
    assert errors[-2:] == ["disk b: there is no address left to listen on", "no disk is served, as not all can be: b"]


def test_a_start_that_fails_costs_no_disk_what_it_knows_of_its_last_writes(harbour: Harbour):
    disk = harbour.disk("a", harbour.image("image"), state_dir=f"{harbour.directory}/state")

    async def story(gateways: Gateways) -> None:
        client = await asyncio.to_thread(NbdClient, f"{harbour.directory}/s", "a")
        await asyncio.to_thread(client.write, 0, bytes(BLOCK))
        client.sock.close()

    harbour.run([disk], story)
    absent = harbour.disk("b", listen=f"nbd+unix:///b?socket={harbour.directory}/no/s")
    harbour.refused(disk, absent)
    witness = harbour.directory / "state" / "witness.json"
    assert witness.exists()

    async def starts(gateways: Gateways) -> None:
        assert not witness.exists()

    harbour.run([disk], starts)


@pytest.mark.parametrize("kind", ["hard link", "symbolic link"])
def test_one_file_by_two_names_is_not_two_disks(harbour: Harbour, kind: str):
    image = harbour.image("image")
    other = f"{image}-too"
    (os.link if kind == "hard link" else os.symlink)(image, other)
    errors = harbour.refused(harbour.disk("a", image), harbour.disk("b", other))
    assert errors[-3:] == [
        f"disk a: path {image}: it is the file that {other} is, of b",
        f"disk b: path {other}: it is the file that {image} is, of a",
        "no disk is served, as not all can be: a, b",
    ]


def test_one_disk_by_its_wwid_is_not_two_disks(harbour: Harbour):
    first, second = harbour.image("first"), harbour.image("second")
    errors = harbour.refused(
        harbour.disk("a", f"file://{first}?wwid=naa.6001"), harbour.disk("b", f"file://{second}?wwid=naa.6001")
    )
    assert errors[-2].startswith(f"disk b: path file://{second}?wwid=naa.6001: it leads to the disk of a: the WWID of ")


def test_a_path_of_one_disk_is_not_added_to_another(harbour: Harbour):
    first, second = harbour.image("first"), harbour.image("second")
    os.link(first, f"{first}-too")

    async def story(gateways: Gateways) -> None:
        control = ControlServer(gateways.common, str(harbour.directory / "c"))

        async def refusal(uri: str) -> str:
            line = json.dumps({"verb": "path", "args": ["add", uri], "map": "b"}).encode()
            (reply,) = [reply async for reply in control.replies(line)]
            assert not reply.ok and len(gateways.all[1].paths) == 1
            return reply.err

        assert await refusal(f"file://{first}?weight=2") == f"path file://{first}?weight=2: it is a path of a"
        assert await refusal(f"{first}-too") == (
            f"path {first}-too: it is the file that file://{first}?wwid=naa.6001 is, of a"
        )
        twin = f"file://{harbour.image('third')}?wwid=naa.6001"
        assert (await refusal(twin)).startswith(f"path {twin}: it leads to the disk of a: the WWID of file://{first}")

    harbour.run([harbour.disk("a", f"file://{first}?wwid=naa.6001"), harbour.disk("b", second)], story)


def test_a_device_over_two_disks_is_drained_before_either_is_let_go(harbour: Harbour):
    """Its client is one of the second disk, and has something on its way on both: that is answered, and handed over by both."""
    states = [harbour.directory / f"state-{name}" for name in ("a", "b")]
    half = MIB // 512
    both = f"0 {half} linear a 0\n{half} {half} linear b 0"

    async def story(gateways: Gateways) -> None:
        assert [
            gateway.has(device) for gateway in gateways.all for device in gateways.common.registry.all_mapped()
        ] == [*(True, False, True), *(False, True, True)]

        client = await asyncio.to_thread(NbdClient, f"{harbour.directory}/s", "b")
        clients.append(client)
        assert client.export.size_bytes == 2 * MIB
        assert [len(gateway.server.connections) for gateway in gateways.all] == [0, 1]
        assert [gateway.has_clients() for gateway in gateways.all] == [True, True]
        cookies.extend(client.send_write(offset, b"z" * BLOCK) for offset in (MIB - BLOCK, MIB))
        first = gateways.all[0].device
        assert first is not None
        while not first.counters(gateways.common.loop.clock.now_ns)[8]:
            await asyncio.sleep(0.01)

    clients: list[NbdClient] = []
    cookies: list[int] = []
    disks = [
        harbour.disk("a", SLOW, state_dir=str(states[0])),
        harbour.disk("b", SLOW, state_dir=str(states[1]), devices=[("both", both)]),
    ]
    harbour.run(disks, story)
    for cookie in cookies:
        clients[0].wait(cookie)
    clients[0].sock.close()
    assert all((state / "witness.json").exists() for state in states)
