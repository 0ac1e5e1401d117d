"""Experiments about merging: their claims hold in small, and do not without what they are about."""

from tests.lab.experiments.small import failed, found_by

from hawser.lab.experiments.busy_feedback import BusyFeedback, commands_of, gain_of
from hawser.lab.experiments.elevator import Elevator
from hawser.lab.experiments.merge_before_map import MergeBeforeMap
from hawser.lab.experiments.merge_deadline import MergeDeadline
from hawser.lab.experiments.random_io import RandomIo
from hawser.lab.model.stack_rig import gain

STRIPED = {"bios": 256, "reader_bios": 256, "direct_reads": 4, "ks": (0.03, 10), "windows": (1, 128)}


def test_merge_before_map():
    findings = found_by(MergeBeforeMap(), **STRIPED)
    assert failed(findings) == []
    by_k = findings.curves[1]
    for k, bio, formula, rq in zip(by_k.series[0].xs, *(series.ys for series in by_k.series), strict=True):
        assert abs(bio / formula - 1) < 0.01, k
        assert rq > 0.95, k
    assert [text.split(":")[0] for text in findings.limits] == ["k", "read-ahead", "P", "readers"]


def test_merge_before_map_without_merging():
    """Then request-based is as slow as bio-based, and both are as slow as one path each."""
    wrong = failed(found_by(MergeBeforeMap(), **STRIPED, nomerges=2))
    assert {claim.requirement for claim in wrong} == {"S1-D7", "L-1"}
    assert any(claim.kind == "fitted" for claim in wrong)


BURST = {
    "bios": 1024,
    "sweep_bios": 256,
    "ks": (0.1, 10),
    "claimed_ks": (2, 2.7),
    "depths": (1, 512),
    "bursts": (128, 512),
}


def test_the_figures_of_the_criterion_are_what_the_formulas_give():
    assert commands_of(65_536) == 640
    assert [round(gain_of(65_536, k), 2) for k in (0.91, 2, 2.7, 10)] == [1.89, 2.94, 3.60, 10.02]
    assert [round(gain(k, 128), 1) for k in (2.7, 0.91, 10)] == [3.6, 1.9, 10.2]


def test_busy_feedback():
    """(3 times takes more bios than these: what is left are the figures that are derived of so many.)"""
    findings = found_by(BusyFeedback(), **BURST)
    assert [claim.requirement for claim in failed(findings)] == ["L-3"]
    commands, without = findings.claims[0], findings.claims[2]
    assert (commands.measured, without.measured) == (128 + 1 + 7, 1024)


def test_busy_feedback_of_a_longer_burst():
    assert BusyFeedback()._ratio(8_192) >= 3


def test_busy_feedback_without_feedback():
    wrong = failed(found_by(BusyFeedback(), **BURST, feedback=False))
    assert len(wrong) == 2 + 2 + 1, "the counts, what is gained, and what is gained of what was published"


def test_elevator():
    findings = found_by(Elevator(), writes=256, ks=(0.1, 10), outstandings=(16, 32, 512))
    assert [claim.text for claim in failed(findings) if claim.kind != "fitted"] == []
    assert [round(ratio, 2) for ratio in findings.curves[1].series[0].ys[:2]] == [1.0, 1.0]


def test_elevator_that_nobody_asks():
    wrong = failed(found_by(Elevator(), writes=256, ks=(2,), outstandings=(16, 512), honoured=False))
    assert [claim.measured for claim in wrong] == [1.0]


DEADLINE = {"reads": 4096, "ks": (2,), "deadlines_us": (20,), "bio_us": (1, 16), "readers": (1,)}


def test_merge_deadline():
    findings = found_by(MergeDeadline(), **DEADLINE)
    assert failed(findings) == []
    by_host = findings.curves[2].series[0].ys
    assert by_host[0] > 1.9 > 1.1 > by_host[1], "whoever asks slowly gains nothing"


def test_merge_deadline_of_nothing():
    wrong = failed(found_by(MergeDeadline(), **{**DEADLINE, "reads": 1024}, deadline_us=0))
    assert [claim.measured for claim in wrong] == [1.0, 1.0]


def test_random_io():
    findings = found_by(RandomIo(), reads=64, spans=(1 << 8, 1 << 14), opens=(256,))
    assert failed(findings) == []
    gains = findings.curves[0].series[0].ys
    assert gains[0] > 1.1 > gains[1], "on a disk of a megabyte there are neighbours"


def test_what_is_not_random_merges():
    wrong = failed(found_by(RandomIo(), reads=64, spans=(1 << 18,), opens=(256,), pattern="sequential"))
    assert {claim.kind for claim in wrong} == {"predicted", "derived"}
