"""One of four paths is 50 times slower: it is used last within seconds, and comes back when it is as quick as it was."""

import time

import pytest
from tests.support.slow_group import SERVERS, SlowGroup

pytestmark = [pytest.mark.interop, pytest.mark.needs("fio", "nbdkit", "gcc")]

SLOW = 50
# A read or write of nbdkit over a file, as hawser sees it on a machine that does other things, too.
USUAL_S = 0.001
SLOW_S = SLOW * USUAL_S
GRACE_S = 5.0
# In which there are so many trial reads.
WATCH_S = 2.0
TRIALS_MAX = 6


@pytest.mark.parametrize(
    ("rw", "mode"),
    [
        ("randread", "rq"),
        ("randwrite", "bio"),
        pytest.param("randread", "bio", marks=pytest.mark.soak),
        pytest.param("randwrite", "rq", marks=pytest.mark.soak),
    ],
)
def test_it_is_used_last_while_it_is_slow(fleet, mode: str, rw: str):
    group = SlowGroup(fleet, "--queue-mode", mode)
    load = fleet.run("load", *group.command(120, rw))
    # So that it is known what is usual.
    group.gateway.wait_until(lambda: min(group.ios()) > 50, "every path carries I/O")
    group.slow(1, SLOW_S)
    group.gateway.wait_for_log("is used last")
    kind = "reads" if rw == "randread" else "writes"
    said = next(line for line in group.gateway.log().splitlines() if "is used last" in line)
    assert f"its {kind} take" in said and "those of its group" in said and "for 5 s at least" in said
    assert group.gateway.path_words()[1][0] in said
    # What was on its way has come back by then.
    time.sleep(2 * SLOW_S)
    before = group.ios()
    time.sleep(WATCH_S)
    more = [after - was for after, was in zip(group.ios(), before, strict=True)]
    assert more[1] <= TRIALS_MAX, more
    assert min(more[:1] + more[2:]) > 50, more
    assert group.gateway.states() == "A" * SERVERS
    group.heal(1)
    group.gateway.wait_for_log("is used as before", 60)
    before = group.ios()
    group.gateway.wait_until(lambda: min(a - b for a, b in zip(group.ios(), before, strict=True)) > 50, "all carry I/O")
    load.stop()
    group.gateway.assert_no_traceback()


def test_it_is_used_when_all_others_are_gone(fleet):
    """A slow path is better than none."""
    group = SlowGroup(fleet)
    load = fleet.run("load", *group.command(120, "randread"))
    group.gateway.wait_until(lambda: min(group.ios()) > 50, "every path carries I/O")
    group.slow(1, SLOW_S)
    group.gateway.wait_for_log("is used last")
    load.stop()
    client = fleet.client(group.gateway)
    for number in (0, 2, 3):
        group.gateway.dm("message", "mpatha", "0", "fail_path", group.gateway.path_words()[number][0])
    assert group.gateway.states() == "FAFF"
    assert client.read(0, 4096) == (b"slow" * 1024)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("selector", ["service-time 0", "queue-length 0", "round-robin 0"])
def test_the_tail_is_as_it_was_after_a_few_seconds(fleet, mode: str, selector: str):
    """The issue's bound: p99 within 3 times of healthy after at most 5 s. 50 times slower is by fio's mean."""
    group = SlowGroup(fleet, "--queue-mode", mode, "--selector", selector)
    healthy = group.run("healthy", 8)
    delay = SLOW * healthy.mean
    group.slow(1, delay)
    started = time.monotonic()
    hurt = group.run("hurt", GRACE_S - 0.5)
    time.sleep(max(0.0, started + GRACE_S - time.monotonic()))
    later = group.run("later", 8)
    print(
        f"{mode} {selector}: {delay * 1e3:.0f} ms more on one path; p99 {healthy.p99 * 1e3:.2f} ms before, "
        f"{hurt.p99 * 1e3:.1f} ms at first, {later.p99 * 1e3:.2f} ms after 5 s: {later.p99 / healthy.p99:.2f} times"
    )
    assert "is used last" in group.gateway.log()
    assert hurt.longest > delay
    assert later.p99 <= 3 * healthy.p99
