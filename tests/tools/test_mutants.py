"""The mutants' own machinery: what is mutated, that patches apply, who kills, and what it comes to."""

import ast
import sys
from pathlib import Path

import pytest
from tools.mutants import patches, protections, sampling
from tools.mutants.mutant import PATCH, SAMPLED, Mutant
from tools.mutants.nearby import last_killers, near_tests
from tools.mutants.operators import find_edits
from tools.mutants.patches import PatchError
from tools.mutants.report import write
from tools.mutants.results import Result, ResultFile, Tree, content_hash
from tools.mutants.runner import Baseline, RunError, Runner
from tools.mutants.sampling import PROTECTIONS
from tools.mutants.stages import NAMES, NEAR, SEEDS, TRANSCRIPTS, UNIT, command, guarded, is_met, judge
from tools.mutants.verdicts import Judgements, read_judgements, tally

ROOT = Path(__file__).resolve().parents[2]

SOURCE = '''\
"""A docstring with 1 == 2 in it."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from a import b

READ: Final = 0
LIMIT_MAX: Final = 7
Words = list[int] | None


class Thing(Base):
    """1 + 1"""

    def __init__(self, size: int | None = None) -> None:
        super().__init__()
        self.size: int | None = size
        self.left = 3

    def take(self, count: int) -> bool:
        """Whether count == 0."""
        assert count >= 0, "a count"
        self.log.warning(f"{count + 1}")
        if count < self.left and not self.closed:
            self.left -= count
            raise ValueError(f"{count == 1}")
        return count == 0

    def abstract(self) -> None:
        raise NotImplementedError
'''


def whats(source: str) -> list[str]:
    return [edit.what for edit in find_edits(source)]


def test_the_operators_find_these_and_nothing_else():
    assert whats(SOURCE) == [
        "`7` -> `6`",
        "`7` -> `8`",
        "`3` -> `2`",
        "`3` -> `4`",
        "negate `count < self.left and not self.closed`",
        "`count < self.left` -> `<=`",
        "`count < self.left and not self.closed` -> `or`",
        "`not self.closed` -> `self.closed`",
        "`self.left -= count` -> `self.left += count`",
        "delete `self.left -= count`",
        'delete `raise ValueError(f"{count == 1}")`',
        "return not `count == 0`",
        "`count == 0` -> `!=`",
        "`0` -> `1`",
    ]


@pytest.mark.parametrize(
    ("body", "mutated"),
    [
        ("return a is None or b", "return a is None and b"),
        ("return a is None", "return a is not None"),
        ("return (a\n        ) not in b", "return (a\n        ) in b"),
        ("return 1 <= a < 9", "return 1 < a < 9"),
        ("return -a // b", "return -a * b"),
        ("return min(a, b)", "return max(a, b)"),
        ("for a in b:\n        continue", "for a in b:\n        break"),
        ("go(a, loud=True)", "go(a, loud=False)"),
        ("go(\n        a,\n    )", "pass"),
        ("return [x for x in a if x]", "return [x for x in a if not (x)]"),
        ("é = 'ü' if a else 5", "é = 'ü' if a else 6"),
    ],
)
def test_an_operator_changes_its_own_place_alone(body: str, mutated: str):
    source = f"def run(a, b):\n    {body}\n    return None\n"
    found = [edit.apply(source.encode()).decode() for edit in find_edits(source)]
    assert f"def run(a, b):\n    {mutated}\n    return None\n" in found


@pytest.mark.parametrize(
    "body", ["x: list[int] | None", "assert a == 1", "'''a == 1'''", "import a", "return f'{a + 1}'"]
)
def test_no_operator_touches(body: str):
    assert whats(f"def run(a: int | None, b: Callable[[int], bool]) -> str:\n    {body}\n") == []


@pytest.fixture(scope="module")
def sampled() -> list[Mutant]:
    return sampling.sample(ROOT)


def mutated(found: list[Mutant]) -> set[str]:
    return {path for mutant in found for path in mutant.files}


def mutable(part: str) -> set[str]:
    """The files of a part in which there is anything to change."""
    return {path for path in sampling.source_files(ROOT, part) if find_edits((ROOT / path).read_text())}


def test_the_sample_is_large_spread_over_all_files_and_the_same_again(sampled: list[Mutant]):
    assert len(sampled) >= 120
    assert len({mutant.key for mutant in sampled}) == len(sampled)
    assert mutated(sampled) == mutable(sampling.ENGINE)
    assert [mutant.name for mutant in sampling.sample(ROOT)] == [mutant.name for mutant in sampled]


def test_what_protects_data_has_a_sample_of_its_own_outside_of_the_engine_too():
    found = sampling.sample(ROOT, part=PROTECTIONS)
    assert len(found) >= 200
    assert mutated(found) == mutable(PROTECTIONS)
    assert {mutant.room() for mutant in found} == {"block", "dm", "multipath", "manager", "paths", "service"}


def test_each_protection_has_a_rule_and_patches_that_there_are(tmp_path: Path):
    found = protections.read()
    assert len(found) >= 15
    assert protections.patch_names(found) <= {mutant.key for mutant in patches.load(ROOT)}
    place = tmp_path / "protections.toml"
    place.write_text('["a lock"]\nrule = "one gateway"\npatches = []\n')
    with pytest.raises(ValueError, match="'a lock': want a rule, and patches that take it out"):
        protections.read(place)


def test_a_mutant_compiles_differs_and_changes_one_place(sampled: list[Mutant]):
    for mutant in [*sampled, *sampling.sample(ROOT, 60, PROTECTIONS)]:
        ((path, text),) = mutant.files.items()
        assert text != (ROOT / path).read_text(), mutant.name
        ast.parse(text)
        assert mutant.diff(lambda name: (ROOT / name).read_text()).count("\n@@ ") == 1, mutant.name


def test_a_mutant_stays_the_same_when_another_function_changes():
    first = "def one(a):\n    return a + 1\n\n\ndef two(a):\n    return a - 2\n"
    second = "def one(a):\n    x = a\n    return a * 10 + 1\n\n\ndef two(a):\n    return a - 2\n"
    before, after = (
        {mutant.key for _, mutant in sampling.candidates("src/hawser/x.py", text)} for text in (first, second)
    )
    two = {key for key in before if key.startswith("x.py two:")}
    assert two
    assert two <= after


def test_every_patch_applies_and_still_is_python():
    mutants = patches.load(ROOT)
    assert len(mutants) >= 16
    for mutant in mutants:
        for path, text in mutant.files.items():
            # What is written by hand may be wrong where the manager decides, and in what protects data elsewhere, too.
            rooms = (*sampling.ROOMS, "manager", "paths", "service")
            assert path.startswith(tuple(f"src/hawser/{room}/" for room in rooms)), mutant.name
            assert text != (ROOT / path).read_text(), mutant.name
            ast.parse(text)


HEADER = "Title: t\nSource: s,\n goes on\nBreaks: b\nKilled-by: unit\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n"
DIFF = HEADER + "@@ -2,2 +2,3 @@\n two\n-three\n+3\n+3\n"


@pytest.mark.parametrize("above", ["", "new\n", "new\n" * 9])
def test_a_patch_finds_its_lines_where_they_moved_to(above: str):
    read = patches.read_patch("x.patch", DIFF, lambda path: above + "one\ntwo\nthree\nfour\n")
    assert read.files == {"f": above + "one\ntwo\n3\n3\nfour\n"}
    assert (read.key, read.source, read.expected) == ("x", "s, goes on", "unit")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (DIFF, "x.patch: f: does not apply any more: its lines from 2 on are not there"),
        (DIFF.replace("Breaks: b\n", ""), "no Breaks in its header"),
        (DIFF.replace("unit", "luck"), "Killed-by 'luck': want one of unit, seeds, explore"),
        ("Title: t\nSource: s\nBreaks: b\nKilled-by: unit\n", "changes no file"),
    ],
)
def test_a_patch_that_cannot_be_used_says_why(text: str, complaint: str):
    with pytest.raises(PatchError, match=complaint):
        patches.read_patch("x.patch", text, lambda path: "one\nthree\n")


@pytest.mark.parametrize(
    ("stage", "status", "said", "killer", "hung", "trouble"),
    [
        (
            UNIT,
            1,
            "..F\nFAILED tests/dm/test_a.py::test_b[1 - x] - assert\n",
            "tests/dm/test_a.py::test_b[1",
            False,
            "",
        ),
        (UNIT, 1, "FAILED tests/a.py::test_b - Failed: Timeout (>20.0s) from x\n", "tests/a.py::test_b", True, ""),
        (UNIT, 4, "ERROR: not found\n", "", False, "ERROR: not found"),
        (UNIT, None, "", "does not end", True, ""),
        (UNIT, -9, "", "exit status -9", False, ""),
        (UNIT, 97, "wrong\n", "", False, "wrong"),
        (TRANSCRIPTS, 1, "62-a.jsonl[17] dmsetup ls\n    stdout\n", "62-a.jsonl[17]", False, ""),
        (SEEDS, 1, "a value is back\nagain: hawser lab fuzz --seed 17\n", "seed 17", False, ""),
        (SEEDS, 2, "Usage: hawser lab\nError: No such command 'fuzz'.\n", "", False, "Error: No such command 'fuzz'."),
    ],
)
def test_what_a_stage_said_is_understood(stage, status, said, killer, hung, trouble):
    outcome = judge(stage, status, said)
    assert (outcome.killer, outcome.hung, outcome.trouble, outcome.passed) == (killer, hung, trouble, False)


def result(key: str, stage: str = "", hung: bool = False) -> Result:
    return Result(key, f"content of {key}", stage, "who" if stage else "", hung, {"unit": 1.0})


def mutant(key: str, kind: str = SAMPLED) -> Mutant:
    files = {f"src/hawser/dm/{key}.py": key}
    if kind == SAMPLED:
        return Mutant(key, f"{key}:1", kind, files)
    return Mutant(key, f"{key}.patch", kind, files, "a | title", "a source", "breaks", "unit")


JUDGED = Judgements({"e": "cannot differ"}, {"s": "nobody looks"})
FOUND = [
    (mutant("a"), result("a", "unit")),
    (mutant("b"), result("b", "seeds", hung=True)),
    (mutant("c", PATCH), result("c", "unit")),
    (mutant("e"), result("e")),
    (mutant("s", PATCH), result("s")),
]


def test_equivalent_mutants_do_not_count_and_survivors_do():
    counted = tally(FOUND, JUDGED)
    assert (counted.total(), counted.killed, counted.survived, counted.equivalent, counted.hung) == (5, 3, 1, 1, 1)
    assert counted.stages == {"unit": 2, "seeds": 1}
    assert counted.percent() == 75.0
    assert tally([], JUDGED).percent() == 100.0


def test_the_report_has_the_numbers_the_reasons_and_every_mutant():
    lines = write(FOUND, JUDGED).splitlines()
    assert "| patches | 2 | 1 | 0 | 1 | 0 | 0 | 0 | 1 | 0 | 50.0 % |" in lines
    assert "| sampled | 3 | 2 | 0 | 1 | 0 | 1 | 0 | 0 | 1 | 100.0 % |" in lines
    assert "| together | 5 | 3 | 0 | 2 | 0 | 1 | 0 | 1 | 1 | 75.0 % |" in lines
    assert r"| a \| title | nobody looks |" in lines
    assert "| e:1 | cannot differ |" in lines
    assert r"| c | a \| title | a source | breaks | unit: who |" in lines
    assert "| b:1 | seeds: who (time ran out) |" in lines


def test_the_report_of_the_protections_says_what_takes_each_out_and_who_kills_that():
    shown = [protections.Protection("a fence", "it waits", ("c", "gone"))]
    lines = write(FOUND, JUDGED, PROTECTIONS, shown).splitlines()
    assert r"| a fence: it waits | c | a \| title | unit: who |" in lines
    assert "| a fence: it waits | gone |  | (not run) |" in lines
    assert "| together | 5 | 3 | 0 | 2 | 0 | 1 | 0 | 1 | 1 | 75.0 % |" in lines
    assert not any("This run was of" in line for line in lines)
    said = write(FOUND, JUDGED, PROTECTIONS, shown, (NEAR, UNIT))
    assert "This run was of the stages near, unit: a mutant that survived here might not" in said


def test_outside_of_the_engine_a_mutant_meets_tests_only():
    assert [stage for stage in NAMES if is_met(stage, "paths")] == [NEAR, UNIT]
    assert [stage for stage in NAMES if is_met(stage, "manager")] == list(NAMES)
    words = command(UNIT, "service", [])
    assert next(word for word in words if word.startswith("tests/")).startswith("tests/service/")
    assert "tests/paths" in words and "tests/multipath" not in words
    assert "tests/multipath" in command(UNIT, "multipath", [])


def test_what_killed_a_mutant_before_and_what_is_named_after_its_file_runs_first(tmp_path: Path):
    sampled = "dm/x.py f: `a | b` -> `&`"
    killed = [
        (mutant(sampled), Result(sampled, "", "unit", "tests/dm/test_q.py::test_b[1 - x|y]", False, {})),
        (mutant("a-patch", PATCH), Result("a-patch", "", "near", "tests/dm/test_p.py::test_a", True, {})),
        (mutant("b"), result("b", "seeds")),
    ]
    report = write(killed, JUDGED).replace("dm/x.py f:", "dm/x.py:12 f:").replace("`&`:1", "`&`")
    killers = last_killers(report)
    assert killers == {sampled: "tests/dm/test_q.py", "a-patch": "tests/dm/test_p.py"}
    for name in ("test_b", "test_pinned_x", "test_x", "test_q"):
        (tmp_path / "tests/dm").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"tests/dm/{name}.py").touch()
    wrong = Mutant(sampled, "", SAMPLED, {"src/hawser/dm/targets/x.py": ""})
    near = ["tests/dm/test_q.py", "tests/dm/test_pinned_x.py", "tests/dm/test_x.py"]
    assert near_tests(tmp_path, wrong, killers) == near
    assert near_tests(tmp_path, wrong, {}) == near[1:]


def test_judgements_have_reasons_and_are_of_one_kind(tmp_path: Path):
    read_judgements()
    place = tmp_path / "judged.toml"
    place.write_text('[equivalent]\n"a" = " "\n')
    with pytest.raises(ValueError, match="'a': no reason"):
        read_judgements(place)
    place.write_text('[equivalent]\n"a" = "x"\n[survivors]\n"a" = "y"\n')
    with pytest.raises(ValueError, match="in both tables: a"):
        read_judgements(place)


def test_a_kill_is_kept_while_source_and_killer_are_the_same_a_survival_while_all_tests_are(tmp_path: Path):
    root = tmp_path / "root"
    for name in ("src/hawser/x.py", "tests/conftest.py", "tests/test_a.py", "tests/test_b.py", "pyproject.toml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    tree = Tree(root)
    dead = Result("a", "1", UNIT, "tests/test_a.py::test_x[1]", False, {}, tree.evidence("tests/test_a.py::test_x[1]"))
    alive = Result("e", "2", "", "", False, {UNIT: 1.0}, tree.evidence(""))
    seeds = Result("s", "3", SEEDS, "seed 5", False, {}, tree.evidence("seed 5"))
    file = ResultFile(tmp_path / "build" / "r.jsonl", tree)
    file.start([])
    for each in (dead, alive, seeds):
        file.add(each)
    with file.path.open("a") as half:
        half.write('{"key": "broken o')

    def kept() -> list[str]:
        return sorted(ResultFile(file.path, Tree(root)).load())

    assert file.load() == {"1": dead, "2": alive, "3": seeds}
    (root / "tests/test_b.py").write_text("more")
    assert kept() == ["1"]
    (root / "tests/test_a.py").write_text("more")
    assert kept() == []
    (root / "tests/test_a.py").write_text("tests/test_a.py")
    assert kept() == ["1"]
    for name in ("src/hawser/x.py", "tests/conftest.py"):
        (root / name).write_text("more")
        assert kept() == []
        (root / name).write_text(f"{name}  # why")
        assert kept() == ["1"]
        (root / name).write_text(name)


@pytest.mark.parametrize(
    ("found", "wanted", "covered"),
    [
        (Result("a", "", UNIT, "t", False, {}), [UNIT, SEEDS], True),
        (Result("a", "", NEAR, "t", False, {}), [UNIT], True),
        (Result("a", "", SEEDS, "t", False, {}), [UNIT], False),
        (Result("a", "", "", "", False, {UNIT: 1.0}), [NEAR, UNIT], True),
        (Result("a", "", "", "", False, {UNIT: 1.0}), [UNIT, SEEDS], False),
    ],
)
def test_a_result_serves_a_run_of_other_stages_that_would_come_to_the_same(found, wanted, covered):
    assert found.covers(wanted) is covered


# A tree of one module, and a stage of one line.

TEXT = "ANSWER = 42\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for directory in ("src/hawser/dm", "tests"):
        (root / directory).mkdir(parents=True)
    (root / "pyproject.toml").write_text("")
    for module, text in (("__init__", ""), ("dm/__init__", ""), ("dm/x", TEXT)):
        (root / f"src/hawser/{module}.py").write_text(text)
    return root


def tiny(_stage: str, _room: str, _modules: list[str], _near: list[str]) -> list[str]:
    """Imports the copy's module: it must say 42, and a question takes its time."""
    text = (
        "import hawser.dm.x as x, time; print('seed 5'); time.sleep(x.ANSWER == 'slow' and 60); assert x.ANSWER == 42"
    )
    return [sys.executable, "-c", text]


def run_one(tree: Path, place: Path, text: str, timeout_s: float = 0.0) -> Result:
    runner = Runner(tree, place, (SEEDS,), tiny)
    made = Mutant("x", "x:1", SAMPLED, {"src/hawser/dm/x.py": text})
    baseline = runner.baseline()
    if timeout_s:
        baseline = Fast(baseline.seconds)
    ((_, found),) = runner.run([made], baseline, 1)
    assert sorted(path.name for path in place.iterdir()) == ["tree"]
    assert (tree / "src/hawser/dm/x.py").read_text() == TEXT
    assert found.content == content_hash(made)
    return found


class Fast(Baseline):
    def timeout_s(self, stage: str) -> float:
        return 1.0


def test_a_bad_mutant_is_killed_and_a_harmless_one_survives(tree: Path, tmp_path: Path):
    killed = run_one(tree, tmp_path / "1", "ANSWER = 43\n")
    assert (killed.stage, killed.killer, killed.hung) == (SEEDS, "seed 5", False)
    assert run_one(tree, tmp_path / "2", "ANSWER = 40 + 2\n").survived()


def test_a_mutant_that_does_not_end_is_killed_by_the_time(tree: Path, tmp_path: Path):
    killed = run_one(tree, tmp_path / "1", "ANSWER = 'slow'\n", timeout_s=1.0)
    assert (killed.stage, killed.hung) == (SEEDS, True)


def test_without_a_sound_tree_there_is_no_run(tree: Path, tmp_path: Path):
    (tree / "src/hawser/dm/x.py").write_text("ANSWER = 41\n")
    with pytest.raises(RunError, match="the unmutated tree does not pass the stage seeds: seed 5"):
        Runner(tree, tmp_path / "1", (SEEDS,), tiny).baseline()


def test_the_guard_runs_only_what_lies_in_the_copy(tmp_path: Path):
    """Here there is no source, so that the installed package would be imported."""
    runner = Runner(ROOT, tmp_path / "1", (UNIT,), guarded)
    (runner.tree / "src/hawser/dm/registry.py").unlink()
    status, said = runner.programs.run(guarded(UNIT, "dm", ["hawser.dm.registry"], []), runner.tree, 30.0)
    assert (status, said) == (97, "hawser.dm.registry comes from None, not from this copy's source\n")


def test_of_several_commands_the_first_that_fails_is_the_last(tmp_path: Path):
    runner = Runner(ROOT, tmp_path / "1", (TRANSCRIPTS,), guarded)
    words = guarded(TRANSCRIPTS, "dm", ["hawser.dm.registry"], [])
    assert [word for word in words if word.startswith("tests/")] == [
        f"tests/conformance/{name}" for name in ("transcripts", "corners", "more", "random")
    ]
    for first, ends in (("--help", (0, 2)), ("--nosuch", (2, 1))):
        commands = [*words[:4], "lab", first, "++", "lab", "--help"]
        status, said = runner.programs.run(commands, runner.tree, 30.0)
        assert (status, said.count("Usage: ")) == ends
