"""A file as a path: what is done inline and what in threads, good prefixes, errors, and threads that do not come back."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.driver_bench import DriverBench, data_of, proof_of

from hawser.block.bio import Bio
from hawser.block.ops import FUA, NOUNMAP, READ, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import ANSWERED, UNKNOWN, Request
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import KIB, NS_PER_S
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.paths.file import FileDriver
from hawser.paths.workers import THREADS_MAX, Job

SIZE = 256 * KIB


class Blocker(Job):
    """Holds a thread until it is let go."""

    def __init__(self, request: Request, gate: threading.Event) -> None:
        super().__init__(request)
        self.gate = gate
        self.over = False

    def work(self) -> None:
        self.gate.wait(30)

    def done(self) -> None:
        self.over = True


class FileBench(DriverBench):
    def __init__(self, path: Path, direct: bool = False, read_only: bool = False) -> None:
        super().__init__()
        self.path = path
        self.driver = FileDriver(str(path), direct, read_only, NS_PER_S, self.turn, self.timers, self.reactor, self.log)
        self.attach(self.driver)
        self.gate = threading.Event()
        self.blockers: list[Blocker] = []

    def content(self, sector: int, size: int) -> bytes:
        return self.path.read_bytes()[sector * 512 : sector * 512 + size]

    def hold_all_threads(self) -> None:
        """Every thread is stuck in a system call, as it were."""
        request = Request(Bio(READ, 0, 512, self.owner), self.queue, self.queue)
        self.blockers = [Blocker(request, self.gate) for _ in range(THREADS_MAX)]
        for blocker in self.blockers:
            self.driver._workers.submit(blocker)

    def let_go(self) -> None:
        self.gate.set()
        self.reactor.until(lambda: all(blocker.over for blocker in self.blockers) and not self.driver.trouble())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * (SIZE // 256))
    return path


@pytest.fixture
def bench(image: Path) -> Iterator[FileBench]:
    bench = FileBench(image)
    yield bench
    bench.gate.set()
    os.close(bench.driver.fd)


def threads() -> int:
    return sum(thread.name.startswith("hawser-io") for thread in threading.enumerate())


def test_healthy_reads_and_writes_are_done_within_the_turn(bench: FileBench):
    before = threads()
    write = bench.write(8, b"w" * 4096)
    read = bench.read(0, 8192)
    assert [write.status, read.status] == [OK, OK]
    assert data_of(read) == bench.content(0, 8192)
    assert bench.content(8, 4096) == b"w" * 4096
    assert threads() == before
    assert bench.at_rest()


def test_contiguous_writes_leave_as_one_call(bench: FileBench):
    bios = bench.submit(*[bench.bio(WRITE, n * 8, 0, bytes([n]) * 4096) for n in range(16)])
    assert [bio.status for bio in bios] == [OK] * 16
    assert bench.content(0, 65536) == b"".join(bytes([n]) * 4096 for n in range(16))


def test_contiguous_reads_are_cut_among_those_who_asked(bench: FileBench):
    bios = bench.submit(*[bench.bio(READ, n, 512) for n in range(16)])
    assert [data_of(bio) for bio in bios] == [bench.content(n, 512) for n in range(16)]


def test_flush_fua_discard_and_zeroes_go_to_a_thread(bench: FileBench):
    bios = [
        bench.write(0, b"f" * 512, FUA),
        bench.flush(),
        bench.discard(8, 4096),
        bench.write_zeroes(16, 4096),
        bench.write_zeroes(24, 4096, NOUNMAP | FUA),
    ]
    assert not any(bio.finished for bio in bios)
    assert len(bench.driver.outstanding()) == 5
    bench.until_done(*bios)
    assert [bio.status for bio in bios] == [OK] * 5
    assert bench.content(0, 512) == b"f" * 512
    assert bench.content(8, 3 * 4096) == bytes(3 * 4096)
    assert bench.at_rest()


@pytest.mark.parametrize("threaded", [False, True])
def test_a_short_read_is_a_good_prefix(bench: FileBench, threaded: bool):
    bench.driver.threaded = threaded
    os.truncate(bench.path, 1300)
    bios = bench.submit(*[bench.bio(READ, n, 512) for n in range(4)])
    bench.until_done(*bios)
    assert [bio.status for bio in bios] == [OK, OK, IOERR, IOERR], "whole sectors only"
    assert data_of(bios[1]) == (bytes(range(256)) * 2)
    assert bios[2].fate == ANSWERED


@pytest.mark.parametrize("threaded", [False, True])
def test_an_error_is_an_answer(image: Path, threaded: bool):
    bench = FileBench(image, read_only=True)
    bench.driver.threaded = threaded
    bio = bench.write(0, b"x" * 512)
    bench.until_done(bio)
    assert (bio.status, bio.fate, bio.orphan) == (IOERR, ANSWERED, None)
    many = bench.submit(*[bench.bio(WRITE, n, 0, b"x" * 512) for n in range(2)])
    bench.until_done(*many)
    assert [bio.status for bio in many] == [IOERR, IOERR]
    os.close(bench.driver.fd)


def test_a_threaded_file_carries_out_everything_the_same(bench: FileBench):
    bench.driver.threaded = True
    writes = bench.submit(*[bench.bio(WRITE, n * 2, 0, bytes([n]) * 1024) for n in range(64)])
    bench.until_done(*writes)
    reads = bench.submit(*[bench.bio(READ, n * 2, 1024) for n in range(64)])
    bench.until_done(*reads)
    assert [data_of(bio) for bio in reads] == [bytes([n]) * 1024 for n in range(64)]
    assert bench.at_rest()


def test_direct_io_reads_and_writes(image: Path):
    try:
        bench = FileBench(image, direct=True)
    except Exception as error:
        pytest.skip(f"no O_DIRECT here: {error}")
    bios = [bench.write(8, b"D" * 4096), bench.write(16, b"E" * 4096, FUA), bench.flush()]
    bench.until_done(*bios)
    read = bench.read(0, 16384)
    bench.until_done(*bios, read)
    assert [bio.status for bio in [*bios, read]] == [OK] * 4
    assert data_of(read)[4096:12288] == b"D" * 4096 + b"E" * 4096
    os.close(bench.driver.fd)


# Threads that do not come back.


def test_a_caller_waits_for_the_timeout_and_no_longer(bench: FileBench):
    bench.driver.threaded = True
    bench.hold_all_threads()
    write, read = bench.write(0, b"w" * 512), bench.read(8)
    bench.reactor.pass_time(NS_PER_S - 1)
    assert not write.finished and not read.finished
    bench.reactor.pass_time(1)
    assert [write.status, read.status] == [TIMEOUT, TIMEOUT]
    assert [write.fate, read.fate] == [UNKNOWN, UNKNOWN]
    assert read.orphan is None
    assert write.orphan is not None and not write.orphan.proof
    assert (write.orphan.start, write.orphan.end) == (0, 1)
    assert any("2 system calls did not return for 1 s" in line for line in bench.lines())
    bench.let_go()
    assert proof_of(write) == PROOF_ANSWER
    assert bench.at_rest()


def test_what_was_given_up_before_a_thread_took_it_is_not_done_any_more(bench: FileBench):
    bench.driver.threaded = True
    bench.hold_all_threads()
    before = bench.content(0, SIZE)
    bios = [bench.write(0, b"w" * 512), bench.read(8), bench.write_zeroes(16, 4096), bench.flush()]
    bench.reactor.pass_time(NS_PER_S)
    assert all(bio.finished for bio in bios)
    bench.let_go()
    assert bench.content(0, SIZE) == before
    assert proof_of(bios[0]) == bios[2].orphan.proof == PROOF_ANSWER


def test_a_path_with_stuck_threads_is_in_trouble_until_they_return(bench: FileBench):
    bench.driver.threaded = True
    assert bench.driver.trouble() == ""
    bench.hold_all_threads()
    assert "system calls have not returned" in bench.driver.trouble()
    bench.let_go()
    assert bench.driver.trouble() == ""
    bio = bench.read()
    bench.until_done(bio)
    assert bio.status == OK


def test_each_has_its_own_deadline(bench: FileBench):
    bench.driver.threaded = True
    bench.hold_all_threads()
    first = bench.read()
    bench.reactor.pass_time(NS_PER_S // 2)
    second = bench.read(8)
    bench.reactor.pass_time(NS_PER_S // 2)
    assert first.finished and not second.finished
    bench.reactor.pass_time(NS_PER_S // 2)
    assert second.finished
    bench.let_go()


def test_shutting_down_answers_what_is_outstanding(bench: FileBench):
    bench.driver.threaded = True
    bench.hold_all_threads()
    bio = bench.write(0, b"w" * 512)
    bench.reactor.run(bench.driver.shut_down)
    assert (bio.status, bio.fate) == (TRANSPORT, UNKNOWN)
    bench.let_go()
    assert bench.at_rest()


# Errors that the file system tells once.


class Syncs:
    """Stands for the kernel's fdatasync() and pwritev(): fails, and not before it is let go if there is a gate. Where only the
    sync fails, a write without it succeeds."""

    def __init__(self, error: int, gate: threading.Event | None = None, only_the_sync: bool = False) -> None:
        self.error = error
        self.only_the_sync = only_the_sync
        self.gate = gate
        self.was_called = threading.Event()

    def __call__(self, *args: object) -> int:
        self.was_called.set()
        if self.gate is not None:
            self.gate.wait(30)
        if self.only_the_sync and args[3] == 0:
            views = args[1]
            assert isinstance(views, list)
            return sum(len(view) for view in views)
        raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def shared(bench: FileBench) -> SharedDisk:
    disk = SharedDisk("disk", bench.log)
    bench.driver.device = PathDevice("p0", "259:0", SIZE >> 9, bench.queue, bench.turn, disk, "lun")
    return disk


@pytest.mark.parametrize(("error", "doubt"), [(errno.EIO, 1), (errno.ENOSPC, 1)])
def test_an_fdatasync_that_fails_when_nobody_waits_for_it_any_more(
    bench: FileBench, shared: SharedDisk, monkeypatch: pytest.MonkeyPatch, error: int, doubt: int
):
    """The next one succeeds, whatever was lost."""
    sync = Syncs(error, bench.gate)
    monkeypatch.setattr(os, "fdatasync", sync)
    flush = bench.flush()
    assert sync.was_called.wait(30)
    bench.reactor.pass_time(NS_PER_S)
    assert (flush.status, flush.fate, shared.doubt) == (TIMEOUT, UNKNOWN, 0)
    bench.let_go()
    assert shared.doubt == doubt


def test_an_fdatasync_that_fails_in_time_is_everybodys_once(
    bench: FileBench, shared: SharedDisk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "fdatasync", Syncs(errno.EIO))
    flush = bench.flush()
    bench.until_done(flush)
    assert (flush.status, flush.fate, shared.doubt) == (IOERR, ANSWERED, 1)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EOPNOTSUPP])
@pytest.mark.parametrize("only_the_sync", [False, True], ids=["the write fails", "the sync fails"])
@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
def test_an_error_of_a_fua_write_may_be_that_of_another_write(
    bench: FileBench, shared: SharedDisk, monkeypatch: pytest.MonkeyPatch, error: int, only_the_sync: bool, late: bool
):
    """If the write succeeds without a sync behind it, it was the sync, which tells of any other write, once."""
    doubt = 1 if only_the_sync and error != errno.EOPNOTSUPP else 0
    write = Syncs(error, bench.gate if late else None, only_the_sync)
    monkeypatch.setattr(os, "pwritev", write)
    bio = bench.write(0, b"f" * 512, FUA)
    assert write.was_called.wait(30)
    if late:
        bench.reactor.pass_time(NS_PER_S)
        assert (bio.status, bio.fate, shared.doubt) == (TIMEOUT, UNKNOWN, 0)
        bench.let_go()
    else:
        bench.until_done(bio)
    assert shared.doubt == doubt


def test_an_error_of_a_plain_write_is_its_own(bench: FileBench, shared: SharedDisk, monkeypatch: pytest.MonkeyPatch):
    bench.driver.threaded = True
    monkeypatch.setattr(os, "pwritev", Syncs(errno.EIO))
    bio = bench.write(0, b"f" * 512)
    bench.until_done(bio)
    assert (bio.status, shared.doubt) == (IOERR, 0)
