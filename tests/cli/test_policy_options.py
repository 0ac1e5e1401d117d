"""What `hawser serve` is told about slow, flaky and idle paths."""

import pytest

from hawser.cli.policy_options import make_policy
from hawser.core.units import NS_PER_S
from hawser.manager.policy import HedgePolicy, MarginalPolicy, Policy
from hawser.service.options import OptionError


def policy(
    factor: str = "10", after: str = "2", double_failed: str = "60", keepalive: str = "5", hedge_after: str = "off"
) -> Policy:
    return make_policy(7 * NS_PER_S, factor, after, double_failed, keepalive, hedge_after)


def test_as_shipped_all_of_it_is_on_but_hedged_reads():
    assert policy() == Policy(7 * NS_PER_S, marginal=MarginalPolicy(), keepalive_ns=5 * NS_PER_S)


def test_each_can_be_set_and_turned_off():
    found = policy("3", "0.5", "10", "off")
    assert found.marginal == MarginalPolicy(factor=3, after_ns=NS_PER_S // 2, double_failed_ns=10 * NS_PER_S)
    assert found.keepalive_ns == 0
    assert policy("off").marginal == MarginalPolicy(factor=0)
    assert policy(double_failed="off").marginal == MarginalPolicy(double_failed_ns=0)
    assert policy("off", double_failed="off").marginal is None


def test_hedged_reads_can_be_had():
    found = policy(hedge_after="12.5").hedge
    assert found == HedgePolicy(12_500_000, 5)


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"factor": "1"}, "--slow-path-factor '1'"),
        ({"factor": "-3"}, "--slow-path-factor '-3'"),
        ({"factor": "x"}, "--slow-path-factor 'x': is neither a whole number of at least 2, nor off"),
        ({"after": "0"}, "--slow-path-after 0: must be more than that"),
        ({"after": "off"}, "--slow-path-after: 'off' is not a number of seconds"),
        ({"double_failed": "-1"}, "--double-failed-time: '-1' is not a number of seconds"),
        (
            {"keepalive": "soon"},
            "--keepalive: 'soon' is not a number of seconds from 0 to 1e9, such as 5 or 0.25, or off",
        ),
        (
            {"hedge_after": "0.5"},
            "--hedge-after '0.5': is neither a number of milliseconds from 1 to 60000, nor off",
        ),
        ({"hedge_after": "60001"}, "--hedge-after '60001'"),
        ({"hedge_after": "nan"}, "--hedge-after 'nan'"),
        ({"hedge_after": "inf"}, "--hedge-after 'inf'"),
        ({"hedge_after": "soon"}, "--hedge-after 'soon'"),
        ({"keepalive": "0"}, "--keepalive 0: must be more than that, or off"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, str], option: str):
    with pytest.raises(OptionError) as caught:
        policy(**wrong)
    assert option in str(caught.value)
