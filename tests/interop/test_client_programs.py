"""Other people's NBD clients on hawser's export: nbdinfo, nbdcopy, qemu-img, qemu-io, fio, libnbd."""

import json
import random
from pathlib import Path

import pytest
from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.processes import run
from tests.support.programs import missing
from tests.support.upstreams import content

pytestmark = pytest.mark.interop

SIZE = 24 * MIB
SYSTEM_PYTHON = "/usr/bin/python3"

# A random walk over the export, with libnbd as the client and a bytearray as the truth. Arguments: URI, seed, block.
WALK = """
import random, sys
import nbd
uri, seed, block = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
handle = nbd.NBD()
handle.connect_uri(uri)
size = 4 << 20
truth = bytearray(handle.pread(size, 0))
for step in range(600):
    offset = rng.randrange(size // block) * block
    length = min(size - offset, rng.choice([1, 1, 2, 7, 16, 64, 300]) * block)
    what = rng.choice("rrwwwzt")
    if what == "r":
        assert bytes(handle.pread(length, offset)) == truth[offset:offset + length], (step, offset, length)
    elif what == "w":
        data = rng.randbytes(length)
        handle.pwrite(data, offset, rng.choice([0, nbd.CMD_FLAG_FUA]))
        truth[offset:offset + length] = data
    else:
        call = handle.zero if what == "z" else handle.trim
        call(length, offset, 0)
        truth[offset:offset + length] = bytes(length)
    if rng.random() < 0.05:
        handle.flush()
assert bytes(handle.pread(size, 0)) == truth
handle.shutdown()
"""


def random_file(path: Path, size: int, seed: int) -> Path:
    """Random data with a hole in it."""
    rng = random.Random(seed)
    with path.open("wb") as file:
        file.write(rng.randbytes(size // 3))
        file.truncate(size)
        file.seek(size - size // 3)
        file.write(rng.randbytes(size // 3))
    return path


def over_files(fleet: Fleet, *options: str, listen: str = "") -> tuple[Path, Gateway]:
    image = fleet.image("disk", SIZE)
    return image, fleet.serve([str(image), f"file://{image}?weight=1"], *options, listen=listen)


def over_servers(fleet: Fleet, *options: str) -> tuple[Path, Gateway]:
    image = fleet.image("disk", SIZE)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    return image, fleet.serve([server.uri(cache="lun") for server in servers], *options)


@pytest.mark.needs("nbdinfo")
@pytest.mark.parametrize("listen", ["", "nbd://127.0.0.1:0/d"])
def test_nbdinfo(fleet, listen):
    _, gateway = over_files(fleet, listen=listen)
    export = json.loads(run(["nbdinfo", "--json", "--no-content", gateway.uri]).stdout)["exports"][0]
    assert export["export-size"] == SIZE
    assert export["block_size_minimum"] == 512 and export["block_size_preferred"] == 4096
    for promise in ("can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero"):
        assert export[promise], promise
    assert not export["is_read_only"]
    listed = json.loads(run(["nbdinfo", "--json", "--list", gateway.uri]).stdout)["exports"]
    assert [item["export-name"] for item in listed] == ["d"]
    wrong = run(["nbdinfo", gateway.uri.replace("/d", "/nothing", 1)], check=False)
    assert wrong.returncode != 0
    assert gateway.client().read(0, 512) == bytes(512)


@pytest.mark.needs("nbdinfo")
def test_read_only(fleet):
    _, gateway = over_files(fleet, "--read-only")
    assert run(["nbdinfo", "--is", "read-only", gateway.uri], check=False).returncode == 0
    assert run(["nbdinfo", "--can", "trim", gateway.uri], check=False).returncode == 2


@pytest.mark.needs("nbdcopy", "nbdkit")
@pytest.mark.parametrize("make", [over_files, over_servers])
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_nbdcopy_both_ways(fleet, make, mode):
    image, gateway = make(fleet, "--queue-mode", mode)
    source = random_file(fleet.directory / "source", SIZE, seed=1)
    run(["nbdcopy", "--flush", source, gateway.uri])
    assert image.read_bytes() == source.read_bytes()
    back = fleet.directory / "back"
    run(["nbdcopy", gateway.uri, back])
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.needs("qemu-img", "nbdkit")
@pytest.mark.parametrize("make", [over_files, over_servers])
def test_qemu_img_convert_and_compare(fleet, make):
    _, gateway = make(fleet)
    source = random_file(fleet.directory / "source", SIZE, seed=2)
    run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, gateway.uri])
    run(["qemu-img", "compare", "-f", "raw", "-F", "raw", source, gateway.uri])
    back = fleet.directory / "back.qcow2"
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", gateway.uri, back])
    run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", source, back])


@pytest.mark.needs("qemu-io")
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_qemu_io(fleet, mode):
    image, gateway = over_files(fleet, "--queue-mode", mode)
    commands = [
        "write -P 0x11 0 1M",
        "write -P 0x22 512 512",
        "write -P 0x33 -f 4096 8192",
        "write -z 64k 64k",
        "write -z -u 128k 64k",
        "discard 192k 64k",
        # Not aligned to anything: qemu does the rest of the blocks itself.
        "write -P 0x44 700001 77",
        "flush",
        "read -P 0x11 0 512",
        "read -P 0x22 512 512",
        "read -P 0x33 4096 8192",
        "read -P 0 64k 192k",
        "read -P 0x44 700001 77",
        "read -P 0x11 699999 2",
        f"write -P 0x55 {SIZE - 512} 512",
        f"read -P 0x55 {SIZE - 512} 512",
    ]
    words = [word for command in commands for word in ("-c", command)]
    done = run(["qemu-io", "-f", "raw", *words, gateway.uri])
    assert "failed" not in done.stdout and "error" not in done.stdout, done.stdout
    assert content(image, 512, 512) == b"\x22" * 512
    assert content(image, 64 << 10, 192 << 10) == bytes(192 << 10)
    assert content(image, 700001, 77) == b"\x44" * 77
    assert content(image, SIZE - 512, 512) == b"\x55" * 512
    over_the_end = run(["qemu-io", "-f", "raw", "-c", f"write {SIZE - 512} 1024", gateway.uri], check=False)
    assert over_the_end.returncode != 0


@pytest.mark.needs("fio")
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_fio_over_tcp(fleet, mode):
    _, gateway = over_files(fleet, "--queue-mode", mode, listen="nbd://127.0.0.1:0/d")
    load = fleet.run("fio", *fio.verify_command(gateway.uri, 2, "16M"))
    assert load.wait(60) == 0, load.output()[-2000:] + load.log()[-2000:]
    assert fio.report(load.output())["error"] == 0


@pytest.mark.parametrize(
    ("make", "mode", "block"), [(over_files, "rq", 512), (over_files, "bio", 512), (over_servers, "rq", 4096)]
)
def test_a_random_walk_by_libnbd(fleet, make, mode, block):
    if not Path(SYSTEM_PYTHON).exists() or run([SYSTEM_PYTHON, "-c", "import nbd"], check=False).returncode != 0:
        missing("libnbd's binding for the system's Python is not installed")
    _, gateway = make(fleet, "--queue-mode", mode)
    seed = random.SystemRandom().randrange(1 << 30)
    done = run([SYSTEM_PYTHON, "-c", WALK, gateway.uri, str(seed), str(block)], check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-2000:]}"
    gateway.assert_no_traceback()
