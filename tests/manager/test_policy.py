"""What an operator's policy means for the table."""

import pytest

from hawser.core.units import NS_PER_S
from hawser.manager.policy import Policy


@pytest.mark.parametrize(("timeout_ns", "queues"), [(None, True), (0, False), (1, True), (60 * NS_PER_S, True)])
def test_a_policy_queues_unless_the_time_is_nought(timeout_ns: int | None, queues: bool):
    assert Policy(timeout_ns).queues() is queues


def test_a_minute_unless_told_otherwise():
    assert Policy().queue_timeout_ns == 60 * NS_PER_S
