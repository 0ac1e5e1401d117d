"""The fence agent as a program: what it is called with, when it is tried again, who is told, and that it ends with the server."""

import asyncio
import time
from pathlib import Path

import pytest

from hawser.core.log import ERR, LogSink
from hawser.paths.fence_agent import FenceCall
from hawser.service.fence_agent import OUTPUT_MAX, TRIES_MAX, CommandAgent
from hawser.service.loop import Loop, own_loop

pytestmark = pytest.mark.interop

WAIT_S = 20.0


class Call(FenceCall):
    def __init__(self):
        self.times = 0

    def fenced(self):
        self.times += 1


class Settling(Call):
    """Withdraws another one when it is told."""

    def __init__(self, agent: CommandAgent, other: Call):
        super().__init__()
        self.agent = agent
        self.other = other

    def fenced(self):
        super().fenced()
        self.agent.withdraw(self.other)


class Scene:
    """`body` is the program; its arguments are noted, a line for each time that it is run."""

    def __init__(self, directory: Path, body: str, agent_s: float = 30.0, retry_s: float = 0.01):
        self.directory = directory
        self.notes = directory / "notes"
        script = directory / "agent.sh"
        script.write_text(f'#!/bin/sh\ncd {directory}\nprintf "%s|%s|%s|%s\\n" "$1" "$2" "$3" "$#" >> notes\n{body}\n')
        script.chmod(0o700)
        self.log = LogSink()
        self.agent = CommandAgent([str(script), "-v"], Loop(), self.log, agent_s, retry_s)

    def runs(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def errors(self) -> list[str]:
        return [text for level, text in self.log.lines if level == ERR]

    def said(self) -> list[str]:
        return [text for _, text in self.log.lines]

    async def until(self, condition):
        """Wait, in a bounded time, until it is so."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, self.said()
            await asyncio.sleep(0.01)

    async def until_idle(self):
        await self.until(lambda: not self.agent._tasks and not self.agent._calls)


def play(story):
    async def main():
        await asyncio.wait_for(story(), 50)

    with asyncio.Runner(loop_factory=own_loop) as runner:
        runner.run(main())


def test_it_is_called_with_path_and_reason_and_its_success_is_told_once(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "exit 0"), Call()
        scene.agent.ask("nbd://a", "it said nothing", call)
        await scene.until_idle()
        assert scene.runs() == ["-v|nbd://a|it said nothing|3"]
        assert call.times == 1
        assert scene.said() == ["nbd://a: the fence agent has succeeded"]

    play(story)


def test_a_failure_is_no_proof_and_is_tried_again_so_often(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "exit 3"), Call()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until_idle()
        assert len(scene.runs()) == TRIES_MAX == 5
        assert call.times == 0
        assert scene.errors() == [
            f"nbd://a: the fence agent has failed: exit status 3 (try {number} of 5)" for number in range(1, 6)
        ]

    play(story)


def test_success_after_failures_counts(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "[ $(wc -l < notes) -ge 3 ]"), Call()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until_idle()
        assert len(scene.runs()) == 3
        assert call.times == 1
        assert len(scene.errors()) == 2

    play(story)


def test_it_waits_before_it_is_tried_again(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "exit 1", retry_s=0.5), Call()
        began = time.monotonic()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until(lambda: len(scene.runs()) == 2)
        assert time.monotonic() - began >= 0.5
        await scene.agent.stop()

    play(story)


def test_who_asks_while_it_runs_waits_for_another_run(tmp_path):
    """What was sent after it began is nothing that its success speaks of."""

    async def story():
        scene, first, second = Scene(tmp_path, "while [ ! -e go ]; do sleep 0.02; done"), Call(), Call()
        scene.agent.ask("nbd://a", "one", first)
        await scene.until(lambda: len(scene.runs()) == 1)
        scene.agent.ask("nbd://a", "two", second)
        await asyncio.sleep(0.05)
        assert len(scene.runs()) == 1, "one runs per path at a time"
        (tmp_path / "go").touch()
        await scene.until(lambda: first.times == 1)
        await scene.until_idle()
        assert len(scene.runs()) == 2
        assert (first.times, second.times) == (1, 1)

    play(story)


def test_who_asks_late_is_not_forgotten_with_those_who_asked_first(tmp_path):
    async def story():
        body = "[ $(wc -l < notes) -lt 5 ] && exit 1\n[ -e asked ] && exit 0\ntouch fifth; sleep 0.5; exit 1"
        scene, first, late = Scene(tmp_path, body), Call(), Call()
        scene.agent.ask("nbd://a", "why", first)
        await scene.until(lambda: (tmp_path / "fifth").exists())
        scene.agent.ask("nbd://a", "why", late)
        (tmp_path / "asked").touch()
        await scene.until_idle()
        assert len(scene.runs()) == TRIES_MAX + 1
        assert late.times == 1

    play(story)


def test_paths_are_fenced_beside_each_other(tmp_path):
    async def story():
        scene, first, second = Scene(tmp_path, '[ "$2" = nbd://b ] || sleep 60'), Call(), Call()
        scene.agent.ask("nbd://a", "why", first)
        scene.agent.ask("nbd://b", "why", second)
        await scene.until(lambda: second.times == 1)
        assert first.times == 0
        await scene.agent.stop()

    play(story)


def test_who_withdraws_is_told_nothing_and_without_anybody_it_is_not_tried_again(tmp_path):
    async def story():
        scene, call, other = Scene(tmp_path, "while [ ! -e go ]; do sleep 0.02; done; exit 1"), Call(), Call()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until(lambda: len(scene.runs()) == 1)
        scene.agent.withdraw(other)
        scene.agent.withdraw(call)
        (tmp_path / "go").touch()
        await scene.until_idle()
        assert len(scene.runs()) == 1

        (tmp_path / "go").unlink()
        scene = Scene(tmp_path, "while [ ! -e go ]; do sleep 0.02; done")
        scene.agent.ask("nbd://a", "why", call)
        await scene.until(lambda: len(scene.runs()) == 2)
        scene.agent.withdraw(call)
        (tmp_path / "go").touch()
        await scene.until_idle()
        assert call.times == 0

    play(story)


def test_one_who_is_told_may_withdraw_another(tmp_path):
    async def story():
        scene, second = Scene(tmp_path, "exit 0"), Call()
        first = Settling(scene.agent, second)
        scene.agent.ask("nbd://a", "why", first)
        scene.agent.ask("nbd://a", "why", second)
        await scene.until_idle()
        assert (first.times, second.times) == (1, 0)

    play(story)


def test_it_can_be_asked_again_about_the_same_path(tmp_path):
    async def story():
        scene, first, second = Scene(tmp_path, "exit 0"), Call(), Call()
        scene.agent.ask("nbd://a", "why", first)
        await scene.until_idle()
        scene.agent.ask("nbd://a", "why", second)
        await scene.until_idle()
        assert len(scene.runs()) == 2
        assert (first.times, second.times) == (1, 1)

    play(story)


def test_one_that_takes_too_long_is_killed_and_has_failed(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "sleep 600 & echo $! > pids; wait", agent_s=0.3, retry_s=60.0), Call()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until(lambda: scene.errors())
        assert scene.errors() == ["nbd://a: the fence agent has failed: it took longer than 0.3 s (try 1 of 5)"]
        await scene.until(lambda: is_gone(int((tmp_path / "pids").read_text())))
        await scene.agent.stop()

    play(story)


def test_a_stop_kills_it_and_asks_nobody(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "sleep 600 & echo $! > pids; wait"), Call()
        await scene.agent.stop()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text())
        await scene.agent.stop()
        await scene.until(lambda: is_gone(int((tmp_path / "pids").read_text())))
        assert call.times == 0

    play(story)


def test_a_stop_while_it_is_being_started_kills_it_too(tmp_path):
    async def story():
        for wait_s in (0.0, 0.001, 0.002, 0.004, 0.008, 0.016):
            scene, call = Scene(tmp_path, "sleep 600 & echo $! >> pids; wait"), Call()
            scene.agent.ask("nbd://a", "why", call)
            await asyncio.sleep(wait_s)
            await scene.agent.stop()
        pids = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
        await scene.until(lambda: all(is_gone(int(pid)) for pid in pids))

    play(story)


def test_one_that_cannot_be_started_has_failed(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, ""), Call()
        scene.agent.command = [str(tmp_path / "nothing")]
        scene.agent.ask("nbd://a", "why", call)
        await scene.until_idle()
        assert call.times == 0
        failed = "nbd://a: the fence agent has failed: No such file or directory (try 1 of 5)"
        assert scene.errors()[0] == failed

    play(story)


def test_what_it_prints_is_logged_up_to_a_limit(tmp_path):
    async def story():
        scene, call = Scene(tmp_path, "echo ' off '; echo on >&2"), Call()
        scene.agent.ask("nbd://a", "why", call)
        await scene.until_idle()
        assert scene.said()[0] == "nbd://a: the fence agent says: 'off \\non'"

        scene = Scene(tmp_path, "head -c 4000 /dev/zero | tr '\\0' x")
        scene.agent.ask("nbd://a", "why", call)
        await scene.until_idle()
        assert OUTPUT_MAX == 500
        assert scene.said()[0] == f"nbd://a: the fence agent says: {'x' * 500!r}"

    play(story)


def is_gone(pid: int) -> bool:
    """It has ended, though its parent may not have asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
