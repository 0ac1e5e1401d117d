"""`hawser lab explain`: what became of single I/Os, in words."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hawser.cli.main import main

SCENARIO = """
name = "two"
hypothesis = "h"
seconds = 0.02
warm-up = 0
[array]
paths = 3
[path.2]
fixed-us = 800
[[load]]
depth = 6
clients = 2
[[load]]
pattern = "sequential"
depth = 8
[over]
selector = ["queue-length 0", "service-time 0"]
"""


def explain(directory: Path, *words: str, text: str = SCENARIO) -> Result:
    file = directory / "two.toml"
    file.write_text(text)
    return CliRunner().invoke(main, ["lab", "explain", str(file), *words])


def test_one_io_and_why_it_took_its_path(tmp_path: Path):
    found = explain(tmp_path, "--io", "30")
    assert found.exit_code == 0, found.output
    first, _, second, third, *rest = found.output.splitlines()
    assert first.startswith("two, seed 0: ") and first.endswith("over 3 paths by queue-length 0, rq, none")
    assert second.startswith("I/O 30: read 4096 @ ") and "ok after " in second
    assert third.startswith("  of that ") and third.endswith("us on the path")
    text = "\n".join(rest)
    assert "by queue-length: " in text and "-> " in text
    for name in ("p0", "p1", "p2", "service-time", "historical-service-time", "io-affinity", "cannot be told"):
        assert name in text
    assert max(len(line) for line in rest) <= 120


def test_without_a_number_it_is_the_slowest(tmp_path: Path):
    found = explain(tmp_path)
    assert found.exit_code == 0, found.output
    assert found.output.count("\nI/O ") == 1
    assert "none took longer" in found.output or "not answered when the scenario was over" in found.output
    assert explain(tmp_path, "--slowest", "3").output.count("\nI/O ") == 3
    assert explain(tmp_path, "--io", "5", "--slowest", "2", "--io", "6").output.count("\nI/O ") == 4


def test_another_value_than_the_files(tmp_path: Path):
    found = explain(tmp_path, "--io", "5", "--with", "selector=round-robin 0", "--with", "mode=bio", "--seed", "3")
    assert found.exit_code == 0, found.output
    assert "two, seed 3" in found.output and "by round-robin 0, bio, none" in found.output
    assert "round-robin: its turn, then those of " in found.output


def test_the_same_again_is_the_same(tmp_path: Path):
    assert explain(tmp_path, "--slowest", "2").output == explain(tmp_path, "--slowest", "2").output


def test_what_was_fenced_says_for_how_long(tmp_path: Path):
    text = """
name = "gone"
hypothesis = "h"
size = "64k"
seconds = 0.05
warm-up = 0
[array]
paths = 2
[manager]
proof = 0.004
[[load]]
depth = 16
write-percent = 100
[[fault]]
kind = "kill"
path = [0]
at = 0.02
"""
    found = explain(tmp_path, text=text)
    assert found.exit_code == 0, found.output
    assert "of it behind a fence)" in found.output, found.output
    assert "fenced    behind write of sectors " in found.output
    assert "p0    failed" in found.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--io", "99999999"], "there is no I/O 99999999: scenario two, seed 0, has "),
        (["--with", "selector=round-robin 0,service-time 0"], "--with selector: want one value"),
        (["--with", "colour=blue"], "colour"),
        (["--io", "0"], "0 is not in the range"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, words: list[str], text: str):
    found = explain(tmp_path, *words)
    assert found.exit_code == 2
    assert text in found.output


def test_a_file_that_is_wrong(tmp_path: Path):
    found = explain(tmp_path, text="name = 3")
    assert found.exit_code == 2
    assert "hawser lab explain: " in found.output and "two.toml" in found.output
