"""The simulated path keeps the rules of the real drivers."""

from tests.support.hardware_rig import MS, Rig, hasty

from hawser.block.bio import Bio
from hawser.block.ops import FUA, WRITE
from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import OK, TIMEOUT, TRANSPORT
from hawser.lab.payload import fill
from hawser.lab.plan import PathPlan, ServerPlan


def test_without_a_session_nothing_is_sent() -> None:
    rig = Rig(PathPlan(0))
    bio = rig.write(0, 1)
    assert (bio.status, bio.fate) == (TRANSPORT, NOT_SENT)
    assert rig.paths[0].trouble() == "is not connected yet"
    rig.go(10)
    assert (rig.paths[0].trouble(), rig.paths[0].epoch, rig.ears[0].heard) == ("", 1, ["ready"])


def test_reconnecting_backs_off() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("s0", "kill", 20_000)
    rig.go(20_000)
    tries = rig.story().count("connection refused")
    assert 10 < tries < 30
    rig.go(5000)
    assert rig.ears[0].heard == ["ready", rig.ears[0].heard[1], "ready"]


def test_a_handshake_takes_no_longer_than_a_command_may() -> None:
    rig = Rig(hasty())
    rig.step("s0", "stop", 2000)
    rig.go(600)
    assert rig.paths[0].trouble() == "no answer to the handshake"
    rig.go(5000)
    assert rig.paths[0].trouble() == ""


def test_over_unix_the_old_connection_is_kept_and_watched() -> None:
    rig = Rig(hasty(0, "unix")).go(10)
    rig.step("s0", "answer_late", 5000)
    bio = rig.write(0, 1)
    rig.go(1000)
    assert rig.ears[0].heard[1].startswith("lost: no late answer")
    assert rig.paths[0].trouble() == "", "a new session stands beside it"
    rig.go(5000)
    assert bio.orphan.proof == "answered"
    assert "all late answers have come" in rig.story()


def test_over_unix_the_end_of_the_process_proves_what_lingers() -> None:
    rig = Rig(hasty(0, "unix")).go(10)
    rig.step("s0", "answer_never")
    bio = rig.write(0, 1)
    rig.go(1000)
    rig.step("s0", "kill", 10)
    rig.go(1000)
    assert bio.orphan.proof == "peer process gone"


def test_emulated_fua_that_times_out_behind_its_write() -> None:
    rig = Rig(hasty(can_fua=False)).go(10)
    rig.step("s0", "answer_late", 550, word="flush")
    bio = rig.write(0, 1, flags=FUA)
    rig.go(520)
    assert (bio.status, bio.fate) == (TIMEOUT, UNKNOWN)
    rig.go(100)
    assert bio.orphan.proof == "answered" and rig.disk.doubt == 0


def test_a_late_flush_that_failed_casts_doubt() -> None:
    rig = Rig(hasty()).go(10)
    rig.write(0, 1)
    rig.go(10)
    rig.step("s0", "flush_error")
    rig.step("s0", "answer_late", 550, word="flush")
    bio = rig.flush(0)
    rig.go(520)
    assert bio.status == TIMEOUT
    rig.go(100)
    assert rig.disk.doubt == 1


def test_a_late_write_in_a_cache_of_its_own_dirties_it() -> None:
    rig = Rig(hasty(), cache="path").go(10)
    rig.step("s0", "answer_late", 550)
    rig.write(0, 1)
    rig.go(520)
    device = rig.paths[0].device
    assert (device.written, device.is_dirty()) == (0, False)
    rig.go(100)
    assert (device.written, device.is_dirty()) == (1, True)


def test_a_session_that_ends_leaves_its_cache_behind() -> None:
    rig = Rig(PathPlan(0, quiesce_ns=300 * MS), cache="path").go(10)
    rig.write(0, 1)
    rig.go(10)
    device = rig.paths[0].device
    device.written = 1
    rig.step("p0", "lose")
    assert device.left_behind is not None and rig.disk.doubt == 1
    rig.go(400)
    assert device.left_behind is None
    assert rig.seen("cache gone")


def test_a_file_that_takes_too_long_is_given_up_and_its_return_is_the_proof() -> None:
    rig = Rig(hasty(0, "file")).go(10)
    rig.step("p0", "black_hole", 2000)
    bio, read = rig.write(0, 1), rig.read(0, 8)
    rig.go(600)
    assert (bio.status, bio.fate, read.status) == (TIMEOUT, UNKNOWN, TIMEOUT)
    assert rig.paths[0].trouble() == "2 system calls have not returned"
    rig.go(2000)
    assert (bio.orphan.proof, rig.stored(), rig.paths[0].trouble()) == ("answered", 1, "")
    assert rig.seen("orphan: system call returned") and not rig.seen("orphan: answered")


def test_merged_and_retried() -> None:
    rig = Rig(PathPlan(0), PathPlan(1)).go(10)
    bios = [Bio(WRITE, sector, 512, rig, fill(sector + 1, 1)) for sector in range(2)]
    rig.step("s0", "error", amount=10)
    rig.submit(0, *bios)
    rig.go(10)
    assert rig.seen("merged")
    assert "(writes 1 2)" in rig.story()
    rig.write(1, 1, 0)
    rig.go(10)
    assert rig.seen("retried on another path")


def test_shutting_down_answers_everything_and_stays_down() -> None:
    rig = Rig(PathPlan(0), PathPlan(0, "file"), server=ServerPlan(fixed_ns=50 * MS)).go(10)
    bios = [rig.write(0, 1), rig.write(1, 2, 1)]
    rig.go(1)
    for path in rig.paths:
        path.shut_down()
    rig.settle()
    assert [(bio.status, bio.fate) for bio in bios] == [(TRANSPORT, UNKNOWN)] * 2
    rig.go(5000)
    assert rig.paths[0].epoch == 1
    assert not any(path.outstanding() for path in rig.paths)


def test_an_administrator_ends_what_nothing_else_can_prove() -> None:
    rig = Rig(hasty()).go(10)
    rig.step("s0", "execute_late", 5000)
    first = rig.write(0, 1, 0)
    rig.go(700)
    assert first.orphan.proof == ""
    rig.paths[0].forbid_ghosts()
    assert first.orphan.proof
    rig.go(2000)
    rig.step("s0", "lost_command")
    second = rig.write(0, 2, 1)
    rig.go(700)
    assert second.orphan.proof
    rig.go(10_000)
    assert (rig.stored(0), rig.stored(1)) == (0, 0)


def test_after_a_crash_nothing_touches_the_old_engine() -> None:
    rig = Rig(PathPlan(0, "unix"), PathPlan(0, "file"), server=ServerPlan(fixed_ns=50 * MS)).go(10)
    bios = [rig.write(0, 1), rig.write(1, 2, 1)]
    rig.go(10)
    heard = [list(ear.heard) for ear in rig.ears]
    old = rig.paths
    for path in old:
        path.detach()
    ears = rig.ears
    rig.begin_era()
    rig.step("s0", "slow", 1, amount=1)
    rig.go(5000)
    assert (rig.stored(0), rig.stored(1)) == (1, 2), "the server goes on"
    assert [bio.status for bio in bios] == [OK, OK] and all(bio.done == 0 for bio in bios)
    assert [ear.heard for ear in ears] == heard


def test_one_seed_gives_one_trace() -> None:
    def digest(seed: int) -> str:
        plan = ServerPlan(spread="heavy", fixed_ns=MS, slots=2)
        rig = Rig(PathPlan(0), hasty(1, "unix"), PathPlan(1, "file"), server=plan, seed=seed).go(10)
        for number in range(60):
            rig.write(number % 3, number + 1, number % 50, 4)
            if number % 10 == 5:
                rig.step("p0", "lose", amount=50)
            if number % 20 == 7:
                rig.step("s1", "kill", 30)
            rig.go(7)
        rig.go(5000)
        return rig.trace.digest()

    assert digest(3) == digest(3)
    assert digest(3) != digest(4)


def test_an_administrator_ends_lingering_sessions_too() -> None:
    rig = Rig(hasty(0, "unix")).go(10)
    rig.step("s0", "answer_never")
    first = rig.write(0, 1, 0)
    rig.go(1000)
    assert first.orphan.proof == ""
    rig.paths[0].forbid_ghosts()
    assert first.orphan.proof
    rig.step("s0", "answer_never")
    second = rig.write(0, 2, 1)
    rig.go(1000)
    assert second.orphan.proof
