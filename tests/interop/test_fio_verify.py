"""fio verifies what it has written, whatever the mode, the elevator, what lies below two of the paths and above the map, and
while the devices are suspended and resumed every second."""

from itertools import product

import pytest
from tests.support.fleet import Fleet
from tests.support.stacks import ABOVE, Case, Stack

pytestmark = [pytest.mark.interop, pytest.mark.needs("fio", "nbdkit")]

# Each mode with each elevator, each kind of trouble, each device above, both ways to suspend; and how many seconds it takes.
FEW = [
    (Case("rq", "none", "flakey"), 2),
    (Case("rq", "mq-deadline", above="striped", suspend="flush"), 2),
    (Case("mq", "none", "dust", above="raid1"), 2),
    (Case("mq", "mq-deadline", "error_writes", suspend="noflush"), 2),
    (Case("bio", "none", "flakey", above="linear", suspend="noflush"), 3),
    (Case("bio", "mq-deadline", "dust", above="raid1", suspend="flush"), 3),
]
ALL = [
    Case(*words)
    for words in product(
        ("rq", "mq", "bio"),
        ("none", "mq-deadline"),
        ("", "flakey", "error_writes", "dust"),
        ("", *ABOVE),
        ("", "flush", "noflush"),
    )
]


@pytest.mark.parametrize(("case", "runtime_s"), FEW, ids=str)
def test_nothing_is_lost_or_wrong(fleet: Fleet, case: Case, runtime_s: int):
    Stack(fleet, case).verify(runtime_s)


@pytest.mark.soak
@pytest.mark.parametrize("case", ALL, ids=str)
def test_nothing_is_lost_or_wrong_in_any_combination(fleet: Fleet, case: Case):
    Stack(fleet, case).verify(3)
