"""Servers: every step that a plan may have for them, and what the path in front of them makes of it."""

import pytest
from tests.support.hardware_rig import MS, Rig, hasty, writes

from hawser.block.ops import FUA
from hawser.block.request import ANSWERED, UNKNOWN
from hawser.core.status import DEV_RESOURCE, IOERR, MEDIUM, OFFLINE, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.other_disk import is_other
from hawser.lab.devices.service_time import SPREADS, ServiceTime
from hawser.lab.payload import decode
from hawser.lab.plan import PathPlan, ServerPlan

SLOW = ServerPlan(fixed_ns=50 * MS, slots=1)
QUICK = ServerPlan(fixed_ns=MS // 10)


def test_a_healthy_command_costs_latency_and_service() -> None:
    rig = Rig(PathPlan(0), server=ServerPlan(fixed_ns=MS)).go(10)
    bio = rig.write(0, 1, 8, 8)
    rig.go(1.05)
    assert len(rig.paths[0].outstanding()) == 1
    assert rig.stored(8) == 0, "it takes effect at the end of its service"
    rig.go(0.05)
    assert rig.stored(8) == 1
    rig.go(1)
    assert bio.status == OK
    read = rig.read(0, 7, 3)
    rig.go(5)
    assert writes(read) == [0, 1, 1]
    assert "server s0: executed p0#1.1 write of sectors 8..15 (write 1)" in rig.story()


def test_slots_and_a_queue() -> None:
    rig = Rig(PathPlan(0), server=ServerPlan(fixed_ns=10 * MS, slots=2)).go(10)
    for write in range(1, 5):
        rig.write(0, write, write)
    rig.go(12)
    assert [rig.stored(sector) for sector in range(1, 5)] == [1, 2, 0, 0]
    rig.go(10)
    assert [rig.stored(sector) for sector in range(1, 5)] == [1, 2, 3, 4]


@pytest.mark.parametrize("spread", SPREADS)
def test_service_times_are_drawn_by_command_alone(spread: str) -> None:
    rig = Rig()
    times = ServiceTime(rig.hardware, "s0", 1000, 1_000_000_000, spread)
    first = [times.of(number, 0) for number in range(2000)]
    assert first == [times.of(number, 0) for number in range(2000)]
    assert 700 <= sum(first) / 2000 <= 1600
    other = Hardware(2, rig.clock, rig.trace, rig.marks)
    assert (first == [ServiceTime(other, "s0", 1000, 1, spread).of(n, 0) for n in range(2000)]) == (
        spread == "constant"
    )


def test_discards_and_zeroes_write_zeroes() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.write(0, 1, 0, 8)
    rig.go(10)
    rig.discard(0, 1, 2)
    rig.write_zeroes(0, 5, 1)
    rig.go(10)
    read = rig.read(0, 0, 8)
    rig.go(10)
    assert writes(read) == [1, 0, 0, 1, 1, 0, 1, 1]


# Killed, hung, back as something else.


def test_a_killed_server_drains_then_its_peer_is_gone() -> None:
    """`killed-server-drains.py`: what it had begun lands before the proof, what it had not never does."""
    for seed in range(6):
        rig = Rig(PathPlan(0, "unix"), server=ServerPlan(fixed_ns=20 * MS, slots=1, drains_ns=200 * MS), seed=seed).go(
            10
        )
        begun, waiting = rig.write(0, 1, 0), rig.write(0, 2, 1)
        rig.go(5)
        rig.step("s0", "kill", 1000)
        landed_at = proved_at = -1
        for ms in range(600):
            rig.go(1)
            if rig.stored(0) == 1 and landed_at < 0:
                landed_at = ms
            if begun.status and begun.orphan.proof and proved_at < 0:
                proved_at = ms
        assert 0 <= landed_at <= proved_at <= 202
        assert begun.orphan.proof == "peer process gone" == waiting.orphan.proof
        assert rig.stored(1) == 0
        assert rig.seen("orphan: peer gone") and rig.seen("ghost never landed")
        rig.go(2000)
        assert rig.paths[0].trouble() == ""


def test_a_killed_server_over_tcp_proves_nothing() -> None:
    rig = Rig(PathPlan(0), server=SLOW).go(10)
    bio = rig.write(0, 1)
    rig.go(5)
    rig.step("s0", "kill", 300)
    rig.go(1000)
    assert (bio.status, bio.fate) == (TRANSPORT, UNKNOWN)
    assert bio.orphan.proof == ""
    assert rig.stored() == 1, "the ghost has landed"
    assert rig.ears[0].heard[-1] == "ready"


def test_its_own_cache_goes_with_a_killed_process_unless_it_is_the_hosts() -> None:
    for keeps in (0, 1):
        rig = Rig(PathPlan(0, "unix"), cache="path").go(10)
        rig.write(0, 1)
        rig.go(10)
        # A multipath map would have counted it.
        rig.paths[0].device.written = 1
        rig.step("s0", "kill", 50, amount=keeps)
        rig.go(1000)
        assert rig.stored() == keeps
        assert rig.seen("cache gone")
        assert rig.disk.doubt == 1


def test_a_hung_server_executes_everything_afterwards() -> None:
    """Even what was given up and written again: the ghost of a SIGSTOP."""
    rig = Rig(hasty(), PathPlan(1)).go(10)
    rig.step("s0", "stop", 3000)
    old = rig.write(0, 1)
    rig.go(1000)
    assert (old.status, old.fate) == (TIMEOUT, UNKNOWN)
    new = rig.write(1, 2)
    rig.go(100)
    assert new.status == OK and rig.stored() == 2
    rig.go(4000)
    assert rig.stored() == 1
    assert rig.seen("ghost landed")
    assert rig.paths[0].trouble() == "", "its handshake was waited for, too"


def test_a_hung_server_that_wakes_in_time_answers_late() -> None:
    rig = Rig(PathPlan(0, io_timeout_ns=500 * MS, linger_ns=1000 * MS)).go(10)
    rig.step("s0", "stop", 800)
    old = rig.write(0, 1)
    rig.go(600)
    assert old.status == TIMEOUT
    rig.go(1000)
    assert old.orphan.proof == "answered"
    assert rig.seen("late answer in time") and rig.seen("orphan: answered")
    assert rig.ears[0].heard == ["ready", "ready"], "the session never ended"


def test_back_with_another_disk() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.write(0, 1)
    rig.go(10)
    rig.step("s0", "other_disk", 10)
    rig.go(1000)
    read = rig.read(0, 0, 2)
    rig.go(10)
    rig.write(0, 2, 1)
    rig.go(10)
    assert read.data is not None and all(is_other(value) for value in decode(read.data))
    again = rig.read(0, 1)
    rig.go(10)
    assert writes(again) == [2]
    rig.heal()
    rig.go(3000)
    read = rig.read(0, 0, 2)
    rig.go(10)
    assert writes(read) == [1, 0], "what went to the other disk never reached this one"


@pytest.mark.parametrize(
    ("kind", "words"), [("smaller", "its size is 16384 bytes, not 32768"), ("read_only", "read-only")]
)
def test_back_as_something_else_is_refused(kind: str, words: str) -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("s0", kind, 10)
    rig.go(3000)
    assert words in rig.paths[0].trouble()
    assert rig.seen("session refused")
    rig.heal()
    rig.go(3000)
    assert words in rig.paths[0].mismatch, "nobody has said that it is right again"
    rig.paths[0].look_again()
    rig.go(3000)
    assert rig.paths[0].trouble() == rig.paths[0].mismatch == ""


def test_a_file_on_a_smaller_or_read_only_disk_fails() -> None:
    rig = Rig(PathPlan(0, "file")).go(10)
    rig.step("s0", "read_only", 10)
    rig.go(1000)
    write, read = rig.write(0, 1), rig.read(0)
    rig.go(10)
    assert (write.status, read.status) == (IOERR, OK)
    rig.step("s0", "smaller", 10)
    rig.go(1000)
    read = rig.read(0, 40)
    rig.go(10)
    assert read.status == IOERR


# Flushes, ports, slowness.


def test_a_flush_error_is_said_once_and_the_writes_are_gone() -> None:
    """`flush-error-once.sh`."""
    rig = Rig(PathPlan(0)).go(10)
    rig.write(0, 1)
    rig.go(10)
    rig.step("s0", "flush_error")
    first = rig.flush(0)
    rig.go(10)
    second = rig.flush(0)
    rig.go(10)
    assert (first.status, first.fate, second.status) == (IOERR, ANSWERED, OK)
    assert rig.stored() == 0
    assert rig.seen("flush error answered")


def test_without_fua_a_flush_error_behind_a_write_casts_doubt() -> None:
    rig = Rig(PathPlan(0, can_fua=False)).go(10)
    fine = rig.write(0, 1, 0, flags=FUA)
    rig.go(10)
    assert fine.status == OK and rig.medium(0) == 1
    rig.step("s0", "flush_error")
    bad = rig.write(0, 2, 0, flags=FUA)
    rig.go(10)
    assert bad.status == IOERR
    assert rig.disk.doubt == 1
    assert rig.stored() == 1


def test_fua_reaches_the_medium_and_write_back_does() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.write(0, 1, 0, flags=FUA)
    rig.write(0, 2, 1)
    rig.write(0, 3, 2)
    rig.go(10)
    assert [rig.medium(sector) for sector in range(3)] == [1, 0, 0]
    rig.step("s0", "write_back", amount=1)
    assert [rig.medium(sector) for sector in range(3)] == [1, 2, 0]


@pytest.mark.parametrize(("word", "status"), [("standby", IOERR), ("unavailable", IOERR), ("transitioning", RESOURCE)])
def test_a_port_that_is_not_active_refuses(word: str, status: int) -> None:
    rig = Rig(PathPlan(0, "file"), PathPlan(0)).go(10)
    rig.step("s0", "alua", 100, word=word)
    bios = [rig.write(0, 1), rig.write(1, 2)]
    rig.go(50)
    assert [bio.status for bio in bios] == [status, status]
    assert rig.stored() == 0
    assert rig.seen("alua")
    rig.go(100)
    bio = rig.write(0, 3)
    rig.go(10)
    assert (bio.status, rig.stored()) == (OK, 3)


def test_slow_for_a_while() -> None:
    rig = Rig(PathPlan(0), server=ServerPlan(fixed_ns=MS)).go(10)
    rig.step("s0", "slow", 100, amount=50)
    rig.write(0, 1)
    rig.go(45)
    assert rig.stored() == 0
    rig.go(100)
    assert rig.stored() == 1
    rig.write(0, 2)
    rig.go(2)
    assert rig.stored() == 2


def test_a_full_port_refuses_the_commands_of_a_file() -> None:
    rig = Rig(PathPlan(0, "file"), PathPlan(0, "file"), server=ServerPlan(fixed_ns=10 * MS, slots=1, queue_max=1)).go(
        10
    )
    bios = [rig.write(0, number, number) for number in range(1, 5)]
    rig.go(1)
    assert rig.paths[0].device.requests.in_flight == 2 and rig.paths[0].busy()
    request = rig.paths[0].outstanding()[0]
    assert rig.paths[0].queue_rq(request) == DEV_RESOURCE
    assert rig.paths[1].queue_rq(request) == RESOURCE
    rig.go(100)
    assert [bio.status for bio in bios] == [OK] * 4
    assert [rig.stored(number) for number in range(1, 5)] == [1, 2, 3, 4]


# Answers.


def test_answered_late() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("s0", "answer_late", 100)
    rig.write(0, 1)
    rig.go(50)
    assert rig.stored() == 1 and len(rig.paths[0].outstanding()) == 1
    rig.go(100)
    assert not rig.paths[0].outstanding()


def test_never_answered() -> None:
    rig = Rig(hasty()).go(10)
    rig.step("s0", "answer_never", word="write")
    read = rig.read(0)
    bio = rig.write(0, 1)
    rig.go(550)
    assert (read.status, bio.status, rig.stored()) == (OK, TIMEOUT, 1)
    rig.go(200)
    assert rig.ears[0].heard[1] == "lost: no late answer within 0.1 s"
    assert bio.orphan.proof == ""


def test_lost_in_the_server() -> None:
    rig = Rig(PathPlan(0, io_timeout_ns=500 * MS)).go(10)
    rig.step("s0", "lost_command")
    bio = rig.write(0, 1)
    rig.go(5000)
    assert (bio.status, rig.stored()) == (TIMEOUT, 0)
    assert rig.seen("ghost never landed")


def test_answered_twice_is_a_protocol_error() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("s0", "answer_twice", 1)
    bio = rig.write(0, 1)
    rig.go(0.3)
    rig.write(0, 2, 1)
    rig.go(20)
    assert bio.status == OK
    assert "protocol error" in rig.ears[0].heard[1]
    assert rig.seen("answer twice")


def test_executed_late() -> None:
    rig = Rig(hasty(), PathPlan(1)).go(10)
    rig.step("s0", "execute_late", 2000)
    rig.write(0, 1)
    rig.go(700)
    rig.write(1, 2)
    rig.go(10)
    assert rig.stored() == 2
    rig.go(2000)
    assert rig.stored() == 1 and rig.seen("ghost landed")


@pytest.mark.parametrize(("kind", "stored"), [("error", 0), ("error_after", 1)])
def test_wrong_answers(kind: str, stored: int) -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("s0", kind, amount=MEDIUM)
    bio = rig.write(0, 1)
    rig.go(10)
    assert (bio.status, bio.fate, rig.stored()) == (MEDIUM, ANSWERED, stored)


def test_out_of_range_is_not_the_disk_that_it_was() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("s0", "error", amount=OFFLINE)
    bio = rig.write(0, 1)
    rig.go(10)
    assert bio.status == OFFLINE
    assert "not the disk that it was" in rig.ears[0].heard[1]


def test_short() -> None:
    rig = Rig(PathPlan(0, "file"), PathPlan(0), PathPlan(1, "file")).go(10)
    for path, good in ((0, 3 << 9), (1, 0)):
        rig.step("s0", "short", amount=3)
        bio = rig.write(path, path + 1, 0, 8)
        rig.go(10)
        assert bio.status == (TRANSPORT if path else IOERR)
        assert bio.done == good
        assert [rig.stored(sector) for sector in (0, 2, 3)] == [path + 1, path + 1, 0]
    rig.write(2, 1, 3, 5)
    rig.go(10)
    assert rig.seen("partial completion retried")


def test_read_modify_write_wipes_a_neighbour_written_by_another_server() -> None:
    """`rmw-neighbour.py`."""
    rig = Rig(PathPlan(0), PathPlan(1), server=ServerPlan(fixed_ns=10 * MS), unit=8).go(30)
    first = rig.write(0, 1, 0)
    rig.go(5)
    second = rig.write(1, 2, 1, 1)
    rig.go(7)
    assert (first.status, rig.stored(0), rig.stored(1)) == (OK, 1, 0)
    rig.go(20)
    assert second.status == OK
    assert (rig.stored(0), rig.stored(1)) == (0, 2), "sector 0 is lost, though it was acknowledged"


def test_caches_of_their_own_give_stale_reads() -> None:
    """`cache-incoherence.py`."""
    rig = Rig(PathPlan(0), PathPlan(1), cache="path", caches_reads=True).go(10)
    rig.read(1)
    rig.go(10)
    rig.write(0, 1)
    rig.flush(0)
    rig.go(10)
    rig.flush(0)
    rig.go(10)
    stale = rig.read(1)
    rig.go(10)
    assert (rig.medium(), writes(stale)) == (1, [0])


def test_power_loss_and_a_new_era() -> None:
    rig = Rig(PathPlan(0), PathPlan(1, "unix"), PathPlan(0, "file"), server=SLOW).go(10)
    rig.write(0, 1, 0, flags=FUA)
    rig.go(100)
    for path in range(3):
        rig.write(path, 2, path)
    rig.go(10)
    for gone in rig.paths:
        gone.detach()
    for server in rig.servers:
        server.lose_power()
    rig.array.lose_power()
    rig.go(1000)
    for server in rig.servers:
        server.power_on()
    rig.begin_era()
    rig.go(1000)
    reads = [rig.read(path, 0, 3) for path in range(3)]
    rig.go(1000)
    assert [writes(read) for read in reads] == [[1, 0, 0]] * 3


def test_healing_ends_everything() -> None:
    rig = Rig(PathPlan(0), PathPlan(0, "file", io_timeout_ns=100 * MS)).go(10)
    rig.step("s0", "answer_never")
    stuck = rig.write(1, 1)
    rig.go(200)
    assert rig.paths[1].trouble() == "1 system calls have not returned"
    for kind in ("execute_late", "alua", "slow", "stop", "kill", "other_disk"):
        rig.step("s0", kind, 1e6, amount=100)
    rig.heal()
    rig.go(5000)
    assert stuck.orphan.proof == "answered" and rig.paths[1].trouble() == ""
    bios = [rig.write(0, 3, 3), rig.write(1, 4, 4)]
    rig.go(10)
    assert [bio.status for bio in bios] == [OK, OK]
    assert (rig.stored(3), rig.stored(4)) == (3, 4)
