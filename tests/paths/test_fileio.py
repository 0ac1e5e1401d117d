"""System calls on files: opening and measuring, whole reads and writes, zeroing, errors."""

import errno
import os
from pathlib import Path

import pytest

from hawser.block.ops import Buffer
from hawser.core.status import INVAL, IOERR, NOSPC, NOTSUPP, OFFLINE, TIMEOUT, TRANSPORT
from hawser.core.units import MIB
from hawser.paths.fileio import (
    OpenFile,
    PathOpenError,
    open_file,
    read_fully,
    remote_kind,
    status_of_errno,
    write_fully,
    wwid_of,
    zero_range,
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * 256)
    return path


def opened(path: Path, direct: bool = False, read_only: bool = False) -> OpenFile:
    return open_file(str(path), direct, read_only)


def test_a_regular_file_is_measured(image: Path):
    file = opened(image)
    facts = file.facts
    assert (facts.size_bytes, facts.block_size, facts.read_only, file.devt) == (65536, 512, False, "")
    assert facts.can_flush and facts.can_fua and facts.can_discard and facts.can_zero
    os.close(file.fd)


def sysfs(root: Path, files: dict[str, str]) -> str:
    """A tree with the disk 8:0 and its second partition 8:2, whose links lead there as in Linux."""
    disk = root / "devices" / "sda"
    (disk / "sda2").mkdir(parents=True)
    (root / "dev" / "block").mkdir(parents=True)
    (root / "dev" / "block" / "8:0").symlink_to(disk)
    (root / "dev" / "block" / "8:2").symlink_to(disk / "sda2")
    (disk / "sda2" / "partition").write_text("2\n")
    for name, text in files.items():
        (disk / name).parent.mkdir(exist_ok=True)
        (disk / name).write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "wwid"),
    [
        ({"wwid": "nvme.1\n", "serial": "S1\n", "device/wwid": "naa.1\n"}, "nvme.1"),
        ({"device/wwid": "t10.ATA     Disk  \n"}, "t10.ATA Disk"),
        ({"serial": "S1\n"}, "serial.S1"),
        ({"wwid": "\n"}, ""),
        ({}, ""),
    ],
)
def test_what_names_a_block_device_in_the_whole_world(tmp_path: Path, files: dict[str, str], wwid: str):
    root = sysfs(tmp_path, files)
    assert wwid_of("8:0", root) == wwid
    assert wwid_of("8:2", root) == (f"{wwid}-part2" if wwid else "")
    assert wwid_of("9:9", root) == ""


def test_a_size_that_is_no_multiple_of_a_block_is_rounded_down(image: Path):
    image.write_bytes(bytes(1023))
    file = opened(image)
    assert file.facts.size_bytes == 512
    os.close(file.fd)


def test_what_is_to_be_read_only_is_opened_so(image: Path):
    file = opened(image, read_only=True)
    assert file.facts.read_only
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(file.fd, b"x", 0)
    os.close(file.fd)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_may_not_be_written_is_opened_for_reading(image: Path):
    image.chmod(0o400)
    file = opened(image)
    assert file.facts.read_only
    os.close(file.fd)


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_disk_is_refused_by_name(tmp_path: Path, read_only: bool):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "tiny").write_bytes(bytes(511))
    (tmp_path / "loop").symlink_to("loop")
    expected = {
        "missing": "No such file or directory",
        "pipe": "neither a regular file nor a block device",
        "empty": "smaller than one block of 512 bytes",
        "tiny": "smaller than one block of 512 bytes",
        "loop": "Too many levels of symbolic links",
        ".": "neither a regular file nor a block device",
    }
    for name, words in expected.items():
        with pytest.raises(PathOpenError, match=f"{name}: .*{words}"):
            opened(tmp_path / name if name != "." else tmp_path, read_only=read_only)


def test_a_refusal_leaves_nothing_open(tmp_path: Path):
    (tmp_path / "tiny").write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(PathOpenError):
            opened(tmp_path / "tiny")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("aligned", [False, True])
def test_reads_and_writes_are_whole(image: Path, aligned: bool):
    file = opened(image)
    data, done = read_fully(file.fd, 8192, 512, aligned)
    assert (bytes(data), done) == ((bytes(range(256)) * 32), 8192)
    views: list[Buffer] = [b"a" * 512, bytearray(b"b" * 1024), memoryview(b"c" * 512)]
    assert write_fully(file.fd, views, 4096, True, aligned) == 2048
    assert image.read_bytes()[4096:6144] == b"a" * 512 + b"b" * 1024 + b"c" * 512
    os.close(file.fd)


def test_more_pieces_than_one_call_takes(image: Path):
    file = opened(image)
    views = [bytes([n % 256]) * 16 for n in range(2500)]
    assert write_fully(file.fd, list(views), 0, False, False) == 40000
    assert image.read_bytes()[:40000] == b"".join(views)
    os.close(file.fd)


@pytest.mark.parametrize("aligned", [False, True])
def test_a_file_that_ends_early_gives_what_it_has(image: Path, aligned: bool):
    file = opened(image)
    os.truncate(image, 1000)
    data, done = read_fully(file.fd, 4096, 512, aligned)
    assert (len(data), done) == (488, 488)
    assert read_fully(file.fd, 4096, 4096, aligned)[1] == 0
    os.close(file.fd)


@pytest.mark.parametrize("keep_allocated", [False, True])
def test_a_range_is_zeroed_and_nothing_beside_it(image: Path, keep_allocated: bool):
    file = opened(image)
    before = image.read_bytes()
    zero_range(file, 4096, 8192, keep_allocated)
    assert image.read_bytes() == before[:4096] + bytes(8192) + before[12288:]
    os.close(file.fd)


def test_a_file_that_cannot_be_punched_is_written_with_zeroes(tmp_path: Path):
    """A memory file of huge pages, say, or any file system without fallocate: here one that does not know the call at all."""
    path = tmp_path / "d"
    path.write_bytes(b"x" * (3 * MIB))
    file = opened(path)
    # As a block device it is asked by an ioctl that a regular file does not know.
    stranger = OpenFile(file.name, file.fd, file.facts, "7:0", True)
    zero_range(stranger, 512, 2 * MIB + 512, False)
    data = path.read_bytes()
    assert (data[:512], data[2 * MIB + 1024 :]) == (b"x" * 512, b"x" * (MIB - 1024))
    assert not any(data[512 : 2 * MIB + 1024])
    os.close(file.fd)


def test_an_error_of_zeroing_is_an_error(image: Path):
    file = opened(image, read_only=True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        zero_range(file, 0, 512, False)
    os.close(file.fd)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.EIO, IOERR),
        (errno.ENOSPC, NOSPC),
        (errno.EDQUOT, NOSPC),
        (errno.EINVAL, INVAL),
        (errno.EOPNOTSUPP, NOTSUPP),
        (errno.ENODEV, OFFLINE),
        (errno.ENXIO, OFFLINE),
        (errno.ESTALE, OFFLINE),
        (errno.ETIMEDOUT, TIMEOUT),
        (errno.ENOLINK, TRANSPORT),
        (errno.EBADF, IOERR),
        (0, IOERR),
    ],
)
def test_what_an_errno_means(number: int, status: int):
    assert status_of_errno(number) == status


MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 21 0:44 / /mnt/a\\040b rw,nosuid shared:9 master:2 - fuse.nbdfuse nbdfuse rw,user_id=0
41 21 0:45 / /mnt/n rw - nfs4 host:/export rw
42 21 0:46 / /mnt/t rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("number", "kind"), [("254:0", ""), ("0:44", "fuse.nbdfuse"), ("0:45", "nfs4"), ("0:46", ""), ("0:4", "")]
)
def test_file_systems_that_ask_a_server_are_known_by_their_type(number, kind):
    assert remote_kind(MOUNTS, number) == kind
