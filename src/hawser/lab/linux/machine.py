"""Machine: a small Linux machine in virtual time, on which the steps of a transcript are run one after the other.

Steps are spaced as the recorder of transcripts spaces them: 20 ms behind each, 300 ms more behind one that starts something in
the background. Nothing here takes time but what waits for time.
"""

from dataclasses import dataclass
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.linux.build import Builder
from hawser.lab.linux.facts import Facts, Json
from hawser.lab.linux.shell import BUILT_IN, run
from hawser.lab.linux.system import Output
from hawser.lab.linux.tasks import Task

STEP_NS: Final = 20 * NS_PER_MS
BACKGROUND_NS: Final = 300 * NS_PER_MS
TIMEOUT_S: Final = 30
WAIT_TIMEOUT_S: Final = 5
# What the recorder does itself it does to the end; not for ever, here.
BUILT_IN_TIMEOUT_S: Final = 3600
# How long the recorder waits for what it has killed.
KILLED_NS: Final = 5 * NS_PER_S


@dataclass(frozen=True)
class Step:
    """One command. A negative timeout: as long as such commands are given."""

    argv: list[str]
    stdin: str = ""
    timeout_s: float = -1


@dataclass(frozen=True)
class Result:
    """What came of it. `rc` is a number, or a word where the command has not ended by itself."""

    rc: int | str
    stdout: str
    stderr: str
    log: list[str]


class _Job:
    """A command in the background."""

    def __init__(self, task: Task, output: Output) -> None:
        self.task = task
        self.output = output


class Machine:
    def __init__(self, header: Json) -> None:
        self._builder = Builder(Facts(header, "header"))
        self.system = self._builder.system
        self._jobs: dict[str, _Job] = {}

    def add_devices(self, devices: Json) -> None:
        """Make devices that something other than a step has made. FactError."""
        facts = Facts(devices, "devices of a step")
        for label in facts.names():
            self._builder.add(label, facts.part(label))

    def idle(self) -> None:
        """Let the time of a step pass that is not run."""
        self._end()

    def run(self, step: Step) -> Result:
        """Run a command, and let 20 ms pass. FactError, ValueError or IndexError when it is none that can be run."""
        word = step.argv[0]
        if word == "bg":
            result = self._start(step.argv[1], step.argv[2:])
        elif word == "wait":
            result = self._wait(step.argv[1], step.timeout_s if step.timeout_s >= 0 else WAIT_TIMEOUT_S)
        else:
            result = self._foreground(step)
        return Result(result.rc, result.stdout, result.stderr, self._end())

    def _end(self) -> list[str]:
        """What is behind every step; the log's lines."""
        self._pass(STEP_NS)
        self.system.control.reap()
        self.system.kit.log.step_ended(self.system.kit.clock.now_ns)
        return self.system.kit.log.take()

    def _pass(self, duration_ns: int, watched: Task | None = None) -> None:
        kit = self.system.kit
        kit.run(kit.clock.now_ns + duration_ns, watched)

    def _foreground(self, step: Step) -> Result:
        output = Output()
        task = self.system.kit.tasks.start(run(self.system, step.argv, step.stdin, output))
        timeout_s = step.timeout_s if step.timeout_s >= 0 else TIMEOUT_S
        if step.argv[0] in BUILT_IN:
            timeout_s = BUILT_IN_TIMEOUT_S
        self._pass(round(timeout_s * NS_PER_S), task)
        if task.status is None:
            task.kill()
            self._pass(KILLED_NS, task)
            return Result("timeout", "", "", [])
        return Result(task.status, output.stdout(), output.stderr(), [])

    def _start(self, name: str, argv: list[str]) -> Result:
        output = Output(together=True)
        task = self.system.kit.tasks.start(run(self.system, argv, "", output))
        self._jobs[name] = _Job(task, output)
        self._pass(BACKGROUND_NS)
        return Result(0, "", "", [])

    def _wait(self, name: str, timeout_s: float) -> Result:
        job = self._jobs.get(name)
        if job is None:
            return Result("ended", "", "", [])
        self._pass(round(timeout_s * NS_PER_S), job.task)
        if job.task.status is None:
            return Result("running", "", "", [])
        del self._jobs[name]
        return Result(job.task.status, job.output.stdout(), "", [])
