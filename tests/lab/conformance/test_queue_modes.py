"""S2-1: what a real kernel printed and did is the same here in each of the queue modes. `mq` is `rq` by another name since 5.0:
what was recorded of the one must come out of the other, too, and `rq` is what a table means that says nothing."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hawser.cli.lab_conformance import replay_all
from hawser.lab.conformance.transcript import read_transcript

FOLDER = Path(__file__).parents[2] / "conformance"
TABLE = re.compile(r"\bmultipath (\d+)((?: \S+)*)")
FEATURE = re.compile(
    r"queue_if_no_path|retain_attached_hw_handler|(pg_init_retries|pg_init_delay_msecs) \d+", re.IGNORECASE
)
WORDS_MAX = 8
# In which request-based maps fail over, queue, are suspended and reloaded, and merge.
SOME = ("31-failover-rq", "35-queue-if-no-path-rq", "41-suspend-rq", "60-merging-modes")


def in_mode(table: str, mode: str) -> str:
    """The same table with `queue_mode MODE` among its features, if it is a request-based one whose features can be read."""
    match = TABLE.search(table)
    if match is None:
        return table
    count, rest = int(match[1]), match[2].split()
    if count > len(rest):
        return table
    words, behind = rest[:count], rest[count:]
    for place in range(len(words) - 1):
        if words[place].lower() == "queue_mode":
            if words[place + 1].lower() not in ("rq", "mq"):
                return table
            words[place + 1] = mode
            return f"{table[: match.start()]}multipath {count} {' '.join([*words, *behind])}{table[match.end() :]}"
    if count + 2 > WORDS_MAX or FEATURE.sub("", " ".join(words)).strip():
        return table
    words += ["queue_mode", mode]
    return f"{table[: match.start()]}multipath {count + 2} {' '.join([*words, *behind])}{table[match.end() :]}"


def rewritten(text: str, mode: str) -> tuple[str, int]:
    """A transcript with all of its tables in that mode, and how many have changed for it."""
    changed = 0
    lines = text.splitlines()
    for number, line in enumerate(lines[1:], 1):
        step: dict[str, Any] = json.loads(line)
        if step["cmd"][0] not in ("dmsetup", "bg"):
            continue
        before = (list(step["cmd"]), step.get("stdin"))
        step["cmd"] = [in_mode(word, mode) for word in step["cmd"]]
        if step.get("stdin"):
            step["stdin"] = "\n".join(in_mode(word, mode) for word in step["stdin"].split("\n"))
        changed += before != (step["cmd"], step.get("stdin"))
        lines[number] = json.dumps(step)
    return "\n".join(lines) + "\n", changed


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("0 8 multipath 0 0 1 1 x", "0 8 multipath 2 queue_mode mq 0 1 1 x"),
        ("0 8 multipath 1 queue_if_no_path 0 0 0", "0 8 multipath 3 queue_if_no_path queue_mode mq 0 0 0"),
        ("0 8 multipath 2 queue_mode rq 0 0 0", "0 8 multipath 2 queue_mode mq 0 0 0"),
        ("0 8 multipath 2 queue_mode bio 0 0 0", "0 8 multipath 2 queue_mode bio 0 0 0"),
        ("0 8 multipath 1 nonsense 0 0 0", "0 8 multipath 1 nonsense 0 0 0"),
        ("0 8 linear 1:0 0", "0 8 linear 1:0 0"),
    ],
)
def test_how_tables_are_rewritten(table: str, expected: str):
    assert in_mode(table, "mq") == expected


def check(paths: list[Path], mode: str, tmp_path: Path) -> None:
    total = 0
    for path in paths:
        text, changed = rewritten(path.read_text(), mode)
        total += changed
        if changed:
            (tmp_path / f"{path.parent.name}-{path.name}").write_text(text)
    results = list(replay_all(sorted(tmp_path.glob("*.jsonl")), 1))
    assert total >= len(paths)
    assert [line for result in results for line in result.tally.differences] == []
    assert sum(result.tally.passed for result in results) > 20 * len(results)


@pytest.mark.parametrize("name", SOME)
def test_what_was_recorded_request_based_comes_out_of_mq(name: str, tmp_path: Path):
    check([FOLDER / "transcripts" / f"{name}.jsonl"], "mq", tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["rq", "mq"])
def test_all_that_was_recorded_request_based(mode: str, tmp_path: Path):
    paths = [path for path in sorted(FOLDER.glob("*/*.jsonl")) if rewritten(path.read_text(), mode)[1]]
    check(paths, mode, tmp_path)


def test_every_mode_has_been_recorded():
    """Tables of each mode, and some that say nothing, in many scenarios: the suite itself covers the three."""
    seen: Counter[str] = Counter()
    for path in sorted((FOLDER / "transcripts").glob("*.jsonl")):
        text = " ".join(" ".join(step["cmd"]) for step in map(json.loads, path.read_text().splitlines()[1:]))
        read_transcript(path.read_text())
        modes = {mode.lower() for mode in re.findall(r"queue_mode (bio|rq|mq)\b", text, re.IGNORECASE)}
        seen.update(modes | ({"default"} if re.search(r"multipath (0|1 queue_if_no_path) 0", text) else set()))
    assert all(seen[mode] >= least for mode, least in (("bio", 15), ("default", 10), ("mq", 3), ("rq", 2))), seen
