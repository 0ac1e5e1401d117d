"""What became of each mutant, kept as one line of JSON each, so that a run that was broken off can go on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tools.mutants.mutant import Mutant
from tools.mutants.stages import TREE

RESULTS: Final = Path("build/mutants/results.jsonl")


@dataclass(frozen=True)
class Result:
    """`stage` killed it, and in it `killer`; both are empty when it survived. `stages` says how many seconds each stage took."""

    key: str
    content: str
    stage: str
    killer: str
    hung: bool
    stages: dict[str, float]

    def survived(self) -> bool:
        return not self.stage


class ResultFile:
    """The first line names the tree and the stages; what was found about another tree is worth nothing here."""

    def __init__(self, path: Path, tree: str, stages: tuple[str, ...]) -> None:
        self.path = path
        self.head = json.dumps({"tree": tree, "stages": list(stages)})

    def load(self) -> dict[str, Result]:
        """The results of the same tree and stages, by content of the mutant."""
        if not self.path.exists():
            return {}
        head, *lines = self.path.read_text().splitlines() or [""]
        if head != self.head:
            return {}
        found = [Result(**json.loads(line)) for line in lines if line.endswith("}")]
        return {result.content: result for result in found}

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


def tree_hash(root: Path) -> str:
    whole = hashlib.sha256()
    for path in tree_files(root):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def content_hash(mutant: Mutant) -> str:
    return hashlib.sha256(json.dumps(mutant.files, sort_keys=True).encode()).hexdigest()
