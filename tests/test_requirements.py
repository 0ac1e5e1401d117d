"""docs/requirements.md names every requirement once, and what it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"\| (?P<id>[A-Z0-9]+-[A-Z]?\d+(?:\.\d+)?) \| (?P<what>[^|]+) \| (?P<shown>[^|]+) \|$")
# `seeds.md` 1.1 to 1.6, and its algorithms, 3 and 4.
IDS = [
    *(f"S1-{number:02}" for number in range(1, 14)),
    *(f"S1-D{number}" for number in range(1, 13)),
    *("S1-B1", "S1-T1", "S1-T2"),
    *(f"S2-{number}" for number in range(1, 10)),
    *(f"M-{number:02}" for number in range(5)),
    *(f"L-{number}" for number in range(1, 10)),
    *(f"A-3.{number}" for number in range(2, 14)),
    *(f"A-4.{number}" for number in range(1, 6)),
]
ROWS = [match for line in (ROOT / "docs/requirements.md").read_text().splitlines() if (match := ROW.match(line))]
NODES = sorted({node for row in ROWS for node in re.findall(r"`(tests/[^`]+)`", row["shown"])})


def test_every_requirement_has_its_row():
    assert [row["id"] for row in ROWS] == IDS


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_row_says_what_shows_it_or_that_it_is_open(row: re.Match[str]):
    assert row["what"].strip()
    named = re.findall(r"`([^`]+)`", row["shown"])
    assert named or row["shown"].strip() == "open"
    for name in named:
        assert "::" in name or name.startswith(("hawser lab run ", "make ")) or (ROOT / name).is_file()


@pytest.mark.parametrize("node", NODES)
def test_a_node_exists(node: str):
    file, _, function = node.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    names = {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}
    assert function in names
