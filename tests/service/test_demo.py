"""The demonstration from the inside: a good run is good, and each lie that is told here has to be found out."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.service.demo import Audience, Demo, Frame
from hawser.service.demo_rig import Rig
from hawser.service.demo_stamp import BLOCK
from hawser.service.demo_story import FAIL, PLUG, PULL, REINSTATE, Scene
from hawser.service.demo_summary import Summary

PATIENCE_S = 50


class Hand(Audience):
    """Does something once, when half of the time is over."""

    def __init__(self, deed: Callable[[], None] | None = None) -> None:
        self.deed = deed
        self.frames: list[Frame] = []
        self.events: list[str] = []
        # For each event the number of frames before it.
        self.frames_before: list[int] = []

    def event(self, at_s: float, text: str) -> None:
        self.events.append(text)
        self.frames_before.append(len(self.frames))

    def frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self.deed is not None and frame.at_s >= frame.seconds / 2:
            self.deed()
            self.deed = None


def perform(
    scenes: list[Scene],
    deed: Callable[[Demo], None] | None = None,
    make_rig: Callable[[], Rig] = Rig,
    seconds: float = 1.0,
    stopped: bool = False,
) -> tuple[Summary, Hand]:
    """A run of `seconds`, in the middle of which `deed` is done."""

    async def main() -> tuple[Summary, Hand]:
        rig = make_rig()
        hand = Hand()
        stop = asyncio.Event()
        try:
            await rig.start()
            demo = Demo(rig, seconds, scenes, hand)
            if deed is not None:
                hand.deed = lambda: deed(demo)
            if stopped:
                hand.deed = stop.set
            summary = await demo.run(stop)
        finally:
            await rig.stop()
        assert not os.path.exists(rig.directory)
        return summary, hand

    return asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_a_good_run():
    scenes = [
        Scene(0.2, PULL, (0, 1)),
        Scene(0.3, FAIL, (2,)),
        Scene(0.4, PULL, (3,)),
        Scene(0.6, REINSTATE, (2,)),
        Scene(0.8, PLUG, (0, 1, 3)),
    ]
    summary, hand = perform(scenes)
    assert summary.faults() == []
    assert summary.verdict() == "0 errors, 0 corrupt blocks"
    assert (summary.planned_failures, summary.failovers) == (4, 4)
    report = summary.report
    assert min(report.reads, report.writes, report.flushes) > 0
    assert report.verified_blocks > report.read_back_blocks == (64 << 20) // BLOCK
    # There was no path from 0.4 to 0.6 s, and I/O waited for that long.
    assert summary.without_path_ns > 100_000_000
    assert summary.dark_ns > 100_000_000
    assert [path.failures for path in hand.frames[-1].paths] == [1, 1, 1, 1]
    assert {path.letter for frame in hand.frames for path in frame.paths} == {"A", "F"}
    assert hand.events == [
        "I/O flows over all paths",
        *(scene.text([p.devt for p in hand.frames[0].paths]) for scene in scenes),
    ]


def test_right_after_a_scene_the_last_rates_stand():
    """Nothing is known yet by then, and no I/O would be false."""
    _, hand = perform([Scene(0.6, PULL, (0,)), Scene(0.8, PLUG, (0,))], seconds=1.2)
    for place in hand.frames_before[1:]:
        before, after = hand.frames[place - 1 : place + 1]
        assert (after.total, after.rates) == (before.total, before.rates)
        assert after.total.ios > 0


def flip(demo: Demo) -> None:
    """A byte of each block changes in the store."""
    data = demo.rig.driver(0).store.data
    data[2000::BLOCK] = bytes(byte ^ 1 for byte in data[2000::BLOCK])


def swap(demo: Demo) -> None:
    """What was written to the one half of the disk is found in the other."""
    data = demo.rig.driver(0).store.data
    half = len(data) // 2
    data[:half], data[half:] = data[half:], data[:half]


def forget(demo: Demo) -> None:
    """Everything that was ever written is gone."""
    data = demo.rig.driver(0).store.data
    data[:] = bytes(len(data))


@pytest.mark.parametrize(("deed", "complaint"), [(flip, "block"), (swap, "holds"), (forget, "holds zeroes where")])
def test_a_corrupted_store_is_found_out(deed: Callable[[Demo], None], complaint: str):
    summary, _ = perform([], deed)
    assert summary.report.corrupt > 0
    assert summary.report.errors == 0
    assert not summary.is_good()
    assert any(complaint in fault for fault in summary.faults())


def test_old_data_is_found_out():
    """Writes that were acknowledged are lost, all blocks are whole: only who remembers sees it."""
    kept: list[bytes] = []

    class Forgetful(Rig):
        def play(self, scene: Scene) -> None:
            data = self.driver(0).store.data
            if kept:
                data[:] = kept[0]
            else:
                kept.append(bytes(data))

    summary, _ = perform([Scene(0.3, PULL, ()), Scene(0.7, PULL, ())], make_rig=Forgetful)
    assert summary.report.corrupt > 0
    assert "was acknowledged" in summary.report.fault


def test_an_error_is_found_out():
    """No path is left, and the table says that I/O fails then."""

    def fail_everything(demo: Demo) -> None:
        target = demo.rig.target()
        demo.rig.gateway.loop.run(lambda: target.set_queue_if_no_path(False))
        demo.rig.play(Scene(0.0, PULL, (0, 1, 2, 3)))

    summary, _ = perform([], fail_everything)
    assert summary.report.errors > 0
    assert "error 5" in summary.report.fault
    assert not summary.is_good()


def test_a_failure_that_did_not_happen_is_found_out():
    class Tough(Rig):
        """Its cables cannot be pulled."""

        def play(self, scene: Scene) -> None:
            pass

    summary, _ = perform([Scene(0.2, PULL, (0,)), Scene(0.5, PLUG, (0,))], make_rig=Tough)
    assert summary.verdict() == "0 errors, 0 corrupt blocks"
    assert summary.faults() == ["259:0 was in use after pull", "1 path failures were planned, 0 happened"]


def test_a_load_that_dies_is_found_out():
    def kill(demo: Demo) -> None:
        process = demo.load._process
        assert process is not None
        process.kill()

    summary, _ = perform([], kill)
    assert not summary.is_good()
    assert any("the load did not end" in fault for fault in summary.faults())


def test_a_load_that_cannot_start_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "python").write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    summary, _ = perform([])
    assert "no such luck" in summary.faults()
    assert "no I/O was done" in summary.faults()


def test_ended_by_hand_it_is_still_verified():
    summary, _ = perform([Scene(0.2, PULL, (0, 1, 2, 3)), Scene(29, PLUG, (0, 1, 2, 3))], seconds=2, stopped=True)
    assert summary.cut_short
    assert summary.seconds < 2
    assert summary.faults() == []
    assert summary.report.read_back_blocks == (64 << 20) // BLOCK
