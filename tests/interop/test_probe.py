"""`hawser probe` on real servers: what is false is disproved, what is true is not, and nothing outside the range is written."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER
from tests.support.processes import run
from tests.support.programs import require_program
from tests.support.upstreams import Upstream, content, wait_for_content

from hawser.cli.main import main
from hawser.paths.uri import parse_path_uri
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import NbdStore
from hawser.service.probe.zeroing import Zeroing

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server", "gcc"),
]
SLOW_S = 1.0
SCRATCH = (MIB, 8 * MIB)
RANGE = "1M:8M"


class Probed:
    """What it printed as JSON."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.data = json.loads(text)

    def verdicts(self, about: str, words: str = "") -> list[str]:
        tests = self.data["tests"]
        return [test["verdict"] for test in tests if test["about"].startswith(about) and words in test["tried"]]

    def evidence(self, about: str) -> str:
        return " / ".join(test["evidence"] for test in self.data["tests"] if test["about"].startswith(about))

    def disproved(self) -> list[str]:
        """What is declared, or relied upon, and false: with the URI's number."""
        found = self.data["contradicted"]
        return [f"{each['uri'] + 1}: {each['option']}" for each in found if each["declared"]]


def ask(*words: str) -> Result:
    """The command, in this process."""
    done = CliRunner().invoke(main, ["probe", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def probe(*words: str, watch: str = "0.1") -> Probed:
    done = ask(*words, "--scratch", RANGE, "--watch", watch, "--json")
    assert done.exit_code in (0, 1), done.output
    return Probed(done.exit_code, done.stdout)


def refused(*words: str) -> str:
    done = ask(*words)
    assert done.exit_code == 2, done.output
    return done.stderr


def slow_server(fleet: Fleet, kind: str, tcp: bool = False) -> tuple[Path, Upstream]:
    """The last of the probe's sixteen large writes is slow below this server, and nothing else."""
    image = fleet.image("disk", 16 * MIB, b"0")
    environment, told = fleet.slow_writes("one")
    told.write_text(f"{SLOW_S} {SCRATCH[0] + SCRATCH[1] * 15 // 16} {sum(SCRATCH)}")
    return image, fleet.server(kind, "one", image, tcp, environment)


def test_qemu_nbd_ends_before_a_slow_write_lands_so_that_it_does_not_drain(fleet):
    image, server = slow_server(fleet, "qemu-nbd")
    found = probe(server.uri(eof="drains", quiesce=0.1, cache="lun"))
    assert found.status == 1
    assert found.disproved() == ["1: eof=drains", "1: quiesce=0.1"]
    assert found.verdicts("eof=drains", "then NBD_CMD_DISC") == ["DISPROVED"]
    assert "s after it, and was" in found.evidence("eof=drains")
    assert found.verdicts("eof=drains", "SIGTERM") == ["could not be tested"]
    assert found.verdicts("cache=lun, cache=none") == ["not disproved"] * 4
    start, size = SCRATCH
    assert content(image, 0, start) == b"0" * start
    assert content(image, start + size, 7 * MIB) == b"0" * 7 * MIB
    assert content(image, start, size).count(b"0" * 4096) < 16, "the range is not restored"


@pytest.mark.parametrize("kind", ["nbdkit", "nbd-server"])
def test_servers_that_drain_are_not_said_to_do_otherwise_but_their_slow_write_outlives_a_reset(fleet, kind):
    _, server = slow_server(fleet, kind)
    began = time.monotonic()
    found = probe(server.uri(eof="drains", quiesce=0.1))
    assert time.monotonic() - began > 2 * SLOW_S, "its end of file came before the write was done"
    assert found.verdicts("eof=drains", "then NBD_CMD_DISC") == ["not disproved"]
    assert "DISPROVED" not in found.verdicts("eof=drains")
    assert found.disproved() == ["1: quiesce=0.1"]


@pytest.mark.soak
@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("kind", ["nbdkit", "nbd-server", "qemu-nbd"])
def test_a_time_that_is_long_enough_is_not_disproved_and_one_that_is_not_declared_is_measured(fleet, kind, tcp):
    _, server = slow_server(fleet, kind, tcp)
    assert "1: quiesce=0.1" in probe(server.uri(quiesce=0.1)).disproved()
    enough = probe(server.uri(quiesce=4 * SLOW_S))
    assert (enough.status, enough.disproved()) == (0, [])
    assert enough.verdicts(f"quiesce={4 * SLOW_S:g}", "connections ended") == ["not disproved"]
    undeclared = probe(server.uri(), watch="3")
    assert undeclared.status == 0
    assert any(each["option"].startswith("quiesce=") for each in undeclared.data["contradicted"])


@pytest.mark.parametrize(("kind", "drains"), [("qemu-nbd", False), ("nbdkit", True)])
def test_what_no_probe_tries_a_server_that_is_told_to_end(fleet, kind, drains):
    """It is said to be untested, as nobody's server is signalled: here is why it matters."""
    image, server = slow_server(fleet, kind)
    place = sum(SCRATCH) - 4096
    client = fleet.direct_client(server)
    command = client.send_write(place, b"W" * 4096)
    time.sleep(SLOW_S / 4)
    os.kill(server.pid, signal.SIGTERM)
    # The end of the connection counts as no answer.
    is_answered = client.has_answer(command, 10)
    assert is_answered == drains
    assert (content(image, place, 4096) == b"W" * 4096) == drains, "its end of file came before the write landed"
    wait_for_content(image, place, b"W" * 4096, "the write lands all the same")


def test_two_caches_are_found_by_the_second_uri_alone(fleet):
    image = fleet.image("disk", 16 * MIB)
    servers = [fleet.nbdkit(name, "file", image, "cache=writeback", filters=["cache"]) for name in ("one", "two")]
    uris = [server.uri(cache="lun") for server in servers]
    alone = probe(uris[0])
    assert (alone.status, alone.disproved()) == (0, [])
    assert alone.verdicts("cache=lun", "another server") == ["could not be tested"]
    both = probe(*uris)
    assert both.status == 1
    assert both.disproved() == ["1: cache=lun", "2: cache=lun"]
    assert "stale" in both.evidence("cache=lun, cache=none")
    assert "returns the older write" in both.evidence("cache=lun, cache=none")


def test_a_file_beside_its_server_shows_what_the_server_keeps_back(fleet):
    image = fleet.image("disk", 16 * MIB)
    cached = fleet.nbdkit("one", "file", image, "cache=writeback", filters=["cache"])
    assert probe(cached.uri(cache="none"), str(image)).disproved()[0] == "1: cache=none"
    plain = fleet.nbdkit("two", "file", image)
    assert probe(plain.uri(cache="none"), str(image)).status == 0


def test_two_disks_are_not_one(fleet):
    servers = [fleet.nbdkit(name, "file", fleet.image(name, 16 * MIB)) for name in ("one", "two")]
    found = probe(*(server.uri(cache="lun") for server in servers))
    assert found.status == 1
    assert "another disk" in found.evidence("cache=lun, cache=none")
    smaller = fleet.nbdkit("small", "file", fleet.image("small", 12 * MIB))
    assert "not the same disk" in refused(servers[0].uri(), smaller.uri(), "--scratch", RANGE)


def test_neighbours_that_are_lost_contradict_the_block_size_that_a_server_states(fleet):
    """It rewrites 4096 bytes, and says 512: hawser would believe that. Said rightly, it is a fact and no harm."""
    image = fleet.image("disk", 16 * MIB)
    words = ["minblock=4096", "wdelay=1ms"]
    lies = ["blocksize-minimum=1", "blocksize-preferred=512", "blocksize-maximum=1M"]
    filters = ["blocksize-policy", "blocksize", "delay"]
    liars = [fleet.nbdkit(name, "file", image, *words, *lies, filters=filters).uri() for name in ("one", "two")]
    found = probe(*liars)
    assert found.status == 1
    assert found.disproved() == ["1: preferred block size 512", "2: preferred block size 512"]
    honest = [fleet.nbdkit(name, "file", image, *words, filters=filters[1:]).uri() for name in ("three", "four")]
    found = probe(*honest)
    assert found.status == 0
    assert "hawser takes no smaller writes than 4096 bytes" in found.evidence("read-modify-write")


def test_zeroes_that_are_none_are_disproved(fleet):
    image = fleet.image("disk", 16 * MIB)
    plugin = [
        "get_size=echo 16M",
        f"pread=dd if={image} skip=$4 count=$3 iflag=skip_bytes,count_bytes status=none",
        f"pwrite=dd of={image} seek=$4 oflag=seek_bytes conv=notrunc status=none",
        "can_zero=exit 0",
        "zero=exit 0",
    ]
    store = NbdStore(parse_path_uri(fleet.nbdkit("one", "eval", *plugin).uri()))
    found = Zeroing(store, 0, Scratch(MIB, 8 * MIB, 4096), Stamps()).check()
    store.close()
    assert {each.verdict for each in found if each.about == "write zeroes"} == {"DISPROVED"}
    assert [each.option for each in found[0].contradicts] == ["NBD_FLAG_SEND_WRITE_ZEROES"]
    assert found[-1].verdict == "could not be tested", "it has no discards"


def test_a_server_that_takes_one_client_is_asked_what_one_can_ask(fleet):
    image = fleet.image("disk", 16 * MIB)
    address = str(fleet.directory / "one.sock")
    # Without -e it takes one.
    command = [require_program("qemu-nbd"), "-k", address, "-t", "-f", "raw", image]
    server = fleet.keep(Upstream("one", fleet.directory, command, address))
    found = probe(server.uri(cache="lun", eof="drains"))
    assert (found.status, found.disproved()) == (0, [])
    assert "takes no second client" in found.evidence("eof=drains, quiesce")
    assert found.verdicts("cache=lun, cache=none, read-modify-write") == ["could not be tested"]
    assert found.verdicts("write zeroes", "over data")[0] == "not disproved"


def test_people_read_it_as_it_comes(fleet):
    server = fleet.server("qemu-nbd", "one", fleet.image("disk", 16 * MIB))
    fleet.direct_client(server)
    # Nothing is declared: that it does not drain is found by chance here, as none of its writes is slow.
    done = run([*HAWSER, "probe", server.uri(), "--scratch", RANGE, "--watch", "0.2"], 60)
    for words in (
        f"({server.process.popen.args[0].rpartition('/')[2]}) can be watched",
        "minimum 1, preferred 4096",
        "if one of them is a gateway",
        "scratch: bytes 1048576 to 9437183 (8.0M): what was there is destroyed and not restored",
        "a write that is slow below the server",
        "That proves nothing",
    ):
        assert words in done.stdout


def test_what_must_not_be_probed_is_refused_before_anything_is_written(fleet):
    image = fleet.image("disk", 16 * MIB, b"0")
    state = fleet.directory / "state"
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri()], "--state-dir", str(state))
    locked = refused(server.uri(), "--scratch", RANGE, "--state-dir", str(state))
    assert f"process {gateway.pid} has it locked" in locked
    own = fleet.image("own", 16 * MIB, b"0")
    other = fleet.serve([str(own)])
    assert f"process {other.pid} has it locked" in refused(str(own), "--scratch", RANGE)
    read_only = fleet.nbdkit("two", "-r", "file", image)
    for uri, words, complaint in (
        (server.uri(), ["--scratch", "1M:16M"], "outside the disk of URI 1: 16777216 bytes"),
        (server.uri(), ["--scratch", "1M:32k"], "must hold 16 whole blocks"),
        (server.uri(), ["--scratch", "1M"], "is not OFFSET:LENGTH"),
        (server.uri(), [], "Missing option '--scratch'"),
        (server.uri(), ["--scratch", RANGE, "--watch", "soon"], "--watch"),
        (server.uri(quiesce=700), ["--scratch", RANGE], "at most 600"),
        (read_only.uri(), ["--scratch", RANGE], "is read-only"),
        ("ram:?size=16M", ["--scratch", RANGE], "there is nothing to probe"),
        ("nbd+unix:///?socket=/nowhere", ["--scratch", RANGE], "no such file"),
        ("nbd+unix:///other?socket=" + str(fleet.directory / "three.sock"), ["--scratch", RANGE], "no such file"),
        ("nbd://x/?cache=both", ["--scratch", RANGE], "'both' is not lun or"),
    ):
        assert complaint in refused(uri, *words)
    assert "both URIs are the same" in refused(server.uri(), server.uri(), "--scratch", RANGE)
    assert content(image, 0, 16 * MIB) == content(own, 0, 16 * MIB) == b"0" * 16 * MIB
