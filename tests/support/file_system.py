"""An export as a block device (nbdfuse and a loop device), and a file system on it. Root only."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.fleet import Fleet
from tests.support.gateway import Gateway
from tests.support.processes import run
from tests.support.programs import missing, require_program

NEEDS = ("nbdfuse", "losetup", "mkfs.ext4", "e2fsck", "mount")


def require_loop_and_fuse() -> None:
    if os.geteuid() != 0:
        missing("only root can mount and make loop devices")
    if not Path("/dev/fuse").exists():
        missing("there is no /dev/fuse")


@contextmanager
def attached(fleet: Fleet, gateway: Gateway) -> Iterator[str]:
    """The export as a block device, whose sectors are the export's blocks, or the largest that there are."""
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
def mounted(fleet: Fleet, device: str, options: str = "rw") -> Iterator[Path]:
    where = Path(tempfile.mkdtemp(prefix="mnt", dir=fleet.directory))
    run([require_program("mount"), "-o", options, device, where])
    try:
        yield where
    finally:
        run([require_program("umount"), where])
