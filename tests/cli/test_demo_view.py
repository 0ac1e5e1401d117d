"""What the demonstration looks like: the picture of a frame at several widths, and the words of the summary."""

import io
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from hawser.cli.demo_text import duration, longest_stall, summary_lines
from hawser.cli.demo_view import HEIGHT_MIN, LiveAudience, columns, draw
from hawser.service.demo import Frame, Moment, Rate
from hawser.service.demo_load import LoadReport
from hawser.service.demo_rig import PathView
from hawser.service.demo_summary import Summary

REPORT = LoadReport(
    phase="done",
    reads=700_000,
    writes=290_000,
    flushes=10_000,
    read_bytes=6 << 30,
    verified_blocks=2_000_000,
    read_back_blocks=16_384,
    in_flight=64,
    p50_ns=1_700_000,
    p99_ns=15_000_000,
)
SUMMARY = Summary(
    REPORT,
    disk_blocks=16_384,
    seconds=20.0,
    planned_failures=12,
    failovers=12,
    without_path_ns=2_030_000_000,
    lit_ns=14_000_000,
    dark_ns=2_040_000_000,
)


def make_frame(at_s: float = 12.0, usable: int = 3, events: int = 5) -> Frame:
    paths = [PathView(f"259:{index}", "A", "A", "", 16, 1000, 1 << 20, 0) for index in range(usable)]
    paths += [PathView(f"259:{index}", "F", "E", "failed by hand", 0, 9, 9, 2) for index in range(usable, 4)]
    history: list[Moment | None] = [Moment(30_000.0 + 100 * index, 4) for index in range(60)]
    history += [Moment(0.0, 0) for _ in range(30)] + [None] * 60
    return Frame(
        at_s,
        20.0,
        paths,
        [Rate(12_345.0, 98_765_432.0)] * usable + [Rate()] * (4 - usable),
        Rate(123_456.0, 987_654_321.0),
        REPORT,
        SUMMARY,
        history,
        [(float(number), f"event {number}") for number in range(events)],
    )


def drawn(frame: Frame, width: int, final: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=50, force_terminal=True, color_system=None)
    console.print(draw(frame, width, final))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_it_fits(width: int, final: bool):
    lines = drawn(make_frame(), width, final)
    assert {len(line) for line in lines} == {min(width, 120)}
    assert len(lines) <= 23
    assert sum(line.startswith("│ 259:") for line in lines) == 4
    assert final == any(
        line.startswith("│ verified       2,000,000 blocks, the last 16,384 of them the whole disk ") for line in lines
    )


@pytest.mark.parametrize("events", [0, 1, 5])
@pytest.mark.parametrize("usable", [0, 4])
def test_it_does_not_jump(events: int, usable: int):
    assert len(drawn(make_frame(events=events, usable=usable), 80)) == len(drawn(make_frame(), 80))


def test_a_path_says_what_is_the_matter_with_it():
    frame = make_frame()
    text = "\n".join(drawn(replace(frame, report=msgspec.structs.replace(REPORT, phase="running")), 80))
    assert "259:0    A  active               A             16   12,345    94.2         0" in text
    assert "259:3    F  failed by hand       E              0        0     0.0         2" in text
    assert "3 of 4 paths usable" in text
    assert "longest stall 2.04 s with no path, 14 ms otherwise    0 errors, 0 corrupt" in text
    assert "event 4" in text
    assert "event 1" not in text


def test_while_it_reads_back_it_says_so():
    assert any("reading everything back: 16,384 blocks" in line for line in drawn(make_frame(), 80))


def test_the_last_picture_has_the_summary():
    lines = drawn(make_frame(20.0, 4), 80, final=True)
    assert lines[-2].startswith("│ 0 errors, 0 corrupt blocks ")
    assert any("12 path failures survived; no path at all for 2.03 s" in line for line in lines)


def test_the_chart_is_filled_as_far_as_the_run_has_come():
    history: list[Moment | None] = [Moment(10.0, 4), Moment(30.0, 2), None, None]
    assert columns(history, 2) == [Moment(20.0, 2), None]
    assert columns(history, 4) == history
    assert columns(history, 8)[:4] == [history[0], history[0], history[1], history[1]]
    assert columns([None, Moment(1.0, 1), None, Moment(2.0, 2)], 4)[2] == Moment(1.0, 1)
    assert columns([None], 3) == [None] * 3


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(0, "0.0 ms"), (840_000, "0.8 ms"), (14_400_000, "14 ms"), (999_000_000, "999 ms"), (2_034_000_000, "2.03 s")],
)
def test_durations(duration_ns: int, text: str):
    assert duration(duration_ns) == text


def test_the_summary_in_words():
    assert summary_lines(SUMMARY) == [
        "I/Os           1,000,000 in 20.0 s: 50,000/s, 6,144 MiB",
        "failovers      12 path failures survived; no path at all for 2.03 s",
        "longest stall  2.04 s while there was no path, 14 ms while there was one",
        "latency        1.7 ms median, 15 ms for 99 % of all",
        "verified       2,000,000 blocks, the last 16,384 of them the whole disk",
        "0 errors, 0 corrupt blocks",
    ]
    assert longest_stall(Summary(lit_ns=3_000_000)) == "3.0 ms"


def test_a_path_with_much_the_matter_stays_on_its_line():
    frame = make_frame()
    paths = [*frame.paths[:3], replace(frame.paths[3], trouble="pulled, failed by hand, and pulled again")]
    assert len(drawn(replace(frame, paths=paths), 80)) == len(drawn(frame, 80))


def test_the_summary_says_what_is_wrong():
    report = LoadReport(
        phase="running", errors=1, corrupt=2, fault="block 3 is altered: its checksum is wrong", in_flight=5
    )
    lines = summary_lines(Summary(report, problems=["259:1 did not come back"], cut_short=True))
    assert lines[5:] == [
        "ended early    by hand",
        "1 error, 2 corrupt blocks",
        "problem: 259:1 did not come back",
        "problem: the first of them: block 3 is altered: its checksum is wrong",
        "problem: the load did not end: 5 I/Os had no answer (running)",
    ]


def test_a_disk_that_was_not_read_back_is_a_fault():
    assert replace(SUMMARY, disk_blocks=16_385).faults() == ["16,384 of 16,385 blocks were read back"]
    assert SUMMARY.is_good()


def test_there_is_room_for_the_echo_of_a_ctrl_c():
    """While it is drawn the cursor stands at the beginning of an empty line, which the terminal still has."""
    file = io.StringIO()
    audience = LiveAudience(Console(file=file, width=80, height=HEIGHT_MIN, force_terminal=True, color_system=None))
    try:
        audience.frame(make_frame())
        lines = file.getvalue().splitlines(keepends=True)
        assert lines[-1].startswith("╰") and lines[-1].endswith("╯\n")
        assert len(lines) < HEIGHT_MIN
    finally:
        audience.close()
    assert file.getvalue().count("╭─ hawser demo") == 2
