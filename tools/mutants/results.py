"""What became of each mutant, kept as one line of JSON each, so that a run that was broken off can go on.

While tests are written for the survivors, what has been killed stays so: a kill counts for as long as the source, what all tests
share, and the file of the test that killed it are the same, but for comments. A survival counts until anything changes.
"""

import ast
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tools.mutants.mutant import Mutant
from tools.mutants.stages import NEAR, TREE

RESULTS: Final = "build/mutants/{part}.jsonl"


@dataclass(frozen=True)
class Result:
    """`stage` killed it, and in it `killer`; both are empty when it survived. `stages` says how many seconds each stage took.
    `evidence`: what the result rests on, see `Tree`."""

    key: str
    content: str
    stage: str
    killer: str
    hung: bool
    stages: dict[str, float]
    evidence: str = ""

    def survived(self) -> bool:
        return not self.stage

    def covers(self, wanted: list[str]) -> bool:
        """Whether a run of these stages has to come to the same. (What is near is part of unit.)"""
        if not self.survived():
            return self.stage in wanted or self.stage == NEAR
        return all(stage in self.stages for stage in wanted if stage != NEAR)


class Tree:
    """Hashes of a tree of source and tests: `base` of all but the test files, `evidence` of what a result rests on besides."""

    def __init__(self, root: Path) -> None:
        self.tests: dict[str, str] = {}
        base, tests = hashlib.sha256(), hashlib.sha256()
        for path in tree_files(root):
            name, data = path.relative_to(root).as_posix(), _meaning(path).encode()
            if path.name.startswith("test_"):
                self.tests[name] = hashlib.sha256(data).hexdigest()
                tests.update(f"{name} {self.tests[name]}\n".encode())
            else:
                base.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
        self.base = base.hexdigest()
        self.all_tests = tests.hexdigest()

    def evidence(self, killer: str) -> str:
        """The test file that `killer` names; all of them for a survival, and for what no test has killed."""
        return self.tests.get(killer.partition("::")[0], self.all_tests)


class ResultFile:
    """The first line names the source; what was found about another one is worth nothing here."""

    def __init__(self, path: Path, tree: Tree) -> None:
        self.path = path
        self.tree = tree
        self.head = json.dumps({"source": tree.base})

    def load(self) -> dict[str, Result]:
        """The results that still hold, by content of the mutant."""
        if not self.path.exists():
            return {}
        head, *lines = self.path.read_text().splitlines() or [""]
        if head != self.head:
            return {}
        found = [Result(**json.loads(line)) for line in lines if line.endswith("}")]
        return {result.content: result for result in found if result.evidence == self.tree.evidence(result.killer)}

    def start(self, kept: list[Result]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(f"{line}\n" for line in [self.head, *map(_line, kept)]))

    def add(self, result: Result) -> None:
        with self.path.open("a") as file:
            file.write(_line(result) + "\n")


def _line(result: Result) -> str:
    return json.dumps(asdict(result))


def tree_files(root: Path) -> list[Path]:
    """The files of the tree that a copy is made of."""
    found: list[Path] = []
    for name in TREE:
        place = root / name
        found += sorted(place.rglob("*")) if place.is_dir() else [place]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def content_hash(mutant: Mutant) -> str:
    files = {path: _code(text) for path, text in mutant.files.items()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _meaning(path: Path) -> str:
    return _code(path.read_text()) if path.suffix == ".py" else path.read_bytes().decode(errors="replace")


def _code(text: str) -> str:
    """What of a source text Python runs: no comments, nor docstrings, nor where lines end."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree)
