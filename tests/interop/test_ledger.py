"""ext4 and a SQLite database on it, over two servers with write-back caches, each of which is killed again and again. In the end
both checkers find nothing, and every row that was committed is there. So they do when all servers are killed at once, on what
the disk itself then holds."""

import random
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.file_system import NEEDS, attached, mounted, require_loop_and_fuse
from tests.support.fleet import MIB, Fleet
from tests.support.ledger import Ledger, audit
from tests.support.processes import run
from tests.support.programs import require_program
from tests.support.upstreams import Upstream

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "qemu-nbd", *NEEDS), pytest.mark.timeout(400)]


def server(fleet: Fleet, kind: str, name: str, image: Path) -> Upstream:
    """nbdkit's cache is really lost when it is killed; qemu-nbd's is this host's page cache, and lives on."""
    return fleet.cached("nbdkit", name, image, "4k") if kind == "nbdkit" else fleet.server(kind, name, image)


def check_copy(fleet: Fleet, ledger: Ledger, copy: Path) -> None:
    """As after a loss of power: the file system replays its journal, and SQLite its own."""
    with mounted(fleet, str(copy), "loop") as disk:
        audit(ledger, disk)
    run([require_program("e2fsck"), "-fn", copy])
    copy.unlink()


@pytest.mark.parametrize(
    ("kind", "mode", "kills"),
    [
        ("nbdkit", "rq", 2),
        *[pytest.param(k, m, 10, marks=pytest.mark.soak) for k in ("nbdkit", "qemu-nbd") for m in ("rq", "bio")],
    ],
)
def test_they_survive_ten_kills(fleet: Fleet, kind, mode, kills):
    require_loop_and_fuse()
    chance = random.Random(kills)
    image = fleet.image("disk", 48 * MIB)
    servers = [server(fleet, kind, name, image) for name in ("one", "two")]
    paths = [server.uri() for server in servers]
    gateway = fleet.serve(paths, "--queue-mode", mode, "--queue-timeout", "forever")
    gateway.wait_for_paths("AA")
    with attached(fleet, gateway) as device:
        run([require_program("mkfs.ext4"), "-q", device])
        with mounted(fleet, device) as disk, closing(Ledger(disk, seed=kills)) as ledger:
            for turn in range(kills):
                ledger.wait_for_progress()
                time.sleep(chance.uniform(0, 0.3))
                servers[turn % 2].kill()
                time.sleep(chance.uniform(0, 0.3))
                servers[turn % 2].start()
                gateway.wait_for_states("AA")
            ledger.wait_for_progress()
            with ledger.paused():
                for each in servers:
                    each.kill()
                copy = Path(shutil.copy(image, fleet.directory / "copy.img"))
                for each in servers:
                    each.start()
                check_copy(fleet, ledger, copy)
            gateway.wait_for_states("AA")
            ledger.wait_for_progress()
        run([require_program("e2fsck"), "-fn", device])
    for each in servers:
        each.kill()
    check_copy(fleet, ledger, image)
    assert (kind, kills) != ("nbdkit", 10) or "what its cache held was written again" in gateway.log()
    gateway.assert_no_traceback()
