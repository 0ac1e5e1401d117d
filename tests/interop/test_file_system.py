"""An ext4 on the export, by nbdfuse and a loop device, while its paths die under it."""

import hashlib
import os
import random
import shutil
from pathlib import Path

import pytest
from tests.support.file_system import NEEDS, attached, mounted, require_loop_and_fuse
from tests.support.fleet import MIB
from tests.support.processes import run, wait_for
from tests.support.programs import require_program

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", *NEEDS),
]


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
