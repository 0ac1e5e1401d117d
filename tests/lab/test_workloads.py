"""Workloads: within their ground, in whole blocks, the same for the same seed; disciplined ones keep their discipline."""

from collections import Counter
from itertools import pairwise

import pytest

from hawser.core.rng import Rng
from hawser.lab.plan import Op
from hawser.lab.workloads import (
    Ground,
    Mix,
    Runs,
    anywhere,
    bimodal,
    burst,
    database,
    file_system,
    fixed,
    hot_spot,
    mixed,
    paced,
    racer,
    uniform,
    zipf,
)

GROUNDS = [Ground(0, 16), Ground(0, 256), Ground(32, 64, 8), Ground(0, 71)]
ZIPF_OF_SEED_9 = [1, 28, 28, 24, 0, 22, 6, 28, 12, 28, 6, 4]
WORKLOADS = {
    "file system": lambda rng, ground: file_system(rng, ground, 100),
    "database": lambda rng, ground: database(rng, ground, 100),
    "racer": lambda rng, ground: racer(rng, ground, 100),
    "burst": lambda rng, ground: burst(rng, ground, 100, 10, 1000),
    "anywhere": lambda rng, ground: mixed(rng, ground, 100, Mix(discard=5, zero=5), uniform(1, 16), anywhere(ground)),
    "zipf": lambda rng, ground: mixed(rng, ground, 100, Mix(), bimodal(1, 16), zipf(ground, rng)),
    "hot spot": lambda rng, ground: mixed(rng, ground, 100, Mix(), fixed(2), hot_spot(ground, rng, 4)),
    "runs": lambda rng, ground: mixed(rng, ground, 100, Mix(), fixed(3), Runs(ground, 8)),
}


@pytest.mark.parametrize("ground", GROUNDS, ids=str)
@pytest.mark.parametrize("name", WORKLOADS)
def test_ops_are_whole_blocks_of_the_ground(name: str, ground: Ground):
    for seed in range(20):
        ops = WORKLOADS[name](Rng(seed), ground)
        assert len(ops) == 100
        for op in ops:
            if op.op != "flush":
                assert op.count > 0 and op.sector % ground.unit == 0 and op.count % ground.unit == 0
                assert ground.first <= op.sector and op.sector + op.count <= ground.first + ground.length


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_gives_the_same_ops(name: str):
    ground = Ground(0, 64)
    assert WORKLOADS[name](Rng(5), ground) == WORKLOADS[name](Rng(5), ground)
    assert WORKLOADS[name](Rng(5), ground) != WORKLOADS[name](Rng(6), ground)


def test_a_ground_without_a_block_is_refused():
    with pytest.raises(ValueError, match="no whole block"):
        Ground(0, 4, 8)
    with pytest.raises(ValueError, match="no whole block"):
        Ground(4, 16, 8)
    for workload in (file_system, database):
        with pytest.raises(ValueError, match="needs 4 blocks"):
            workload(Rng(1), Ground(0, 3), 10)


def test_a_mix_is_in_proportion():
    rng = Rng(1)
    drawn = Counter(Mix(read=60, write=30, discard=5, zero=5, flush=0).draw(rng) for _ in range(4000))
    assert 2200 < drawn["read"] < 2600 and 1050 < drawn["write"] < 1350
    assert drawn["discard"] > 100 and drawn["zero"] > 100 and "flush" not in drawn


def test_zipf_is_steep_and_its_hot_blocks_lie_anywhere():
    ground = Ground(0, 64)
    rng = Rng(3)
    place = zipf(ground, rng, 4)
    counts = Counter(place(rng, 1) for _ in range(6000)).most_common()
    # The weights are 1, 1/2, 1/3, ...: the first of 64 has a fifth of all.
    assert 1050 < counts[0][1] < 1500
    assert counts[0][1] > 1.5 * counts[1][1]
    assert [block for block, _ in counts[:5]] != [0, 1, 2, 3, 4]


def test_zipf_is_made_of_integers_alone():
    """These numbers must never change: plans of old seeds would."""
    rng = Rng(9)
    place = zipf(Ground(0, 32), rng, 3)
    assert [place(rng, 1) for _ in range(12)] == ZIPF_OF_SEED_9


def test_runs_follow_each_other():
    ops = mixed(Rng(2), Ground(0, 256), 200, Mix(100, 0, 0, 0, 0), fixed(2), Runs(Ground(0, 256), 16))
    following = sum(1 for first, second in pairwise(ops) if second.sector == first.sector + 2)
    assert following > 150


def test_a_hot_spot_is_hot():
    rng = Rng(4)
    place = hot_spot(Ground(0, 256), rng, 8, percent=90)
    counts = Counter(place(rng, 1) for _ in range(2000))
    assert sum(count for _, count in counts.most_common(8)) > 1700


@pytest.mark.parametrize("seed", range(10))
def test_a_commit_block_stands_behind_a_flush(seed: int):
    ops = file_system(Rng(seed), Ground(0, 64), 120)
    commits = [place for place, op in enumerate(ops) if op.op == "write" and op.barrier]
    assert len(commits) > 5
    for place in commits:
        assert ops[place].preflush or (ops[place - 1].op == "flush" and ops[place - 1].barrier)
        if place + 1 < len(ops):
            assert ops[place].fua or (ops[place + 1].op == "flush" and ops[place + 1].barrier)


@pytest.mark.parametrize("seed", range(10))
def test_every_append_to_the_log_is_made_durable(seed: int):
    ops = database(Rng(seed), Ground(0, 64), 120)
    appends = [place for place, op in enumerate(ops) if op.op == "write" and op.sector < 16]
    assert [ops[place].sector for place in appends] == [number % 16 for number in range(len(appends))]
    for place in appends:
        if place + 1 < len(ops):
            assert ops[place].fua or (ops[place + 1].op == "flush" and ops[place + 1].barrier)


def test_bursts_come_at_once_and_never_merge():
    ops = burst(Rng(1), Ground(0, 65), 60, 20, 5000)
    assert [place for place, op in enumerate(ops) if op.delay_ns] == [20, 40]
    assert all(op.sector % 2 == 0 and op.count == 1 for op in ops)


def test_pauses_fill_the_span_and_leave_others_alone():
    totals = []
    for seed in range(30):
        ops = [Op("read", 0, 1) for _ in range(100)]
        ops[50].delay_ns = 7
        totals.append(sum(op.delay_ns for op in paced(ops, Rng(seed), 1_000_000, 5)))
        assert ops[50].delay_ns == 7 and ops[0].delay_ns == 0
    assert 800_000 < sum(totals) / len(totals) < 1_200_000
