"""An orphan's sectors and its end, without a map around it."""

import pytest

from hawser.block.ops import WRITE
from hawser.block.orphan import Orphan


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [(0, 8, False), (0, 9, True), (8, 16, True), (10, 11, True), (15, 24, True), (16, 24, False)],
)
def test_it_overlaps_what_has_a_sector_in_common(start: int, end: int, overlaps: bool):
    orphan = Orphan("a", 1, WRITE, 8, 16, 1, None)
    assert orphan.overlaps(start, end) is overlaps


def test_of_two_proofs_the_first_counts():
    orphan = Orphan("a", 1, WRITE, 8, 16, 1, None)
    orphan.resolve("answered")
    orphan.resolve("process gone")
    assert orphan.proof == "answered"


def test_its_echoes_are_resolved_by_its_proof_whenever_they_were_made():
    orphan = Orphan("a", 1, WRITE, 8, 16, 1, None)
    before = orphan.echo(108, 116, overlapped=False)
    orphan.resolve("answered")
    behind = orphan.echo(208, 216, overlapped=False)
    assert (before.proof, behind.proof) == ("answered", "answered")
