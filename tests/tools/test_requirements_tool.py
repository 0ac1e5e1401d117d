"""tools.requirements: what it reads, what it draws, and that every requirement it should know has tests and a patch."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tools import requirements
from tools.mutants import patches
from tools.mutants.mutant import PATCH, Mutant
from tools.mutants.stages import Outcome
from tools.requirements import Case, cases, draw, report, shown

DOCUMENT = (requirements.ROOT / requirements.DOCUMENT).read_text()
# Those with a rule of the engine that can be taken out.
WITH_A_RULE = [
    *(f"S1-{number:02}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13)),
    *(f"S1-D{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12)),
    "S1-B1",
    "S1-T1",
    "S1-T2",
    "L-8",
    *(f"S2-{number}" for number in range(1, 8)),
    *(f"A-3.{number}" for number in range(2, 14)),
    *(f"A-4.{number}" for number in range(1, 6)),
]

ROWS = """\
| id | what | shown by |
|---|---|---|
| S1-01 | one | `tests/a/test_b.py::test_c` `tests/a/test_b.py::test_d`; see `docs/x.md` |
| A-3.10 | two | `tests/a/test_e.py::test_f` and `make bench` |
| S2-1 | three | open |
"""


def mutant(key: str, *ids: str) -> Mutant:
    return Mutant(key, key, PATCH, {"src/hawser/block/bio.py": ""}, requirements=ids)


@pytest.fixture(scope="module")
def all_patches() -> list[Mutant]:
    return patches.load(requirements.ROOT)


def test_only_rows_that_name_tests_count_and_only_their_tests():
    assert shown(ROWS) == {
        "S1-01": ["tests/a/test_b.py::test_c", "tests/a/test_b.py::test_d"],
        "A-3.10": ["tests/a/test_e.py::test_f"],
    }


def test_every_requirement_with_every_patch_of_its():
    found = cases(shown(ROWS), [mutant("p", "S1-01", "A-3.10"), mutant("q", "S1-01"), mutant("r"), mutant("s", "S2-1")])
    assert [(case.id, case.mutant.key) for case in found] == [("S1-01", "p"), ("S1-01", "q"), ("A-3.10", "p")]


def test_the_same_seed_draws_the_same_and_one_patch_for_each():
    found = [Case(f"S1-{number}", [], mutant(f"{number} {which}")) for number in range(9) for which in "ab"]
    drawn = draw(found, 5, 7)
    assert drawn == draw(found, 5, 7)
    assert len({case.id for case in drawn}) == 5
    assert {case.mutant.key for seed in range(20) for case in draw(found, 9, seed)} == {
        case.mutant.key for case in found
    }


def test_more_than_there_are_cannot_be_drawn():
    with pytest.raises(ValueError, match="only 1 requirements have both tests and a patch: S1-01"):
        draw([Case("S1-01", [], mutant("p"))], 2, 0)
    result = CliRunner().invoke(requirements.main, ["--count", "1000", "--seed", "1"])
    assert result.exit_code == 1
    assert "requirements have both tests and a patch" in result.output


def test_it_says_which_tests_still_pass(capsys: pytest.CaptureFixture[str]):
    tried = [Case("S1-01", [], mutant("p")), Case("A-3.10", [], mutant("q"))]
    assert report(iter([(tried[0], Outcome(False, "tests/t.py::t")), (tried[1], Outcome(True))])) == 1
    assert capsys.readouterr().out.splitlines() == [
        "S1-01   fails as it must: tests/t.py::t (p)",
        "A-3.10  STILL PASSES with q",
    ]


def test_patches_name_requirements_of_the_document(all_patches: list[Mutant]):
    known = {found["id"] for found in requirements.ROW.finditer(DOCUMENT)}
    assert {name for each in all_patches for name in each.requirements} <= known


def test_what_has_a_rule_has_tests_and_a_patch_without_it(all_patches: list[Mutant]):
    assert sorted({case.id for case in cases(shown(DOCUMENT), all_patches)}) == sorted(WITH_A_RULE)


def test_the_files_that_are_named_are_in_the_copies():
    for nodes in shown(DOCUMENT).values():
        assert all(Path(node).parts[0] == "tests" for node in nodes)
