"""Published tables of unequal paths: which claims hold in small, which does not and is reported, and what each rests on."""

import pytest
from tests.lab.experiments.verdicts import texts, whole, wrong

from hawser.core.clock import NEVER
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.experiments.clock_resolution import ClockResolution
from hawser.lab.experiments.latency_path import ADAPTIVE, STANDS_FOR, LatencyPath
from hawser.lab.experiments.selector_shares import SelectorShares
from hawser.lab.experiments.shares import HISTORICAL, SERVICE_TIME, Machine, OldTime, shares
from hawser.lab.model.bench import Bench
from hawser.lab.model.old_clock import OldClock, give_old_clock
from hawser.lab.model.scenario import MapModel, Scenario
from hawser.multipath.selectors.historical_service_time import history

NOT_REPRODUCED = [
    "historical-service-time, depth 1, one path 4 times as slow: farthest from the table",
    "historical-service-time, depth 64, one path 4 times as slow: farthest from the table",
]


def test_the_table_of_2020_as_far_as_it_can_be_had():
    """With what the mail says of its machine two of four columns, calibrated on its own speed all of them."""
    findings = whole(SelectorShares(ios=3200, limits=False))
    assert texts(wrong(findings)) == NOT_REPRODUCED
    assert "2.802 times as slow, not 4" in findings.limits[0], "and why is said"


def test_without_a_selector_that_remembers_the_table_of_2020_is_another_one():
    lost = wrong(whole(SelectorShares(ios=600, selector="round-robin", limits=False)))
    assert len(texts(lost, f"{HISTORICAL}, depth 1, calibrated")) == 1
    assert len(texts(lost, f"{HISTORICAL}, depth 64, calibrated")) == 1
    assert texts(lost, "ideal")


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_shares_do_not_depend_on_the_mode_or_k(mode: str):
    usual = shares(Machine((1, 1, 1, 4.0), "rq"), HISTORICAL, 8, 600)
    assert shares(Machine((1, 1, 1, 4.0), mode, k=20.0), HISTORICAL, 8, 600) == pytest.approx(usual, abs=0.002)


def test_the_table_of_2022_is_that_of_the_conversion_and_not_of_jiffies():
    findings = whole(ClockResolution(ios=5000, limits=False))
    assert texts(wrong(findings)) == [
        "historical-service-time, jiffies, which the mail takes for the reason: farthest from its column"
    ]


def test_a_conversion_that_is_exact_does_not_give_the_table_of_2022():
    lost = wrong(whole(ClockResolution(ios=1500, early_ns=0, limits=False)))
    assert texts(lost, "as converted") == [
        "historical-service-time, jiffies as converted: farthest from the mail",
        "the slow paths together, as converted, in parts of what they get with the exact time",
    ]


def test_the_old_clock():
    bench = Bench(Scenario(map=MapModel(mode="bio", selector="historical-service-time 0")), 1)
    give_old_clock(bench, 4 * NS_PER_MS, 300 * NS_PER_S)
    selector = bench.target().state.groups[0].selector
    assert isinstance(selector, OldClock)
    path = bench.target().state.paths[0]
    past = history(path)
    start_ns = 1000 * NS_PER_S + 5 * NS_PER_MS
    bench.clock.now_ns = start_ns + NS_PER_MS
    # The first one: from where the conversion puts its start, rounded down. It replaces all that was.
    selector.start_io(path, 4096)
    selector.end_io(path, 4096, start_ns)
    assert past.average >> 10 == 300 * NS_PER_S + 2 * NS_PER_MS
    # A second one after it: since the first one's end, whenever it began.
    bench.clock.now_ns += 2 * NS_PER_S
    selector.start_io(path, 4096)
    selector.end_io(path, 4096, bench.clock.now_ns - NS_PER_MS)
    assert past.average >> 10 == 2 * NS_PER_S
    # What was not taken says nothing.
    selector.start_io(path, 4096)
    selector.end_io(path, 4096, NEVER)
    assert (past.average >> 10, past.outstanding) == (2 * NS_PER_S, 0)


def test_only_the_time_is_another_one():
    """A jiffy that is no time at all changes nothing."""
    machine = Machine((1, 1, 4), "bio")
    assert shares(machine, HISTORICAL, 8, 500, OldTime(1, 0)) == shares(machine, HISTORICAL, 8, 500)


def test_a_late_path_as_nvme_has_it():
    findings = whole(LatencyPath(seconds=1.0, limits=False))
    assert wrong(findings) == []
    assert [row[2] for row in findings.tables[0].rows[:4]] == [
        "io-affinity",
        "round-robin",
        "queue-length",
        "historical-service-time",
    ]


def test_without_a_selector_that_remembers_the_order_is_another_one():
    blind = {**STANDS_FOR, ADAPTIVE: f"{SERVICE_TIME} 0"}
    lost = wrong(whole(LatencyPath(seconds=0.8, stands_for=blind, limits=False)))
    assert texts(lost, "the least step")
