"""delay: three classes of I/O, each with its device and time; a suspend lets go of all at once; with the words of Linux 6.12."""

import pytest
from tests.dm.controls import begin_suspend, load, suspend
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, READ, WRITE
from hawser.block.request import NOT_SENT
from hawser.core.status import IOERR, NOTSUPP, OK, TRANSPORT
from hawser.core.units import NS_PER_MS
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client

MS = NS_PER_MS
THREE = "0 1024 delay 259:0 0 3000 259:0 0 4000 259:1 0 5000"

REFUSED = [
    ("", "Requires exactly 3, 6 or 9 arguments", "EINVAL"),
    ("259:0 0", "Requires exactly 3, 6 or 9 arguments", "EINVAL"),
    ("259:0 0 1 259:1 0", "Requires exactly 3, 6 or 9 arguments", "EINVAL"),
    ("259:0 x 1", "Invalid device sector", "EINVAL"),
    ("259:0 0 x", "Invalid delay", "EINVAL"),
    ("259:0 0 -1", "Invalid delay", "EINVAL"),
    ("259:0 0 0 259:1 0 x", "Invalid delay", "EINVAL"),
    ("nosuch 0 1", "Device lookup failed", "ENOENT"),
    ("240:0 0 1", "Device lookup failed", "ENXIO"),
    ("4096:0 0 1", "Device lookup failed", "EOVERFLOW"),
    ("259:0 0 1 240:0 0 1", "Device lookup failed", "ENXIO"),
    ("259:0 0 1 259:0 0 1 254:0 0 1", "Device lookup failed", "EINVAL"),
]


@pytest.mark.parametrize(("words", "error", "errno"), REFUSED)
def test_refused_with_the_kernels_words(words: str, error: str, errno: str):
    with pytest.raises(TableError) as caught:
        TargetRig(f"0 1024 delay {words}")
    assert (str(caught.value), caught.value.errno_name) == (f"254:0: delay: {error} (-{errno})", errno)


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("259:0 0 100", "259:0 0 100"),
        ("259:0 0 0 259:1 0 5", "259:0 0 0 259:1 0 5"),
        ("259:0 0 0 259:1 0 5 259:0 8 6", "259:0 0 0 259:1 0 5 259:0 8 6"),
        ("259:0 0 4294967297", "259:0 0 1"),
    ],
)
def test_the_table_is_printed_as_it_was_given(words: str, printed: str):
    rig = TargetRig(f"0 1024 delay {words}")
    assert (rig.target().status_table(), rig.info()) == (printed, "0 0 0")


def start_all(rig: TargetRig) -> list[Bio]:
    """Three reads, two writes and a flush."""
    client = rig.client
    reads = client.submit([Bio(READ, 8 * number, 4096, client) for number in range(3)])
    writes = client.submit([Bio(WRITE, 8 * number, 4096, client, pattern(number, 8)) for number in range(2)])
    return [*reads, *writes, client.flush()]


def finished(bios: list[Bio]) -> str:
    return "".join("y" if bio.finished else "." for bio in bios)


def test_status_counts_what_waits_by_class():
    rig = TargetRig(THREE)
    bios = start_all(rig)
    assert rig.info() == "3 2 1"
    for passed_ms, info, ended in ((2999, "3 2 1", "......"), (3000, "0 2 1", "yyy..."), (4000, "0 0 1", "yyyyy.")):
        rig.world.run(passed_ms * MS)
        assert (rig.info(), finished(bios)) == (info, ended)
        rig.sent()
    rig.world.run()
    assert (rig.world.clock.now_ns, rig.info(), finished(bios)) == (5000 * MS, "0 0 0", "yyyyyy")
    # The flush went to its own device.
    assert rig.sent() == [[], [(FLUSH, 0, 0)]]
    assert rig.at_rest()


@pytest.mark.parametrize("words", ["259:0 0 100", "259:0 0 0 259:0 0 100"])
def test_with_fewer_groups_flushes_are_counted_apart_all_the_same(words: str):
    """Oracle: `0 0 1` while a flush waits."""
    rig = TargetRig(f"0 1024 delay {words}")
    rig.client.flush()
    assert rig.info() == "0 0 1"
    rig.world.run()
    assert (rig.info(), rig.world.clock.now_ns) == ("0 0 0", 100 * MS)


def test_discards_are_writes_and_write_zeroes_are_not_offered():
    rig = TargetRig(THREE)
    rig.client.discard(0, 4096)
    rig.client.write_zeroes(0, 4096)
    assert rig.info() == "0 1 0"
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [NOTSUPP, OK]
    assert (rig.sent()[0], rig.world.clock.now_ns) == ([(DISCARD, 0, 4096)], 4000 * MS)


def test_without_delay_it_is_linear():
    rig = TargetRig("0 1024 delay 259:0 8 0 259:1 16 7")
    rig.client.read(0, 512)
    rig.client.write(0, bytes(512))
    assert (rig.sent(), rig.info()) == ([[(READ, 8, 512)], []], "0 1 0")
    rig.world.run()
    assert rig.sent() == [[], [(WRITE, 16, 512)]]


def test_what_waits_for_less_overtakes():
    rig = TargetRig("0 1024 delay 259:0 0 10 259:0 0 5")
    rig.client.read(0, 512)
    rig.world.pass_time(MS)
    rig.client.write(8, bytes(512))
    rig.world.run()
    assert rig.sent()[0] == [(WRITE, 8, 512), (READ, 0, 512)]


def test_classes_that_are_due_together_go_in_the_order_of_coming():
    rig = TargetRig("0 1024 delay 259:0 0 10")
    client = rig.client
    client.write(1, bytes(512))
    client.read(2, 512)
    client.write(3, bytes(512))
    client.read(4, 512)
    rig.world.run()
    assert [(op, sector) for op, sector, _ in rig.sent()[0]] == [(WRITE, 1), (READ, 2), (WRITE, 3), (READ, 4)]


def test_the_devices_are_named_once_each():
    target = TargetRig("0 1024 delay 259:0 0 1 259:1 8 1 259:0 16 1").target()
    assert [device.devt for device in target.devices()] == ["259:0", "259:1"]
    assert [(device.devt, start) for device, start, _ in target.areas()] == [("259:0", 0), ("259:1", 8), ("259:0", 16)]


def test_what_is_due_together_goes_in_order_and_unmerged():
    rig = TargetRig("0 1024 delay 259:0 0 10")
    rig.client.submit([Bio(WRITE, number, 512, rig.client, bytes(512)) for number in (3, 1, 2, 0)])
    rig.world.run()
    assert rig.sent()[0] == [(WRITE, number, 512) for number in (3, 1, 2, 0)]


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_drains_at_once(noflush: bool):
    rig = TargetRig(THREE)
    bios = start_all(rig)
    suspend(rig.world, rig.device, noflush)
    assert (rig.world.clock.now_ns, rig.info(), finished(bios)) == (0, "0 0 0", "yyyyyy")
    late = rig.client.read(0, 512)
    assert rig.info() == "0 0 0"
    rig.device.resume()
    assert rig.info() == "1 0 0"
    rig.world.run()
    assert (late.status, rig.world.clock.now_ns) == (OK, 3000 * MS)
    assert rig.at_rest()


def test_under_a_suspend_that_takes_time_nothing_is_delayed_any_more():
    rig = TargetRig(THREE)
    rig.disks[0].driver.default = Answer(delay_ns=50 * MS)
    start_all(rig)
    heard = begin_suspend(rig.device)
    rig.world.run()
    assert (heard.words, rig.world.clock.now_ns) == (["suspended"], 50 * MS)


def test_a_suspend_that_is_given_up_delays_again():
    rig = TargetRig(THREE)
    rig.disks[0].driver.default = Answer(silent=True)
    rig.client.read(0, 512)
    rig.device.suspend(False)
    rig.device.cancel_suspend()
    rig.client.read(0, 512)
    assert rig.info() == "1 0 0"


def test_a_new_table_has_its_own_times():
    rig = TargetRig(THREE)
    rig.client.read(0, 512)
    load(rig.world, rig.device, "0 1024 delay 259:0 0 7")
    suspend(rig.world, rig.device)
    rig.device.resume()
    rig.client.read(0, 512)
    rig.world.run()
    assert (rig.world.clock.now_ns, len(rig.client.done)) == (7 * MS, 2)


def test_dead_clients_do_not_wait():
    rig = TargetRig(THREE)
    other = Client(rig.device)
    bios = start_all(rig)
    alive = other.read(0, 512)
    rig.client.dead = True
    rig.device.cancel_dead()
    assert [bio.status for bio in bios] == [IOERR] * 6
    assert rig.info() == "1 0 0"
    rig.world.run()
    assert (alive.status, rig.sent()) == (OK, [[(READ, 0, 512)], []])
    assert rig.at_rest()


def test_when_the_process_ends_everything_goes_at_once():
    rig = TargetRig(THREE)
    bios = start_all(rig)
    rig.device.abandon()
    rig.world.settle()
    assert (finished(bios), rig.world.clock.now_ns) == ("yyyyyy", 0)


def test_enough_waiting_pushes_back():
    rig = TargetRig("0 1024 delay 259:0 0 10")
    for _ in range(4096):
        assert not rig.device.congested()
        rig.client.read(0, 512)
    assert rig.device.congested()
    rig.world.run()
    assert not rig.device.congested()


def test_a_path_that_has_failed_gives_back_what_waits():
    """I5: what is delayed on the way to a failed path goes another way, at once."""
    rig = TargetRig("0 1024 delay 259:0 0 1000")
    world = rig.world
    world.mapped("lin", "0 1024 linear 259:0 0")
    top = world.mapped("top", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 dev lin")
    client = Client(top)
    bios = client.submit([Bio(WRITE, 8 * number, 4096, client, pattern(number, 8)) for number in range(4)])
    assert rig.info() == "0 2 0"
    top.message(0, ["fail_path", "dev"])
    world.settle()
    assert [bio.status for bio in bios] == [OK] * 4
    assert (rig.info(), world.clock.now_ns, world.timers.next_deadline_ns()) == ("0 0 0", 0, -1)
    assert top.idle()
    assert rig.at_rest()


def test_bounced_bios_were_not_sent():
    rig = TargetRig("0 1024 delay 259:0 0 1000")
    bio = rig.client.read(0, 512)
    rig.device.bounce()
    assert not bio.finished
    rig.world.settle()
    assert (bio.status, bio.fate) == (TRANSPORT, NOT_SENT)


def test_a_slow_path_below_request_based_multipath_is_not_possible():
    rig = TargetRig("0 1024 delay 259:0 0 1000")
    with pytest.raises(TableError, match="including non-request-stackable devices"):
        rig.world.mapped("top", "0 1024 multipath 0 0 1 1 round-robin 0 1 0 dev")


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_over_multipath_it_waits_and_then_fails_over(mode: str):
    rig = TargetRig("0 8 zero")
    world = rig.world
    world.mapped("mp", f"0 1024 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 2 0 259:0 259:1")
    client = Client(world.mapped("top", "0 1024 delay mp 0 20"))
    rig.disks[0].driver.default = Answer(TRANSPORT)
    rig.disks[1].driver.default = Answer(delay_ns=5 * MS)
    bio = client.write(0, bytes(4096))
    world.run()
    assert (bio.status, world.clock.now_ns) == (OK, 25 * MS)
