"""One gateway for one disk: who has a file, who may have it beside him, and when it is free again."""

import errno
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hawser.paths import disk_lock
from hawser.paths.disk_lock import LockedError, NoLocksError, lock, lock_disk

# Linux: include/uapi/asm-generic/fcntl.h.
F_OFD_SETLK = 37

HOLDER = """
import os, sys
from hawser.paths.disk_lock import lock_disk
lock_disk(os.open(sys.argv[1], os.O_RDWR), sys.argv[2] == "shared")
print("locked", flush=True)
sys.stdin.read()
"""

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096))
    return path


@pytest.fixture
def holder(image: Path) -> Iterator[Start]:
    """Another process that has the image locked, `shared` or `exclusive`."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(how: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", HOLDER, str(image), how]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait(20)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def opened(image: Path) -> Iterator[int]:
    fd = os.open(image, os.O_RDWR)
    yield fd
    os.close(fd)


def test_another_process_has_it_and_is_named(holder: Start, opened: int):
    process = holder("exclusive")
    for is_shared in (False, True):
        with pytest.raises(LockedError, match=f"^process {process.pid}$"):
            lock_disk(opened, is_shared)
    process.kill()
    process.wait(20)
    lock_disk(opened, is_shared=False)


def test_who_has_another_file_is_not_named(opened: int, tmp_path: Path):
    other = tmp_path / "other.img"
    other.write_bytes(bytes(4096))
    with other.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert disk_lock.holder(file.fileno()) == f"process {os.getpid()}"
        assert disk_lock.holder(opened) == "another process"


def test_readers_share_it_and_keep_writers_out(holder: Start, opened: int):
    holder("shared")
    lock_disk(opened, is_shared=True)
    with pytest.raises(LockedError):
        lock_disk(opened, is_shared=False)


def test_two_paths_of_one_process_to_one_file_have_one_lock(image: Path, opened: int, tmp_path: Path):
    link = tmp_path / "other name"
    link.symlink_to(image)
    hard = tmp_path / "third name"
    hard.hardlink_to(image)
    for name in (image, link, hard):
        fd = os.open(name, os.O_RDWR)
        lock_disk(fd, is_shared=False)
        # The lock does not depend on the path's own file descriptor.
        os.close(fd)
    with pytest.raises(LockedError):
        lock(opened, is_shared=False)


def test_a_reader_that_becomes_a_writer_keeps_others_out(image: Path, opened: int):
    lock_disk(opened, is_shared=True)
    lock(opened, is_shared=True)
    fcntl.flock(opened, fcntl.LOCK_UN)
    lock_disk(opened, is_shared=False)
    with pytest.raises(LockedError):
        lock(opened, is_shared=True)


def test_it_is_had_without_the_right_to_write(image: Path):
    fd = os.open(image, os.O_RDONLY)
    lock_disk(fd, is_shared=True)
    os.close(fd)


def test_a_file_system_without_locks_is_told_apart(monkeypatch: pytest.MonkeyPatch, opened: int):
    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(NoLocksError, match="No locks available"):
        lock_disk(opened, is_shared=False)
    monkeypatch.undo()
    lock_disk(opened, is_shared=False)


def test_qemus_locks_do_not_collide(opened: int, image: Path):
    other = os.open(image, os.O_RDWR)
    try:
        fcntl.fcntl(other, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        lock_disk(opened, is_shared=False)
    finally:
        os.close(other)
