"""`hawser serve --device`, `--export` and `--scheduler`: further devices below the map and above it, which of them clients get,
and who sorts what waits."""

import asyncio
from pathlib import Path

import pytest
from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway as Served
from tests.support.gateway import serve_command
from tests.support.processes import run
from tests.support.trace_events import TraceFile

from hawser.cli.disk_options import parse_device
from hawser.core.log import LogSink
from hawser.exports.listen_uri import parse_listen_uri
from hawser.paths.uri import parse_path_uri
from hawser.service.gateway import Gateway
from hawser.service.options import OptionError, ServeOptions
from hawser.service.start_error import StartError

pytestmark = pytest.mark.interop

SECTORS = 2048
HALF = SECTORS // 2
SWAPPED = f"0 {HALF} linear mpatha {HALF}\n{HALF} {HALF} linear mpatha 0"


def options(directory: Path, paths: tuple[str, ...] = ("ram:?size=1M", "ram:?size=1M"), **rest) -> ServeOptions:
    listen = parse_listen_uri(f"nbd+unix:///d?socket={directory}/s", False)
    return ServeOptions([parse_path_uri(path) for path in paths], [listen], **rest)


def refusal(directory: Path, paths: tuple[str, ...] = ("ram:?size=1M", "ram:?size=1M"), **rest) -> str:
    """Why a gateway in this process does not start."""

    async def main() -> None:
        gateway = Gateway(options(directory, paths, **rest), LogSink())
        try:
            await gateway.start()
        finally:
            await gateway.stop()

    with pytest.raises(StartError) as caught:
        asyncio.run(main())
    assert list(directory.iterdir()) == []
    return str(caught.value)


# What is refused.


@pytest.mark.parametrize("top", ["part=0 8 linear 259:0 0", "pair=0 8 linear mpatha 0\n8 8 linear 259:0 8"])
def test_an_export_that_leads_past_the_map_to_a_cache_of_a_paths_own_is_refused(tmp_path: Path, top: str):
    name, _, table = top.partition("=")
    message = refusal(tmp_path, ("ram:?size=1M&cache=path",), devices=[(name, table)], export=name)
    assert message.startswith(f"--export {name}: leads past the multipath map to ")
    assert message.endswith("declare cache=lun or cache=none if that is so")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scheduler", "anticipatory"], "--scheduler anticipatory: there are mq-deadline, none"),
        (["--export", "top"], "--export top: no such device; there are mpatha"),
        (["--device", "=0 8 zero"], "--device '=0 8 zero': is not NAME=TABLE"),
        (["--device", "a=0 8 zero", "--device", "a=0 16 zero"], "there are two devices named 'a'"),
        (
            ["--device", "a=0 2048 linear mpatha", "--export", "a"],
            "a: table '0 2048 linear mpatha': 254:1: linear: Invalid argument count",
        ),
    ],
)
def test_what_means_nothing_is_said_in_a_line_and_leaves_nothing(socket_dir: Path, words: list[str], said: str):
    listen = f"nbd+unix:///d?socket={socket_dir}/s"
    done = run(serve_command(["ram:?size=1M"], [listen], "--control", f"{socket_dir}/c", *words), check=False)
    assert done.returncode in (1, 2) and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert said in line
    assert list(socket_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("nonsense", "line 1 of the table, 'nonsense', is not START LENGTH TYPE WORDS..."),
        ("0 8 nonsense", "nonsense"),
        ("0 2048 linear nobody 0", "Device lookup failed"),
        # It is made before the map, and so cannot see it by number.
        ("0 2048 linear 254:7 0", "Device lookup failed"),
        ("0 4096 linear mpatha 0", "4096"),
        ("0 2048 striped 2 8 mpatha 0", "Not enough destinations specified"),
        ("0 2048 linear itself 0", "Device lookup failed"),
        ("0 2048 multipath 0 0 1 1 dice 0 1 0 259:0", "unknown path selector type"),
    ],
)
def test_a_device_whose_table_is_unusable_is_named(socket_dir: Path, table: str, said: str):
    text = refusal(socket_dir, devices=[("itself", table)])
    assert text.startswith(f"itself: table {table!r}: ") and said in text


@pytest.mark.parametrize("text", ["", "top", "top=", "top= ", "=", "=0 8 zero"])
def test_a_device_is_a_name_and_a_table(text: str):
    with pytest.raises(OptionError, match="is not NAME=TABLE, such as "):
        parse_device(text)


def test_a_table_may_hold_what_separates_it_from_the_name():
    assert parse_device("a=0 8 linear a=b 0") == ("a", "0 8 linear a=b 0")


def test_options_that_contradict_each_other(socket_dir: Path):
    with pytest.raises(OptionError, match="--scheduler : there are mq-deadline, none"):
        options(socket_dir, scheduler="").check_devices()
    with pytest.raises(OptionError, match="there are two devices named 'mpatha'"):
        options(socket_dir, devices=[("mpatha", "0 8 zero")]).check_devices()
    with pytest.raises(OptionError, match="there are two devices named 'x'"):
        options(socket_dir, name="x", devices=[("x", "0 8 zero")]).check_devices()
    with pytest.raises(OptionError, match="no such device; there are mpatha, a, b"):
        options(socket_dir, devices=[("a", "0 8 zero"), ("b", "0 8 zero")], export="c").check_devices()
    options(socket_dir, devices=[("a", "0 8 zero"), ("b", "0 8 zero")], export="b").check_devices()


# What is served.


def exported_bytes(served: Served) -> int:
    return served.client().export.size_bytes


def test_clients_get_the_topmost_device_or_the_one_that_is_named(fleet: Fleet):
    paths = ["ram:?size=1M", "ram:?size=1M"]
    devices = ["--device", f"half=0 {HALF} linear mpatha 0", "--device", "quarter=0 512 linear half 0"]
    assert exported_bytes(fleet.serve(paths, *devices)) == MIB // 4
    for name, size in (("mpatha", MIB), ("half", MIB // 2)):
        assert exported_bytes(fleet.serve(paths, *devices, "--export", name)) == size


def test_a_device_that_has_nothing_to_do_with_the_map_is_not_taken_for_its_top(fleet: Fleet):
    served = fleet.serve(["ram:?size=1M"], "--device", "aside=0 8 zero")
    assert exported_bytes(served) == MIB
    assert served.dm("ls") == "aside\t(254:0)\nmpatha\t(254:1)\n"


def test_devices_stand_where_their_tables_say(fleet: Fleet):
    image = fleet.image("disk", MIB)
    served = fleet.serve(
        [str(image)],
        *("--device", f"below=0 {SECTORS} linear 259:0 0"),
        *("--table", f"0 {SECTORS} multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 below"),
        *("--device", f"swapped={SWAPPED}"),
    )
    assert served.dm("ls", "--tree").startswith("swapped (254:2)\n `-mpatha (254:1)\n    `-below (254:0)\n")
    client = served.client()
    client.write(0, b"x" * 512)
    client.flush()
    assert image.read_bytes()[MIB // 2 : MIB // 2 + 512] == b"x" * 512
    assert "Device or resource busy" in served.dm_command("remove", "swapped").stderr


@pytest.mark.parametrize("mode", ["rq", "mq", "bio"])
def test_the_scheduler_is_that_of_every_queue(socket_dir: Path, mode: str):
    async def main() -> None:
        above = [("top", f"0 {SECTORS} linear mpatha 0")]
        given = options(socket_dir, queue_mode=mode, scheduler="mq-deadline", devices=above)
        gateway = Gateway(given, LogSink())
        try:
            await gateway.start()
            assert [device.requests.scheduler for device in gateway.devices] == ["mq-deadline"] * 2
            device = gateway.device
            assert device is not None
            assert (device.queue is None) == (mode == "bio")
            assert device.queue is None or device.queue.scheduler == "mq-deadline"
        finally:
            await gateway.stop()

    asyncio.run(main())


# Two maps over one path.

SHARED_DEPTH = 2


@pytest.mark.needs("fio")
@pytest.mark.parametrize("modes", [("rq", "rq"), ("bio", "rq")], ids="-".join)
def test_two_maps_share_a_path_and_its_tags(fleet: Fleet, modes: tuple[str, str]):
    """259:1 is a path of both, and the only one of `other`, which so may have nothing in flight when all tags are taken. Neither
    starves, and together they have no more on it than it takes."""
    sectors = 32 * MIB // 512
    seam = 8 * MIB // 512
    paths = [f"ram:?size=32M&delay=0.0005&depth={depth}" for depth in (4, SHARED_DEPTH)]
    other = f"3 queue_if_no_path queue_mode {modes[1]} 0 1 1 service-time 0 1 2 259:1 1 1"
    table = f"3 queue_if_no_path queue_mode {modes[0]} 0 1 1 service-time 0 2 2 259:0 1 1 259:1 1 1"
    served = fleet.serve(
        paths,
        *("--device", f"other=0 {sectors} multipath {other}"),
        *("--table", f"0 {sectors} multipath {table}"),
        *("--device", f"top=0 {seam} linear mpatha 0\n{seam} {sectors - seam} linear other {seam}"),
    )
    # One job in the area of the one map, three in that of the other.
    load = fleet.run("fio", *fio.mixed_command(fleet.directory, served.uri, 2, 512))
    file = fleet.directory / "trace.json"
    served.wait_until(lambda: all(row["wr_ios"] > 0 for row in served.stats()), "the load runs")
    served.end_trace(served.start_trace(0.5), file)
    assert load.wait() == 0, fio.complaints(load.output() + load.log())
    trace = TraceFile(file)
    assert maps_of_the_shared_path(trace) == {"mpatha", "other"}
    (shared,) = (row["device"] for row in served.stats() if row["number"] == "259:1")
    assert max(trace.counters[f"{shared} in flight"]) == SHARED_DEPTH
    served.assert_no_traceback()


def maps_of_the_shared_path(trace: TraceFile) -> set[str]:
    """Whose I/Os its commands were for."""
    found: set[str] = set()
    for io in trace.ios.values():
        if any(detail.startswith("to 259:1 ") for detail in io.details("mapped")):
            found |= {detail for detail in io.details("queued") if detail in ("mpatha", "other")}
    return found
