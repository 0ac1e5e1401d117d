"""hawser probe's parts: the scratch range and its stamps, where commands go, what a report comes to. No servers here."""

import os
import socket
from itertools import pairwise

import pytest

from hawser.core.units import GIB, MIB
from hawser.nbd.client_questions import Answers
from hawser.paths.uri import parse_path_uri
from hawser.service.probe.coherence import against_cache
from hawser.service.probe.connection import ProbeError
from hawser.service.probe.facts import Fact, facts_about, other_clients
from hawser.service.probe.finding import DISPROVED, Contradiction, Finding, seconds
from hawser.service.probe.late import COMMAND_BYTES_MAX, COMMANDS, places_of
from hawser.service.probe.run import Report, lock_state
from hawser.service.probe.scratch import Scratch, Stamps, cut_to_blocks, parse_range
from hawser.service.probe.store import FileStore
from hawser.service.state_dir import LOCK_NAME


def test_a_range_is_offset_and_length_with_units():
    assert parse_range("1G:64M") == (GIB, 64 * MIB)
    assert parse_range("512:4096") == (512, 4096)


@pytest.mark.parametrize(
    ("text", "words"),
    [("64M", "OFFSET:LENGTH"), ("1G:", "number of bytes"), ("0:0", "is empty"), ("-1:5", "number of bytes")],
)
def test_what_is_no_range_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_range(text)


def test_the_range_is_cut_to_whole_blocks_and_never_grows():
    cut = cut_to_blocks((1000, 40 * 4096), 4096, [MIB])
    assert cut == Scratch(4096, 39 * 4096, 4096)
    assert cut.start >= 1000 and cut.start + cut.length <= 1000 + 40 * 4096
    assert [cut.block(number) for number in (0, 1, 39)] == [4096, 8192, 4096]


def test_a_range_outside_of_either_disk_or_too_small_is_refused():
    with pytest.raises(ProbeError, match="outside the disk of URI 2: 524288 bytes"):
        cut_to_blocks((0, MIB), 4096, [MIB, MIB // 2])
    with pytest.raises(ProbeError, match="16 whole blocks of 4096"):
        cut_to_blocks((1, 16 * 4096), 4096, [MIB])


def test_a_stamp_tells_its_write_and_nothing_else_does():
    stamps = Stamps()
    first, second = stamps.next(), stamps.next()
    data = stamps.content(first, 4096)
    assert len(data) == 4096
    assert (stamps.of(data), stamps.of(stamps.content(second, 512))) == (first, second)
    assert stamps.of(data[:2048] + stamps.content(second, 2048)) == 0
    assert stamps.of(bytes(4096)) == 0
    assert Stamps().of(data) == 0


@pytest.mark.parametrize("length", [16 * 4096, 17 * 4096, MIB, 64 * MIB, GIB])
@pytest.mark.parametrize("most", [4096, 65536, 32 * MIB])
def test_commands_lie_side_by_side_within_the_range_and_the_limits(length, most):
    scratch = Scratch(8 * MIB, length, 4096)
    places = places_of(scratch, most)
    assert 1 <= len(places) <= COMMANDS
    assert places[0][0] == scratch.start
    assert all(a + size == b for (a, size), (b, _) in pairwise(places))
    assert places[-1][0] + places[-1][1] <= scratch.start + scratch.length
    assert all(size <= min(most, COMMAND_BYTES_MAX) and size % 4096 == 0 for _, size in places)


def test_the_exit_status_is_that_of_what_was_declared():
    lun, path = (parse_path_uri(f"nbd://h/?{words}") for words in ("cache=lun", "weight=1"))
    assert against_cache([path]) == (Contradiction("cache=lun", 0, False), Contradiction("cache=none", 0, False))
    for uris, status in (([path], 0), ([path, lun], 1)):
        found = Finding("cache", "tried", DISPROVED, "seen", against_cache(uris))
        report = Report(uris, findings=[found, found])
        assert report.status() == status
        assert len(report.contradicted()) == 2 * len(uris)
        assert report.contradicted()[0].declared == bool(status)


def test_a_directory_that_is_none_of_hawsers_is_refused(tmp_path):
    with pytest.raises(ProbeError, match="is it one of hawser's"):
        lock_state(str(tmp_path))


def test_a_state_directory_is_locked_as_long_as_it_is_open(tmp_path):
    (tmp_path / LOCK_NAME).touch()
    fd = lock_state(str(tmp_path))
    with pytest.raises(ProbeError, match=f"process {os.getpid()} has it locked: stop that gateway first"):
        lock_state(str(tmp_path))
    os.close(fd)
    os.close(lock_state(str(tmp_path)))


def test_times_are_for_people():
    assert [seconds(value) for value in (0.0005, 0.5, 1.0, 12.345)] == ["0.001 s", "0.500 s", "1.00 s", "12.35 s"]


def test_the_clients_of_a_unix_socket_are_counted(tmp_path):
    name = str(tmp_path / "server.sock")
    uri = parse_path_uri(f"nbd+unix:///d?socket={name}")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(name)
        server.listen()
        assert other_clients(uri) == "none"
        client.connect(name)
        accepted, _ = server.accept()
        assert other_clients(uri).startswith("1: if one of them is a gateway")
        accepted.close()
    assert other_clients(parse_path_uri("nbd://localhost/d")) == "cannot be seen from here"


def test_what_is_known_of_a_file(tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(MIB))
    uri = parse_path_uri(str(image))
    store = FileStore(uri)
    fd = store.file.fd
    told = facts_about(uri, store, Answers(), True, "none")
    assert told[0] == Fact("size", "1048576 bytes (1.0M)") and told[2] == Fact("cache", "cache=lun")
    store.write(4096, b"x" * 512)
    store.flush()
    assert store.read(4096, 512) == image.read_bytes()[4096:4608] == b"x" * 512
    store.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
