"""What an earlier process left on its way, and what lifts its fences: in virtual time, with real processes and sockets."""

import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.driver_bench import DriverBench

from hawser.block.ops import WRITE
from hawser.block.orphan import PROOF_PEER_GONE, UNPROVEN, Orphan
from hawser.core.clock import NEVER
from hawser.core.units import NS_PER_S
from hawser.paths.machine import look_around, process_of, socket_name
from hawser.paths.recovered import PATIENCE_NS, POLL_NS, Recovered
from hawser.paths.write_table import TCP, UNIX, SessionFacts

HERE = look_around()
PLACE = "nbd+unix:///d?socket=/run/d.sock"


class Left(DriverBench):
    """One write that a session left, and its Recovered."""

    def __init__(self, facts: SessionFacts, quiesce_ns: int = -1) -> None:
        super().__init__()
        self.orphan = Orphan(facts.place, facts.epoch, WRITE, 0, 8, 1, None)
        self.recovered = Recovered(facts, [self.orphan], quiesce_ns, self.reactor, self.timers, self.log)
        self.reactor.run(lambda: self.recovered.begin(HERE))

    def proof(self) -> str:
        return self.orphan.proof

    def is_over(self) -> bool:
        """Whether nothing is watched and nothing waited for."""
        return not self.reactor.readers and self.timers.next_deadline_ns() == NEVER


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait(20)


def served_by(process: subprocess.Popen[bytes]) -> SessionFacts:
    pidfd = os.pidfd_open(process.pid)
    name = process_of(pidfd)
    os.close(pidfd)
    return SessionFacts(PLACE, UNIX, 4, HERE.boot, False, -1, name.pid, name.started, HERE.pids)


# Unix sockets.


def test_a_server_that_is_gone_is_proof_at_once(server):
    facts = served_by(server)
    server.kill()
    server.wait(20)
    left = Left(facts)
    assert left.proof() == PROOF_PEER_GONE and left.is_over()


def test_a_server_that_lives_is_waited_for(server):
    left = Left(served_by(server))
    left.reactor.pass_time(1000 * NS_PER_S)
    assert left.proof() == ""
    assert any(f"process {server.pid}, is there still" in line and "quiesce=SECONDS" in line for line in left.lines())
    server.kill()
    left.reactor.until(left.proof)
    assert left.proof() == PROOF_PEER_GONE and left.is_over()


def test_a_declared_time_counts_from_now(server):
    left = Left(served_by(server), 30 * NS_PER_S)
    left.reactor.pass_time(30 * NS_PER_S - 1)
    assert left.proof() == ""
    left.reactor.pass_time(1)
    assert left.proof() == UNPROVEN and left.is_over()


def test_what_is_waited_for_is_said(server):
    left = Left(served_by(server), 30 * NS_PER_S)
    left.reactor.pass_time(10 * NS_PER_S)
    assert left.recovered.lifts() == f"the end of process {server.pid} or the declared quiesce time, in 20.0 s"
    left.recovered.close()
    assert left.recovered.lifts() == "nothing: declare quiesce=SECONDS at the next start"


def test_the_number_of_a_process_says_nothing_in_another_namespace(server):
    """There, the same number is another process: that it is not there would be no proof."""
    facts = replace(served_by(server), started=1, pids=HERE.pids + 1)
    left = Left(facts)
    left.reactor.pass_time(1000 * NS_PER_S)
    assert left.proof() == ""
    assert any("cannot be told" in line for line in left.lines())
    assert Left(replace(facts, pids=HERE.pids)).proof() == PROOF_PEER_GONE


def test_a_server_that_could_not_be_told_is_never_found_gone(server):
    left = Left(replace(served_by(server), pid=0, started=0))
    left.reactor.pass_time(1000 * NS_PER_S)
    assert left.proof() == "" and left.is_over()
    declared = Left(replace(served_by(server), pid=0, started=0), NS_PER_S)
    declared.reactor.pass_time(NS_PER_S)
    assert declared.proof() == UNPROVEN


def test_no_server_of_this_machine_outlives_its_boot(server):
    left = Left(replace(served_by(server), boot="another", pid=0))
    assert left.proof() == PROOF_PEER_GONE


def test_who_stops_looking_has_proved_nothing(server):
    left = Left(served_by(server), NS_PER_S)
    left.recovered.close()
    assert left.is_over() and left.proof() == ""


# TCP.


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    yield ours, theirs
    ours.close()
    theirs.close()


def sent_by(sock: socket.socket) -> SessionFacts:
    name = socket_name(sock)
    return SessionFacts(
        "nbd://h:1/d", TCP, 4, HERE.boot, False, -1, 0, 0, HERE.pids, name.local, name.remote, name.inode, HERE.net
    )


def test_the_declared_time_begins_when_the_old_socket_is_gone(link):
    ours, theirs = link
    left = Left(sent_by(ours), 30 * NS_PER_S)
    left.reactor.pass_time(1000 * NS_PER_S)
    assert left.proof() == ""
    assert sum("may send still" in line for line in left.lines()) == 1
    theirs.close()
    ours.close()
    left.reactor.pass_time(POLL_NS + 30 * NS_PER_S - 1)
    assert left.proof() == ""
    left.reactor.pass_time(1)
    assert left.proof() == UNPROVEN and left.is_over()


def test_a_socket_that_goes_soon_is_not_talked_about(link):
    ours, theirs = link
    left = Left(sent_by(ours), NS_PER_S)
    left.reactor.pass_time(PATIENCE_NS // 2)
    theirs.close()
    ours.close()
    left.reactor.pass_time(2 * NS_PER_S)
    assert left.proof() == UNPROVEN
    assert not any("may send still" in line for line in left.lines())


def test_without_a_declaration_the_fence_stays_and_the_log_says_what_would_lift_it(link):
    ours, theirs = link
    facts = sent_by(ours)
    theirs.close()
    ours.close()
    left = Left(facts)
    left.reactor.pass_time(1000 * NS_PER_S)
    assert left.proof() == "" and left.is_over()
    assert any("declare quiesce=SECONDS" in line for line in left.lines())


def test_a_socket_of_another_network_namespace_cannot_be_seen_to_be_gone(link):
    ours, theirs = link
    facts = replace(sent_by(ours), net=HERE.net + 1)
    theirs.close()
    ours.close()
    left = Left(facts, NS_PER_S)
    left.reactor.pass_time(1000 * NS_PER_S)
    assert left.proof() == "" and left.is_over()
    assert any("another network namespace" in line for line in left.lines())


def test_a_boot_ends_the_socket_and_not_the_server(link):
    left = Left(replace(sent_by(link[0]), boot="another"), NS_PER_S)
    assert left.proof() == ""
    left.reactor.pass_time(NS_PER_S)
    assert left.proof() == UNPROVEN
