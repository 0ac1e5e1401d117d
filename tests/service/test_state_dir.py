"""The state directory and the locks of disks: who may start, and what is refused with which words."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tests.support.crash import NEW, Crash
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import serve_command
from tests.support.processes import Process, run

from hawser.paths.write_table import FILE_NAME, HEADER_BYTES, SESSION_BYTES, SESSIONS_MAX, WriteTable

pytestmark = pytest.mark.interop

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


def refused(fleet: Fleet, paths: list[str], *options: str) -> str:
    """The one line that `hawser serve` ends with."""
    listen = f"nbd+unix:///d?socket={fleet.directory}/refused.sock"
    done = run(serve_command(paths, [listen], *options), check=False, seconds=40)
    assert done.returncode == 1 and done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if " error: " in line]
    assert len(errors) == 1, done.stderr
    return errors[0]


def state(fleet: Fleet) -> list[str]:
    return ["--state-dir", str(fleet.directory / "state")]


# One gateway for one disk.


def test_a_second_gateway_with_the_same_directory_is_refused_and_told_who_has_it(fleet):
    gateway = fleet.serve([str(fleet.image("one"))], *state(fleet))
    line = refused(fleet, [str(fleet.image("two"))], *state(fleet))
    assert str(fleet.directory / "state") in line and f"process {gateway.pid} has it locked" in line
    assert os.stat(fleet.directory / "state").st_mode & 0o777 == 0o700
    gateway.end()
    fleet.serve([str(fleet.image("two"))], *state(fleet))


def test_a_second_gateway_over_the_same_file_is_refused(fleet):
    image = fleet.image()
    gateway = fleet.serve([str(image), str(image)])
    fleet.client(gateway).write(0, NEW)
    assert gateway.states() == "AA", "its own paths have one lock"
    for paths in ([str(image)], ["ram:?size=64M", str(image)]):
        assert f"process {gateway.pid} has it locked: one gateway" in refused(fleet, paths)
    assert "has it locked" in refused(fleet, [str(image)], "--read-only")
    gateway.kill()
    fleet.serve([str(image)])


def test_readers_share_a_file(fleet):
    image = fleet.image()
    fleet.serve([str(image)], "--read-only")
    fleet.serve([str(image)], "--read-only")
    assert "has it locked" in refused(fleet, [str(image)])


def test_who_is_waited_for_is_said_at_once(fleet):
    """So that whoever has less patience reads it, too: here it is told to stop while it waits."""
    image = fleet.image()
    gateway = fleet.serve([str(image)], *state(fleet))
    for name, path, *options in (("lock", "ram:", *state(fleet)), ("file", str(image))):
        process = Process(
            name, serve_command([path], [f"nbd+unix:///d?socket={fleet.directory}/w"], *options), fleet.directory
        )
        try:
            process.wait_for_log(f"process {gateway.pid} has it locked: waiting for up to 5 s")
            process.signal(signal.SIGTERM)
            assert process.wait() == 0
        finally:
            process.kill()
        assert process.log().count("waiting for up to") == 1
        assert "stopping before it was ready" in process.log()


def test_one_that_is_just_ending_is_waited_for(fleet):
    image = fleet.image()
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(image), "1.5"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"locked\n"
        started = time.monotonic()
        fleet.serve([str(image)])
        assert time.monotonic() - started > 1.0
        process.wait(20)


# A directory that cannot be used.


def test_a_directory_that_cannot_be_made_is_named(fleet):
    image = str(fleet.image())
    assert "No such file or directory" in refused(fleet, [image], "--state-dir", f"{fleet.directory}/no/such")
    assert "Not a directory" in refused(fleet, [image], "--state-dir", image)


def test_a_damaged_table_is_refused_and_it_is_said_what_to_do(fleet):
    image = str(fleet.image())
    fleet.serve([image], *state(fleet)).end()
    table = fleet.directory / "state" / FILE_NAME
    whole = table.read_bytes()
    slot = HEADER_BYTES + SESSIONS_MAX * SESSION_BYTES + 3 * 8
    for damaged in (b"", whole[:5000], b"x" * len(whole), whole[:slot] + b"\x77" + whole[slot + 1 :]):
        table.write_bytes(damaged)
        line = refused(fleet, [image], *state(fleet))
        assert FILE_NAME in line and "Remove it when you know that nothing" in line
        assert table.read_bytes() == damaged, "it is left as it was"
    table.unlink()
    fleet.serve([image], *state(fleet))


@pytest.mark.needs("nbdkit", "gcc")
def test_a_table_of_another_disk_or_machine_is_refused_as_long_as_it_has_something_in_it(fleet):
    crash = Crash(fleet, slow_s=60)
    crash.happen(crash.serve())
    other = [str(fleet.image("other", 4 * MIB))]
    line = refused(fleet, other, *state(fleet))
    assert f"a disk of {8 * MIB // 512} sectors, not {4 * MIB // 512}, and has unfinished writes" in line
    table = crash.table()
    if table.machine():
        table.begin(table.size_sectors(), table.boot(), "of another machine")
        assert "on another machine, and has unfinished writes" in refused(fleet, crash.uris(), *state(fleet))
    crash.first.kill()
    table.clear_all()
    fleet.serve(other, *state(fleet))
    assert WriteTable(str(crash.state / FILE_NAME)).size_sectors() == 4 * MIB // 512


def test_files_need_no_slots(fleet):
    """Their writes are system calls: the lock is the proof."""
    image = fleet.image(fill=b"0", size=8 * MIB)
    gateway = fleet.serve([str(image)], *state(fleet))
    client = fleet.client(gateway)
    for number in range(64):
        client.send_write(number * 4096, NEW)
    gateway.kill()
    gateway = fleet.serve([str(image)], *state(fleet))
    fleet.client(gateway).write(0, NEW)
    assert "fence" not in gateway.log()
