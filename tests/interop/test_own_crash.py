"""hawser itself is killed: what it had on its way must not land on what its successor acknowledges.

The servers are real, and slow below (slow_writes.c): a connection that ends does not recall what they are doing.
"""

import signal
import time
from itertools import product
from pathlib import Path

import pytest
from tests.support.crash import NEW, OLD, SLOW_S, Crash
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, serve_command
from tests.support.load import WRITES_ONLY, Load
from tests.support.processes import run
from tests.support.upstreams import Upstream, content, wait_for_content

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server", "gcc"),
]

SERVERS = ["nbdkit", "qemu-nbd", "nbd-server"]
MODES = ["rq", "bio"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", SERVERS)
def test_without_a_state_directory_the_old_write_comes_back(fleet, kind, mode):
    """What is to be prevented: were this not so, the other tests would show nothing."""
    crash = Crash(fleet, kind, mode)
    crash.happen(crash.serve(with_state=False))
    client = fleet.client(crash.serve(with_state=False))
    client.write(0, NEW)
    client.flush()
    assert content(crash.image, 0, 4096) == NEW
    wait_for_content(crash.image, 0, OLD, "the old write has landed on the new one")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_newer_write_waits_until_the_old_server_is_gone(fleet, kind, mode):
    crash = Crash(fleet, kind, mode, slow_s=60)
    crash.happen(crash.serve())
    gateway = crash.serve()
    client = fleet.client(gateway)
    new = client.send_write(0, NEW)
    read = client.send_read(0, 4096)
    client.write(MIB, NEW)
    assert client.read(MIB, 4096) == NEW
    assert not client.has_answer(new, 1.0), "the old write may land still"
    assert not client.has_answer(read), "what is read now may be overwritten by a write that nobody knows of"
    assert content(crash.image, 0, 4096) == b"0" * 4096
    crash.first.kill()
    client.wait(new)
    assert client.wait(read) in (NEW, b"0" * 4096)
    assert client.read(0, 4096) == NEW
    assert crash.stays(NEW, 0.5)
    assert "peer process gone" in gateway.log()
    gateway.assert_no_traceback()


# One of each server; the others take as long again.
USUAL = (("nbdkit", False, "rq"), ("nbd-server", True, "bio"), ("qemu-nbd", False, "bio"))


@pytest.mark.parametrize(
    ("kind", "tcp", "mode"),
    [
        pytest.param(*case, marks=() if case in USUAL else pytest.mark.soak)
        for case in product(SERVERS, (False, True), MODES)
    ],
)
def test_a_newer_write_waits_for_the_declared_time(fleet, kind, tcp, mode):
    crash = Crash(fleet, kind, mode, tcp)
    crash.happen(crash.serve(quiesce=SLOW_S + 1))
    started = time.monotonic()
    gateway = crash.serve(quiesce=SLOW_S + 1)
    client = fleet.client(gateway)
    new = client.send_write(0, NEW)
    client.write(MIB, NEW)
    assert time.monotonic() - started < SLOW_S, "what does not overlap was not to wait"
    client.wait(new)
    assert time.monotonic() - started > SLOW_S
    client.flush()
    assert content(crash.image, 0, 4096) == NEW
    assert crash.stays(NEW, 1.0)
    assert "unproven" in gateway.log()
    assert client.read(0, 4096) == NEW
    gateway.assert_no_traceback()


def test_without_a_declaration_the_fence_stays_over_tcp(fleet):
    crash = Crash(fleet, tcp=True, slow_s=0.7)
    crash.happen(crash.serve())
    gateway = crash.serve()
    client = fleet.client(gateway)
    new = client.send_write(0, NEW)
    client.write(MIB, NEW)
    assert not client.has_answer(new, 2.0)
    assert "declare quiesce=SECONDS" in gateway.log()
    listed = run([*HAWSER, "paths", "--control", gateway.control]).stdout
    assert ": until nothing: declare quiesce=SECONDS at the next start" in listed
    gateway.kill()
    # It is declared afterwards, when the operator knows.
    client = fleet.client(crash.serve(quiesce=1))
    client.write(0, NEW)
    assert content(crash.image, 0, 4096) == NEW


def test_a_start_that_is_killed_in_its_turn_loses_no_fence(fleet):
    crash = Crash(fleet, slow_s=60)
    crash.happen(crash.serve())
    for _ in range(3):
        gateway = crash.serve()
        client = fleet.client(gateway)
        new = client.send_write(0, NEW)
        client.write(MIB, NEW)
        assert not client.has_answer(new, 0.3)
        gateway.kill()
    assert [(slot.start, slot.end) for slot in crash.slots()] == [(0, 8)]
    crash.first.kill()
    client = fleet.client(crash.serve())
    client.write(0, NEW)
    assert crash.slots() == []


def test_a_clean_stop_hands_its_fences_over(fleet):
    crash = Crash(fleet, slow_s=60)
    crash.happen(crash.serve(), with_a_kill=False)
    assert crash.table().is_clean()
    client = fleet.client(crash.serve())
    new = client.send_write(0, NEW)
    client.write(MIB, NEW)
    assert not client.has_answer(new, 0.5)
    assert not crash.table().is_clean()
    crash.first.kill()
    client.wait(new)


@pytest.mark.parametrize("with_a_kill", [True, False])
def test_a_stop_with_nothing_on_its_way_leaves_no_fence(fleet, with_a_kill):
    crash = Crash(fleet, tcp=True)
    gateway = crash.serve()
    client = fleet.client(gateway)
    client.write(0, OLD)
    if with_a_kill:
        gateway.kill()
    else:
        gateway.end()
    gateway = crash.serve()
    fleet.client(gateway).write(0, NEW)
    assert "fence" not in gateway.log()
    assert len([facts for facts in crash.table().sessions().values() if facts.epoch == 1]) == 2, "its own two sessions"


def test_a_path_that_is_not_configured_any_more_still_fences(fleet):
    crash = Crash(fleet, slow_s=60)
    crash.happen(crash.serve())
    gateway = crash.serve(paths=[crash.second])
    client = fleet.client(gateway)
    new = client.send_write(0, NEW)
    client.write(MIB, NEW)
    assert not client.has_answer(new, 0.5)
    crash.first.kill()
    client.wait(new)


def test_a_path_that_is_not_configured_any_more_is_quiet_when_it_had_declared_to_be(fleet):
    crash = Crash(fleet, tcp=True, slow_s=1)
    crash.happen(crash.serve(quiesce=2))
    client = fleet.client(crash.serve(paths=[crash.second]))
    started = time.monotonic()
    client.write(0, NEW)
    assert time.monotonic() - started > 1
    assert crash.stays(NEW, 0.5)


# After a loss of power.


def test_a_loss_of_power_fences_the_whole_disk_of_a_server_elsewhere(fleet):
    crash = Crash(fleet, tcp=True)
    gateway = crash.serve()
    fleet.client(gateway).write(0, OLD)
    gateway.kill()
    crash.lose_power()
    gateway = crash.serve()
    client = fleet.client(gateway)
    write = client.send_write(MIB, NEW)
    read = client.send_read(2 * MIB, 4096)
    assert not client.has_answer(write, 1.0) and not client.has_answer(read)
    assert "the whole disk is fenced" in gateway.log()
    gateway.kill()
    # It is remembered, although this boot has a table of its own by now.
    assert [(slot.start, slot.end) for slot in crash.slots()] == [(0, 8 * MIB // 512)] * 2
    gateway = crash.serve(quiesce=1)
    client = fleet.client(gateway)
    client.write(MIB, NEW)
    assert client.read(0, 4096) == OLD
    assert crash.slots() == []


def test_a_loss_of_power_ends_the_servers_of_this_machine(fleet):
    crash = Crash(fleet)
    gateway = crash.serve(cache="path")
    fleet.client(gateway).write(0, OLD)
    gateway.kill()
    crash.lose_power()
    gateway = crash.serve(cache="path")
    fleet.client(gateway).write(0, NEW)
    assert "fence" not in gateway.log()


def test_a_clean_stop_is_remembered_through_a_boot(fleet):
    crash = Crash(fleet, tcp=True)
    gateway = crash.serve()
    fleet.client(gateway).write(0, OLD)
    gateway.end()
    crash.lose_power()
    crash.table().end()
    gateway = crash.serve()
    fleet.client(gateway).write(0, NEW)
    assert "fence" not in gateway.log()


# Caches that were left dirty.


def two_caches(fleet: Fleet) -> tuple[Upstream, Upstream]:
    image = fleet.image("disk", 8 * MIB, b"0")
    one, two = (fleet.nbdkit(name, "file", image, "cache=writeback", filters=["cache"]) for name in ("one", "two"))
    return one, two


def leave_dirty(fleet: Fleet, uris: list[str], *options: str) -> int:
    """A write that was acknowledged and never flushed, and a hawser that was killed; the block size."""
    gateway = fleet.serve(uris, *options)
    client = fleet.client(gateway)
    block = client.export.block_min
    client.write(block, b"A" * block)
    gateway.kill()
    return block


def test_without_a_state_directory_another_path_does_not_know_what_was_acknowledged(fleet):
    one, two = two_caches(fleet)
    block = leave_dirty(fleet, [one.uri(), two.uri()])
    assert fleet.client(fleet.serve([two.uri(), one.uri()])).read(block, block) == b"0" * block


@pytest.mark.parametrize("mode", MODES)
def test_a_cache_that_was_left_dirty_is_flushed_before_another_path_is_read(fleet, mode):
    one, two = two_caches(fleet)
    state = ["--state-dir", str(fleet.directory / "state"), "--queue-mode", mode]
    block = leave_dirty(fleet, [one.uri(), two.uri()], *state)
    gateway = fleet.serve([two.uri(), one.uri()], *state)
    assert fleet.client(gateway).read(block, block) == b"A" * block
    assert gateway.states() == "AA"
    assert "server flushed" in gateway.log()
    gateway.kill()
    # And it is known to be clean from then on.
    gateway = fleet.serve([two.uri(), one.uri()], *state)
    assert "fence" not in gateway.log()


def test_a_cache_that_cannot_be_flushed_is_waited_for(fleet):
    one, two = two_caches(fleet)
    state = ["--state-dir", str(fleet.directory / "state")]
    leave_dirty(fleet, [one.uri(), two.uri()], *state)
    command = serve_command([two.uri()], [f"nbd+unix:///d?socket={fleet.directory}/h.sock"], *state)
    waiting = fleet.run("waiting", *command)
    waiting.wait_for_log("unflushed in caches of nbd+unix:///?socket=")
    time.sleep(1.0)
    assert waiting.is_running() and "ready" not in waiting.output()
    # It can be told to end meanwhile, and the next one waits, too.
    waiting.signal(signal.SIGTERM)
    assert waiting.wait() == 0
    waiting = fleet.run("again", *command)
    waiting.wait_for_log("unflushed in caches of")
    one.kill()
    waiting.wait_until(lambda: "ready " in waiting.output(), "serves when that cache is gone")
    assert "is gone with writes that were acknowledged and not flushed" in waiting.log()


def test_another_server_in_its_place_cannot_flush_for_it(fleet):
    """The socket's name leads to another process now, and the first one is there still, with its cache."""
    one, two = two_caches(fleet)
    state = ["--state-dir", str(fleet.directory / "state")]
    leave_dirty(fleet, [one.uri(), two.uri()], *state)
    first = one.process
    assert first is not None and isinstance(one.address, str)
    Path(one.address).unlink()
    one.start()
    command = serve_command([one.uri(), two.uri()], [f"nbd+unix:///d?socket={fleet.directory}/h.sock"], *state)
    waiting = fleet.run("waiting", *command)
    try:
        waiting.wait_for_log("unflushed in caches of")
        time.sleep(1.0)
        assert "ready" not in waiting.output()
    finally:
        first.kill()
    waiting.wait_until(lambda: "ready " in waiting.output(), "serves when the first one is gone")


# Under load.

DEPTH = 16


def load_and_kill(crash: Crash, times: int, with_state: bool) -> int:
    """The first server holds up what it is sent just before hawser is killed; as soon as hawser is back everything is read, and
    written once more. How many writes were on their way, by the table. (Not over nbdkit 1.32: many answers to a client that has
    gone can make it abort, raw_send_socket: "sock >= 0", and then nothing lands.)"""
    gateway = crash.serve(with_state, quiesce=crash.slow_s + 1)
    load = Load(gateway, depth=DEPTH, mix=WRITES_ONLY, overlap=False)
    load.fill()
    on_their_way = 0
    for _ in range(times):
        load.start().wait_for_progress()
        crash.slow.write_text(str(crash.slow_s))
        load.wait_until_stuck()
        load.is_cut()
        gateway.kill()
        crash.slow.unlink()
        on_their_way += len(crash.slots()) if with_state else 0
        gateway = crash.serve(with_state, quiesce=crash.slow_s + 1)
        load.reconnect(gateway)
        load.check()
        gateway.assert_no_traceback()
    time.sleep(crash.slow_s)
    load.check()
    return on_their_way


@pytest.mark.parametrize(
    ("mode", "tcp"),
    [
        ("rq", False),
        ("bio", True),
        pytest.param("rq", True, marks=pytest.mark.soak),
        pytest.param("bio", False, marks=pytest.mark.soak),
    ],
)
def test_a_load_that_hawser_is_killed_under_finds_every_acknowledged_write(fleet, mode, tcp):
    crash = Crash(fleet, "qemu-nbd", mode, tcp)
    assert load_and_kill(crash, 2, with_state=True) >= DEPTH
    assert crash.slots() == []


@pytest.mark.soak
def test_without_a_state_directory_the_same_load_sees_old_writes_come_back(fleet):
    with pytest.raises(AssertionError, match=r"sector \d+ reads as write \d+, not one of"):
        load_and_kill(Crash(fleet, "qemu-nbd"), 2, with_state=False)
