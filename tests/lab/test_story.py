"""Stories: what matters is told in order, what went well is counted."""

import re

import pytest

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.draw import draw_plan
from hawser.lab.hazard_plans import HAZARDS
from hawser.lab.plan import (
    ANSWER_STEPS,
    CLIENT_STEPS,
    LINK_STEPS,
    MAP_STEPS,
    PORT_STEPS,
    SERVER_STEPS,
    WORLD_STEPS,
    ClientPlan,
    Op,
    Step,
)
from hawser.lab.spans import FOREVER, READER, Spans
from hawser.lab.story import FAULT, FOLD, header, tell, verdict
from hawser.lab.trial import Trial, attempt
from hawser.lab.words import describe_step, duration, plural, tidy

GHOST = HAZARDS[0]


def played(fences: bool = False) -> Trial:
    return attempt(GHOST.plan(fences), keep_events=True)


def texts(trial: Trial, everything: bool = False) -> list[str]:
    return [f"{line.lane}: {line.text}" for line in tell(trial, everything)]


def in_order(lines: list[str], *wanted: str) -> bool:
    rest = iter(lines)
    return all(any(text in line for line in rest) for text in wanted)


def test_the_ghost_is_told_from_its_beginning_to_the_verdict():
    trial = played()
    assert in_order(
        texts(trial),
        "world: server s0: the next write is executed and answered only after 3 s",
        "client c: asks: write 1 of sector 0",
        "path p0: sends write of sector 0 (write 1)",
        "path p0: gives up write of sector 0 (write 1): its fate is unknown",
        "map: multipath: 254:0: Failing path 259:0.",
        "client c: write 1 of sector 0 is acknowledged",
        "client c: write 2 of sector 0 is acknowledged",
        "server s0: GHOST: executes write of sector 0 (write 1)",
        "client c: read of sector 0 is answered: write 1",
        "judge: FAULT: c: read of 512 bytes at sector 0",
    )
    assert verdict(trial)[0].startswith("WRONG: c: read of 512 bytes")


def test_with_fences_the_fence_is_told():
    trial = played(fences=True)
    assert in_order(
        texts(trial),
        "map: disk: fence: write of sector 0 on p0",
        "map: disk: fence lifted",
        "write 2 of sector 0 is ack",
    )
    assert verdict(trial)[0].startswith("Everything was right: 4 I/Os")


def test_without_fences_none_is_said_to_be_lifted():
    assert not any("fence lifted" in text for text in texts(played()))


def test_times_never_go_back():
    trial = attempt(draw_plan(3), keep_events=True)
    times = [line.time_ns for line in tell(trial) if line.time_ns != FOREVER]
    assert times == sorted(times)


def test_what_went_well_is_counted_and_not_told():
    plan = GHOST.plan(fences=True)
    plan.steps = []
    plan.clients = [
        ClientPlan("c", [Op("write", 0, 1), Op("read", 0, 1), Op("flush"), Op("read", 1, 1)] * 10, start_ns=NS_PER_MS)
    ]
    trial = attempt(plan, keep_events=True)
    folds = [line for line in tell(trial) if line.tone == FOLD]
    counts: dict[str, int] = {}
    for line in folds:
        for count, word in re.findall(r"(\d+) (\w+)", line.text):
            counts[word] = counts.get(word, 0) + int(count)
    assert counts == {"writes": 10, "reads": 20, "flushes": 10}
    assert not any("asks" in text for text in texts(trial))


def test_all_of_it_can_be_told():
    trial = attempt(draw_plan(3), keep_events=True)
    lines = tell(trial, everything=True)
    assert not any(line.tone == FOLD for line in lines)
    assert len(lines) > len(tell(trial))


def test_a_fault_is_marked_as_one():
    assert [line.lane for line in tell(played()) if line.tone == FAULT] == ["server s0", "judge", "judge"]


@pytest.mark.parametrize("seed", range(12))
def test_any_run_can_be_told(seed: int):
    trial = attempt(draw_plan(seed), keep_events=True)
    assert header(trial.plan)[0].startswith(f"seed {seed}")
    for line in tell(trial):
        assert line.plain().strip()
    assert verdict(trial)[-1].endswith(trial.digest)


def test_spans_have_their_events():
    trial = played()
    spans = Spans(trial.events)
    own = [span for span in spans.ios if span.lane != READER]
    assert [(span.op, span.writes, span.ok) for span in own] == [
        ("write", [1], True),
        ("write", [2], True),
        ("read", [], True),
    ]
    assert own[2].found == "write 1"
    first = spans.commands[0]
    assert (first.lane, first.writes, first.trouble) == ("path p0", [1], "treats")
    assert first.given_up_ns == 1100 * NS_PER_MS
    assert first.effects[0] > 3 * NS_PER_S
    assert [trial.events[place].what for place in first.places] == ["sent", "treats", "timeout", "executed", "late"]


def test_every_step_has_words():
    for kind in (*SERVER_STEPS, *ANSWER_STEPS, *LINK_STEPS, *CLIENT_STEPS, *MAP_STEPS, *PORT_STEPS, *WORLD_STEPS):
        target = "s0" if kind in (*SERVER_STEPS, *ANSWER_STEPS) else "p0" if kind in LINK_STEPS else ""
        assert describe_step(Step(0, kind, target, NS_PER_S, 3, "1"))


def test_words():
    assert [duration(time_ns) for time_ns in (250_000, 1_500_000, 2 * NS_PER_S)] == ["250 us", "1.5 ms", "2 s"]
    assert (
        tidy("p0#1.15 write of sectors 8..8 (write 12): late by 3000000000 ns")
        == "write of sector 8 (write 12): late by 3 s"
    )
    assert [plural(1, "read"), plural(2, "flush"), plural(3, "write")] == ["1 read", "2 flushes", "3 writes"]
