"""Links: every step that a plan may have for them."""

import pytest
from tests.support.hardware_rig import MS, Rig, hasty

from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.lab.plan import PathPlan, ServerPlan

SLOW = ServerPlan(fixed_ns=50 * MS, slots=1)


def test_a_ghost_after_a_lost_connection() -> None:
    """`ghost-write.py`: an old write lands on a newer one that went another way."""
    rig = Rig(PathPlan(0), PathPlan(1, latency_ns=MS // 10), server=SLOW).go(10)
    old = rig.write(0, 1)
    rig.go(40)
    rig.step("p0", "lose_far")
    rig.go(1)
    assert (old.status, old.fate, old.orphan.proof) == (TRANSPORT, UNKNOWN, "")
    rig.array.controllers[1].write(0, [2 << 16], fua=True)
    rig.go(100)
    assert rig.stored() == 1
    assert rig.seen("ghost landed")


def test_what_was_under_way_arrives_by_chance() -> None:
    landed = 0
    for seed in range(40):
        rig = Rig(PathPlan(0, latency_ns=MS), seed=seed).go(10)
        rig.write(0, 1)
        rig.step("p0", "lose", amount=50)
        rig.go(100)
        landed += rig.stored()
        assert rig.seen("ghost landed") == bool(rig.stored())
        assert rig.seen("ghost never landed") != bool(rig.stored())
    assert 8 < landed < 32


def test_what_was_begun_lands_whatever_the_chance() -> None:
    rig = Rig(PathPlan(0), server=SLOW).go(10)
    rig.write(0, 1, 0)
    rig.write(0, 2, 1)
    rig.go(10)
    rig.step("p0", "lose", amount=0)
    rig.go(500)
    assert (rig.stored(0), rig.stored(1)) == (1, 0)


def test_a_declared_quiesce_time_holds() -> None:
    """Nothing lands after it: what would is given up by the server."""
    rig = Rig(PathPlan(0, quiesce_ns=200 * MS), server=ServerPlan(fixed_ns=150 * MS, slots=1, drains_ns=200 * MS)).go(
        10
    )
    bios = [rig.write(0, write, write) for write in (1, 2, 3)]
    rig.go(100)
    rig.step("p0", "lose_far")
    rig.go(199)
    assert [bio.orphan.proof for bio in bios] == [""] * 3
    rig.go(2000)
    assert [bio.orphan.proof for bio in bios] == ["unproven: the declared quiesce time passed"] * 3
    assert [rig.stored(sector) for sector in (1, 2, 3)] == [1, 0, 0] or rig.stored(2) == 2
    assert rig.stored(3) == 0
    assert rig.seen("orphan: quiesced") and rig.seen("ghost never landed")


def test_an_orderly_close_of_a_server_that_drains() -> None:
    rig = Rig(PathPlan(0, eof_drains=True, latency_ns=MS), server=SLOW).go(10)
    begun, waiting = rig.write(0, 1, 0), rig.write(0, 2, 1)
    rig.go(10)
    rig.step("p0", "close")
    late = rig.write(0, 3, 2)
    rig.go(60)
    assert begun.status == OK and len(rig.paths[0].outstanding()) == 2
    rig.go(100)
    assert waiting.status == OK
    assert (late.status, late.orphan.proof) == (TRANSPORT, "end of file, declared to drain")
    assert [rig.stored(sector) for sector in range(3)] == [1, 2, 0]
    assert rig.ears[0].heard[1] == "lost: the server closed the connection"


def test_an_orderly_close_of_a_server_that_may_not_drain() -> None:
    ends = set()
    for seed in range(12):
        rig = Rig(PathPlan(0), server=SLOW, seed=seed).go(10)
        bio = rig.write(0, 1)
        rig.go(10)
        rig.step("p0", "close")
        rig.go(500)
        ends.add((bio.status, bio.fate))
        assert rig.stored() == 1
    assert ends == {(OK, 0), (TRANSPORT, UNKNOWN)}


@pytest.mark.parametrize("resets", [False, True])
def test_black_hole_send_queue(resets: bool) -> None:
    """`black-hole-send-queue.py`: the ghost is in our own send queue; a reset removes it."""
    linger_ns = 100 * MS if resets else 60_000 * MS
    rig = Rig(PathPlan(0, io_timeout_ns=500 * MS, linger_ns=linger_ns), PathPlan(1)).go(10)
    rig.step("p0", "black_hole", 3000)
    old = rig.write(0, 1)
    rig.go(1000)
    assert (old.status, old.fate) == (TIMEOUT, UNKNOWN)
    rig.write(1, 2)
    rig.go(3000)
    assert rig.seen("black hole")
    assert rig.seen("send queue dropped") == resets
    assert rig.stored() == (2 if resets else 1)
    assert old.orphan.proof == ("" if resets else "answered")
    rig.go(3000)
    assert rig.paths[0].trouble() == ""


def test_a_unix_socket_has_no_send_queue_of_ours() -> None:
    rig = Rig(hasty(0, "unix")).go(10)
    rig.step("p0", "black_hole", 3000)
    old = rig.write(0, 1)
    rig.go(2000)
    rig.paths[0].shut_down()
    rig.go(2000)
    assert (old.status, rig.stored()) == (TIMEOUT, 1)


def test_what_is_on_the_wire_when_it_turns_black_waits() -> None:
    rig = Rig(PathPlan(0, latency_ns=MS)).go(10)
    first = rig.write(0, 1, 0)
    rig.go(0.5)
    rig.step("p0", "black_hole", 100)
    rig.write(0, 2, 0)
    rig.go(50)
    assert rig.stored() == 0 and len(rig.paths[0].outstanding()) == 2
    rig.go(100)
    assert (first.status, rig.stored()) == (OK, 2), "in the order in which they were sent"
    rig.write(0, 3, 0)
    rig.go(1.5)
    rig.step("p0", "black_hole", 100)
    rig.go(50)
    assert rig.stored() == 3 and len(rig.paths[0].outstanding()) == 1, "the answer waits, too"
    rig.go(100)
    assert not rig.paths[0].outstanding()


def test_a_full_send_buffer_makes_commands_wait_where_they_are_not_sent() -> None:
    rig = Rig(hasty())
    rig.links[0].send_buffer_bytes = 4096
    rig.go(10)
    rig.step("p0", "black_hole", 3000)
    bios = [rig.write(0, write, 4 * write, 3) for write in range(1, 5)]
    rig.go(1500)
    assert [bio.status for bio in bios] == [TIMEOUT] * 4
    assert [bio.fate for bio in bios] == [UNKNOWN, UNKNOWN, UNKNOWN, NOT_SENT], "of the third, a part fitted"
    assert rig.seen("not sent")
    rig.go(4000)
    assert [rig.stored(4 * write) for write in range(1, 5)] == [0] * 4


def test_a_full_send_buffer_only_delays_when_all_is_well() -> None:
    rig = Rig(PathPlan(0))
    rig.links[0].send_buffer_bytes = 4096
    rig.go(10)
    bios = [rig.write(0, write, 4 * write, 4) for write in range(1, 9)]
    rig.go(20)
    assert [bio.status for bio in bios] == [OK] * 8
    assert [rig.stored(4 * write) for write in range(1, 9)] == list(range(1, 9))


def test_a_brown_out_delays_both_ways() -> None:
    rig = Rig(PathPlan(0, latency_ns=MS)).go(10)
    rig.step("p0", "brown_out", 100, amount=20)
    rig.write(0, 1)
    rig.go(19)
    assert rig.stored() == 0
    rig.go(2)
    assert rig.stored() == 1 and rig.paths[0].outstanding()
    rig.go(20)
    assert not rig.paths[0].outstanding()
    rig.go(100)
    rig.write(0, 2)
    rig.go(3)
    assert not rig.paths[0].outstanding()


def test_flapping() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("p0", "flap", 1000, amount=3)
    rig.go(5000)
    assert rig.ears[0].heard == ["ready", *["lost: connection reset by peer", "ready"] * 3]


def test_a_file_has_no_connection_to_lose() -> None:
    rig = Rig(PathPlan(0, "file", latency_ns=MS), server=SLOW).go(10)
    begun, waiting, going = rig.write(0, 1, 0), rig.write(0, 2, 1), None
    rig.go(5)
    going = rig.write(0, 3, 2)
    rig.step("p0", "lose", amount=0)
    rig.go(500)
    assert [bio.status for bio in (begun, waiting, going)] == [IOERR] * 3
    assert [rig.stored(sector) for sector in range(3)] == [1, 0, 0]
    after = rig.write(0, 4)
    rig.go(100)
    assert (after.status, rig.ears[0].heard) == (OK, [])


def test_bandwidth_is_shared() -> None:
    rig = Rig(PathPlan(0, bytes_per_s=512_000)).go(10)
    rig.write(0, 1, 0, 10)
    rig.write(0, 2, 10, 10)
    rig.go(15)
    assert (rig.stored(0), rig.stored(10)) == (1, 0)
    rig.go(15)
    assert rig.stored(10) == 2


def test_a_crash_of_ours_lets_the_send_queue_go_out() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("p0", "black_hole", 1000)
    rig.write(0, 1)
    rig.go(10)
    rig.paths[0].detach()
    rig.begin_era()
    rig.go(3000)
    assert rig.stored() == 1
    assert rig.paths[0].trouble() == ""


def test_a_server_killed_in_a_black_hole_is_noticed_afterwards() -> None:
    rig = Rig(PathPlan(0)).go(10)
    rig.step("p0", "black_hole", 1000)
    rig.step("s0", "kill", 100)
    rig.go(900)
    assert rig.ears[0].heard == ["ready"]
    rig.go(1000)
    assert len(rig.ears[0].heard) == 3
