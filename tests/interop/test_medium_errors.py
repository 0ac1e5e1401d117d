"""A medium that answers with errors, and one that is full: the client is told where, and only there; no path is failed by an
answer, and nothing that was acknowledged is lost. DESIGN, Hard problems 5."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.load import FUA, MIX, READ, WRITE, ZEROES, Load
from tests.support.processes import run
from tests.support.programs import missing, require_program

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "mount")]

MODES = ["rq", pytest.param("bio", marks=pytest.mark.soak)]
CHANGES = (WRITE, ZEROES, FUA)


def both(fleet: Fleet, image: Path, trigger: Path, name: str, rate: str, second_is_bad: bool = True):
    """Two servers over one file whose reads and writes fail while `trigger` is there."""
    words = [f"error={name}", f"error-rate={rate}", f"error-file={trigger}"]
    one = fleet.nbdkit("one", "file", image, *words, filters=["error"])
    two = (
        fleet.nbdkit("two", "file", image, *words, filters=["error"])
        if second_is_bad
        else fleet.nbdkit("two", "file", image)
    )
    return [server.uri(cache="lun") for server in (one, two)]


def assert_paths_stayed(gateway: Gateway) -> None:
    assert gateway.paths() == [("A", 0)] * 2, "an answer is no reason to fail a path"
    assert "mismatch" not in gateway.log()
    gateway.assert_no_traceback()


def end(load: Load, gateway: Gateway, image: Path) -> None:
    """Nothing fails any more, and all that was acknowledged is there."""
    load.stop()
    load.tolerate = ()
    load.start().wait_for_progress()
    load.stop()
    load.check()
    load.flush()
    load.check_below(image)
    assert_paths_stayed(gateway)


@pytest.mark.parametrize("name", ["ENOSPC", pytest.param("EIO", marks=pytest.mark.soak)])
@pytest.mark.parametrize("mode", MODES)
def test_while_both_paths_answer_with_errors_the_client_gets_them(fleet: Fleet, mode, name):
    image = fleet.image("disk", 8 * MIB)
    trigger = fleet.directory / "trigger"
    gateway = fleet.serve(both(fleet, image, trigger, name, "50%"), "--queue-mode", mode)
    number = getattr(errno, name)
    # (A write with FUA that fails once and succeeds without it, by chance, looks like a lost write: flushes fail from then on.)
    mix = {what: weight for what, weight in MIX.items() if what != FUA}
    load = Load(gateway, tolerate=[number], mix=mix).start()
    load.wait_for_progress()
    assert not load.errors
    trigger.touch()
    gateway.wait_until(lambda: load.done() and all(load.errors[kind, number] > 3 for kind in (READ, WRITE)), "it fails")
    load.wait_for_progress(20)
    trigger.unlink()
    end(load, gateway, image)
    assert {kind for kind, _ in load.errors} <= {READ, *CHANGES}


@pytest.mark.parametrize("mode", MODES)
def test_what_one_path_refuses_the_other_does_and_nobody_is_told(fleet: Fleet, mode):
    image = fleet.image("disk", 8 * MIB)
    trigger = fleet.directory / "trigger"
    paths = both(fleet, image, trigger, "EIO", "100%", second_is_bad=False)
    gateway = fleet.serve(paths, "--queue-mode", mode)
    load = Load(gateway).start()
    load.wait_for_progress()
    trigger.touch()
    load.wait_for_progress(200)
    trigger.unlink()
    assert not load.errors
    end(load, gateway, image)


# A file of hundreds of lines of shell a second is no quick server.
_WRITES = """
if test -e {trigger} && test $4 -lt {end} && test $(($4 + $3)) -gt {start}; then
    cat >/dev/null; echo EIO a bad block >&2; exit 1
fi
dd of={image} seek=$4 conv=notrunc oflag=seek_bytes bs=1M iflag=fullblock status=none
"""
_READS = """
if test -e {trigger} && test $4 -lt {end} && test $(($4 + $3)) -gt {start}; then echo EIO a bad block >&2; exit 1; fi
dd if={image} skip=$4 count=$3 iflag=count_bytes,skip_bytes,fullblock bs=1M status=none
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_spot_fails_what_touches_it_and_nothing_beside_it(fleet: Fleet, mode):
    """Neighbours that were merged with it, too, are not told of an error that is not theirs."""
    image = fleet.image("disk", MIB)
    trigger = fleet.directory / "trigger"
    bad = range(8 * 10, 8 * 14)
    where = {"trigger": trigger, "image": image, "start": bad.start * 512, "end": bad.stop * 512}
    words = [
        "thread_model=echo parallel",
        f"get_size=echo {MIB}",
        "can_write=exit 0",
        "can_multi_conn=exit 0",
        "can_flush=exit 0",
        "flush=exit 0",
        f"pread={_READS.format(**where)}",
        f"pwrite={_WRITES.format(**where)}",
    ]
    servers = [fleet.nbdkit(name, "eval", *words) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-mode", mode)
    load = Load(gateway, blocks=32, rate=150, tolerate=[errno.EIO], bad=bad).start()
    load.wait_for_progress(40)
    assert not load.errors
    trigger.touch()
    gateway.wait_until(lambda: load.done() and all(load.errors[kind, errno.EIO] > 5 for kind in (READ, WRITE)), "fails")
    load.wait_for_progress(40)
    trigger.unlink()
    end(load, gateway, image)


@pytest.fixture
def room(socket_dir: Path) -> Iterator[Path]:
    """A file system with room for less than half of what the load writes."""
    if os.geteuid() != 0:
        missing("only root can mount")
    where = socket_dir / "room"
    where.mkdir()
    run([require_program("mount"), "-t", "tmpfs", "-o", "size=96k", "tmpfs", where])
    try:
        yield where
    finally:
        run([require_program("umount"), "-l", where], check=False)


@pytest.mark.parametrize(
    ("behind", "mode"),
    [
        ("nbdkit", "rq"),
        ("file", "bio"),
        *[
            pytest.param(behind, mode, marks=pytest.mark.soak)
            for behind in ("nbdkit", "qemu-nbd", "nbd-server", "file")
            for mode in ("rq", "bio")
        ],
    ],
)
def test_a_full_file_system_refuses_what_is_new_and_keeps_what_it_has(fleet: Fleet, room: Path, behind, mode):
    image = room / "disk.img"
    with image.open("wb") as file:
        file.truncate(8 * MIB)
    if behind == "file":
        paths = [f"file://{image}", f"file://{image}?weight=1"]
    else:
        require_program(behind)
        paths = [fleet.server(behind, name, image).uri(cache="lun") for name in ("one", "two")]
    gateway = fleet.serve(paths, "--queue-mode", mode)
    mix = {**MIX, ZEROES: 1}
    load = Load(gateway, tolerate=[errno.ENOSPC], mix=mix).start()
    gateway.wait_until(lambda: load.done() and load.errors[WRITE, errno.ENOSPC] > 20, "it is full")
    load.wait_for_progress(20)
    run([require_program("mount"), "-o", "remount,size=8m", room])
    end(load, gateway, image)
    assert all(kind in CHANGES and number == errno.ENOSPC for kind, number in load.errors)
