"""The experiments about selectors and failures as they are shipped: which claims hold, and that each says where it stops."""

import pytest
from tests.lab.experiments.verdicts import texts, whole, wrong

from hawser.lab.experiments.base import Experiment
from hawser.lab.experiments.clock_resolution import ClockResolution
from hawser.lab.experiments.failover import FailoverCost
from hawser.lab.experiments.ghost_write import GhostWrite
from hawser.lab.experiments.gray_failure import GrayFailure
from hawser.lab.experiments.latency_path import LatencyPath
from hawser.lab.experiments.load_balance import LoadBalance
from hawser.lab.experiments.selector_shares import SelectorShares

# What is reported as not reproduced, by a word of its claim.
NOT_REPRODUCED = {
    "selector-shares": ["depth 1, one path 4 times", "depth 64, one path 4 times"],
    "clock-resolution": ["which the mail takes for the reason"],
}
SHIPPED: list[type[Experiment]] = [
    SelectorShares,
    ClockResolution,
    LatencyPath,
    LoadBalance,
    GrayFailure,
    FailoverCost,
    GhostWrite,
]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", SHIPPED, ids=[make.name for make in SHIPPED])
def test_as_shipped(make: type[Experiment]):
    experiment = make()
    findings = whole(experiment)
    words = NOT_REPRODUCED.get(experiment.name, [])
    lost = texts(wrong(findings))
    assert len(lost) == len(words)
    assert all(word in text for word, text in zip(words, lost, strict=True))
    assert findings.limits
