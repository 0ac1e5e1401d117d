"""An ext4 on the export, by nbdfuse and a loop device, while its paths die under it."""

import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.processes import run, wait_for
from tests.support.programs import missing, require_program

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "nbdfuse", "losetup", "mkfs.ext4", "e2fsck", "mount"),
    pytest.mark.timeout(180),
]


def require_loop_and_fuse() -> None:
    if os.geteuid() != 0:
        missing("only root can mount and make loop devices")
    if not Path("/dev/fuse").exists():
        missing("there is no /dev/fuse")


@contextmanager
def attached(fleet: Fleet, gateway: Gateway) -> Iterator[str]:
    """The export as a block device, whose sectors are the export's blocks."""
    mount_point = fleet.directory / "fuse"
    mount_point.mkdir(exist_ok=True)
    with ExitStack() as undo:
        fuse = fleet.run("nbdfuse", "nbdfuse", mount_point, gateway.uri)
        undo.callback(fuse.wait)
        undo.callback(run, [require_program("umount"), mount_point], check=False)
        fuse.wait_until(lambda: (mount_point / "nbd").exists(), "shows the export as a file")
        losetup = require_program("losetup")
        block = "4096"
        device = run([losetup, "-f", "--show", "--sector-size", block, mount_point / "nbd"]).stdout.strip()
        undo.callback(run, [losetup, "-d", device], check=False)
        yield device


@contextmanager
def mounted(fleet: Fleet, device: str) -> Iterator[Path]:
    where = fleet.directory / "mnt"
    where.mkdir(exist_ok=True)
    run([require_program("mount"), device, where])
    try:
        yield where
    finally:
        run([require_program("umount"), where])


def make_tree(root: Path, seed: int) -> None:
    """Some hundred files, from empty to a megabyte."""
    rng = random.Random(seed)
    for number in range(150):
        place = root / f"d{number % 7}" / f"e{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        size = rng.choice([0, 1, 500, 4096, 5000, 70_000, 300_000, MIB])
        (place / f"f{number}").write_bytes(rng.randbytes(size))


def checksums(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("f*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_ext4_outlives_its_paths(fleet, mode):
    require_loop_and_fuse()
    image = fleet.image("disk", 256 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    uris = [server.uri(cache="lun") for server in servers]
    gateway = fleet.serve(uris, "--queue-mode", mode, "--queue-timeout", "forever")
    tree = fleet.directory / "tree"
    make_tree(tree, seed=3)
    with attached(fleet, gateway) as device:
        run([require_program("mkfs.ext4"), "-q", device])
        with mounted(fleet, device) as disk:
            shutil.copytree(tree, disk / "first")
            servers[0].kill()
            shutil.copytree(tree, disk / "second")
            os.sync()
            servers[0].start()
            gateway.wait_for_states("AA")
            servers[1].kill()
            shutil.copytree(tree, disk / "third")
            gateway.wait_for_states("AF")
        # Not what the loop device's or nbdfuse's cache holds: what went through.
        run([require_program("e2fsck"), "-fn", device])
    servers[1].start()
    run([require_program("e2fsck"), "-fn", image])
    with attached(fleet, gateway) as device, mounted(fleet, device) as disk:
        for copy in ("first", "second", "third"):
            assert checksums(disk / copy) == checksums(tree)
    wait_for(lambda: gateway.states() == "AA", "both paths are back")
    assert all(failures >= 1 for _, failures in gateway.paths())
    assert gateway.end() < 5
