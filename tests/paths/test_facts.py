"""By what a disk is known again, through another path or through the same."""

from dataclasses import replace

import pytest

from hawser.core.units import KIB, MIB
from hawser.nbd.client_handshake import Negotiated
from hawser.paths.facts import PathFacts, wwids_differ
from hawser.paths.nbd_facts import facts_of

FACTS = PathFacts(1 << 20, 512, 4096, False, True, True, True, True, 1 << 25)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size_bytes": 512}, "its size is 512 bytes, not 1048576"),
        ({"read_only": True}, "it is read-only"),
        ({"block_size": 4096}, "its block size is 4096 bytes, not 512"),
        ({"wwid": "naa.2"}, "its WWID is 'naa.2', not 'naa.1'"),
        ({"export_name": "other"}, "the server calls its export 'other', not 'e'"),
        ({"description": "LUN 8"}, "the server describes it as 'LUN 8', not 'LUN 7'"),
        ({"size_bytes": 1 << 21}, ""),
        ({"block_size": 256, "rmw_unit": 512, "can_fua": False, "max_bytes": 4096}, ""),
        ({"wwid": "", "export_name": "", "description": ""}, ""),
    ],
)
def test_what_makes_it_another_disk_than_it_was(change: dict, words: str):
    before = replace(FACTS, wwid="naa.1", export_name="e", description="LUN 7")
    assert replace(before, **change).changed_from(before) == words
    if "wwid" in change and not words:
        assert before.changed_from(replace(before, **change)) == "", "nor is something more that is known"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"read_only": True}, "it is read-only"),
        ({"block_size": 4096}, "its block size is 4096 bytes, not 512"),
        ({"wwid": "naa.2"}, "its WWID is 'naa.2', not 'naa.1'"),
        ({"size_bytes": 512}, ""),
        ({"export_name": "other", "description": "LUN 8"}, ""),
    ],
)
def test_by_what_two_paths_cannot_lead_to_one_disk(change: dict, words: str):
    other = replace(FACTS, wwid="naa.1", export_name="e", description="LUN 7")
    assert replace(other, **change).differs_from(other) == words


def test_what_is_learned_later_counts_from_then_on():
    first = replace(FACTS, export_name="e")
    known = replace(FACTS, size_bytes=1 << 21, export_name="x", description="LUN 7").known_since(first)
    assert known == replace(FACTS, export_name="e", description="LUN 7")


@pytest.mark.parametrize(
    ("wwid", "other", "differ"),
    [
        ("naa.1", "naa.2", True),
        ("naa.1", "naa.1", False),
        ("naa.1", "eui.1", True),
        ("", "naa.2", False),
        ("serial.1", "serial.2", True),
        ("serial.1", "naa.2", False),
        ("naa.1-part1", "naa.1-part2", True),
    ],
)
def test_which_names_are_compared(wwid: str, other: str, differ: bool):
    assert bool(wwids_differ(wwid, other)) is bool(wwids_differ(other, wwid)) is differ


@pytest.mark.parametrize(
    ("least", "preferred", "stated", "block", "unit"),
    [
        (1, 4 * KIB, False, 512, 4 * KIB),
        (1, 64 * KIB, False, 512, 4 * KIB),
        (1, 512, True, 512, 512),
        (512, 64 * KIB, True, 512, 64 * KIB),
        (512, 128 * KIB, True, 512, 64 * KIB),
        (1, 1, True, 512, 512),
        (4 * KIB, 4 * KIB, True, 4 * KIB, 4 * KIB),
        (64 * KIB, 64 * KIB, True, 64 * KIB, 64 * KIB),
    ],
)
def test_what_a_server_may_rewrite_is_what_it_prefers_within_reason(
    least: int, preferred: int, stated: bool, block: int, unit: int
):
    said = Negotiated("e", 10 * MIB + 700, 0, least, preferred, 32 * MIB, stated, b"")
    facts = facts_of(said, "naa.1")
    assert (facts.block_size, facts.rmw_unit, facts.wwid) == (block, unit, "naa.1")
    assert facts.size_bytes == (10 * MIB + 700) // block * block
    assert facts.max_bytes == 32 * MIB
