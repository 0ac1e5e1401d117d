"""Every small world over a request-based map, explored with the fences on: nothing is wrong.

A file for each mode: tests of one file run one after the other.
"""

import pytest
from tests.support.explored import EXPLORING_S, nothing_is_wrong

from hawser.lab.explore.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(EXPLORING_S)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_no_order_of_events_is_wrong(name: str):
    nothing_is_wrong(name, "rq")
