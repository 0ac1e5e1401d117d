"""One of four paths answers some reads very late: what hedged reads do to the tail, and what they cost (hawser.lab.slow_path)."""

import pytest

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.slow_path import SlowPath
from hawser.multipath.hedge import SHARE_MAX

AFTER_NS = 5 * NS_PER_MS
LATE_NS = 80 * NS_PER_MS
# Two reads in a hundred are late.
EVERY_NS = 250 * NS_PER_MS
SPAN_NS = 60 * NS_PER_S


def story(mode: str, hedge_after_ns: int) -> SlowPath:
    """A minute of it."""
    rig = SlowPath(mode, "service-time", write_percent=0, hedge_after_ns=hedge_after_ns)
    for _ in range(SPAN_NS // EVERY_NS):
        rig.answer_late(1, LATE_NS)
        rig.run(EVERY_NS)
    rig.run(NS_PER_S)
    return rig


def tail_ns(rig: SlowPath) -> int:
    return rig.quantile_ns(0, rig.clock.now_ns - NS_PER_S, 999)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_the_tail_is_cut_and_it_costs_little(mode: str):
    plain, hedged = story(mode, 0), story(mode, AFTER_NS)
    assert tail_ns(plain) > LATE_NS
    assert tail_ns(hedged) < 3 * AFTER_NS
    assert all(taken.is_ok for taken in hedged.between(0, hedged.clock.now_ns - NS_PER_S))
    manager = hedged.era.watches[0].manager
    assert manager is not None and manager.hedger is not None
    hedger = manager.hedger
    reads = len(hedged.taken)
    assert hedger.won > reads // 100
    assert hedger.sent <= reads * SHARE_MAX // 100
    sent = sum(int(path.device.stats.reads.ios) for path in hedged.era.paths if path.device is not None)
    # (The manager reads a little, too.)
    assert sent - reads <= reads * SHARE_MAX // 100 + 100
    assert hedged.lines() == [], "no path was left for it"


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_disk_that_is_slow_as_a_whole_is_not_asked_much_more(mode: str):
    """Every read is late, whichever way it goes: twins help nobody, and are few."""
    rig = SlowPath(mode, "service-time", write_percent=0, hedge_after_ns=AFTER_NS)
    for number in range(4):
        rig.slow(number, 20, SPAN_NS)
    rig.run(SPAN_NS // 4)
    manager = rig.era.watches[0].manager
    assert manager is not None and manager.hedger is not None
    hedger = manager.hedger
    assert 0 < hedger.sent <= len(rig.taken) * SHARE_MAX // 100
    assert hedger.refused > len(rig.taken) // 2
