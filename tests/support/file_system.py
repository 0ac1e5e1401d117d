"""An export as a block device (nbdfuse and a loop device), and a file system on it. Root only."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.fleet import Fleet
from tests.support.gateway import Gateway
from tests.support.processes import run
from tests.support.programs import missing, require_program

UNMOUNT_SECONDS = 20
NEEDS = ("nbdfuse", "losetup", "mkfs.ext4", "e2fsck", "mount")


def require_loop_and_fuse() -> None:
    if os.geteuid() != 0:
        missing("only root can mount and make loop devices")
    if not Path("/dev/fuse").exists():
        missing("there is no /dev/fuse")


@contextmanager
def as_file(fleet: Fleet, uri: str) -> Iterator[Path]:
    """An export as a file, by nbdfuse."""
    mount_point = Path(tempfile.mkdtemp(prefix="fuse", dir=fleet.directory))
    with ExitStack() as undo:
        fuse = fleet.run(mount_point.name, "nbdfuse", mount_point, uri)
        undo.callback(fuse.wait)
        undo.callback(_unmount, mount_point)
        fuse.wait_until(lambda: (mount_point / "nbd").exists(), "shows the export as a file")
        yield mount_point / "nbd"


def _unmount(where: Path) -> None:
    """As soon as the kernel has let go of it: a loop device that was detached may still be in use for a moment."""
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while os.path.ismount(where) and time.monotonic() < deadline:
        if run([require_program("umount"), where], check=False).returncode:
            time.sleep(0.1)


@contextmanager
def attached(fleet: Fleet, gateway: Gateway) -> Iterator[str]:
    """The export as a block device, whose sectors are the blocks of most exports."""
    with ExitStack() as undo:
        file = undo.enter_context(as_file(fleet, gateway.uri))
        losetup = require_program("losetup")
        device = run([losetup, "-f", "--show", "--sector-size", "4096", file]).stdout.strip()
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
