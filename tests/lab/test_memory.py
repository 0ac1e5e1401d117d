"""Memory stays flat: nothing of an I/O is left behind when it has been answered."""

import gc
import os
import tracemalloc
from pathlib import Path

import pytest

from hawser.core.units import KIB, MIB
from hawser.lab.stream_rig import StreamRig

DEPTH = 32
# What may be told between two looks at a few thousand I/Os: caches of the interpreter, lists that have grown to their size.
SMALL_BYTES = 48 * KIB
FIRST = 1_000_000
LAST = 10_000_000
GROWTH_BYTES = 4 * MIB


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_few_thousand_bios_leave_nothing(mode: str):
    rig = StreamRig(mode)
    rig.run(3000, DEPTH, seed=1)
    gc.collect()
    tracemalloc.start()
    try:
        rig.run(2000, DEPTH, seed=2)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        rig.run(6000, DEPTH, seed=3)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < SMALL_BYTES


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_ten_million_bios_do_not_grow_it(mode: str):
    rig = StreamRig(mode)
    assert rig.run(FIRST, DEPTH, seed=1) == 0
    before = resident_bytes()
    for seed in range(2, LAST // FIRST + 1):
        assert rig.run(FIRST, DEPTH, seed) == 0
    assert resident_bytes() - before < GROWTH_BYTES
