"""dmsetup at work beside a run's clients: whole programs, several at once, that wait for what they wait for and are interrupted.

A step of the kind `dm` starts one. Its word is a command line without `dmsetup`; `%` stands for the name that the step's device
has by then (it may have been renamed), and `{p0}` and its like for numbers. Behind a `|` is a table as one word; `<N` at the end
is table number N of the device, which comes by standard input. After `duration_ns`, if that is not 0, the program is
interrupted. `probe` is none of dmsetup's: it is the ioctl of 6.16 (hawser.multipath.probe); `parameter NAME=VALUE` sets one of
the machine's.

Nothing that is refused may change anything that can be seen, but for the one thing that Linux does, too: a table that is refused
when it should become live is gone (do_resume() in drivers/md/dm-ioctl.c destroys it).
"""

from typing import Final

from hawser.core.clock import NEVER, Timer
from hawser.dm.condition import Condition, Waiting
from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.dmsetup.program import Answer, dmsetup
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.era import Era
from hawser.lab.plan import MAP_NAME, Step
from hawser.multipath.probe import GroupProbeListener
from hawser.multipath.target import Multipath

# Verbs that tell, and change nothing.
TELLING: Final = ("status", "measure", "table", "info", "deps", "ls", "targets", "version")


class _Interrupt(Timer):
    """Also where a program wants to be looked at: it then goes on by itself."""

    def __init__(self, program: "Program", ends: bool) -> None:
        super().__init__()
        self.program = program
        self.ends = ends

    def expire(self) -> None:
        if self.ends:
            self.program.interrupt()


class _Probed(GroupProbeListener):
    def __init__(self, programs: "Programs") -> None:
        self.programs = programs

    def group_probed(self, errno_name: str) -> None:
        self.programs.probes -= 1
        self.programs.era.hardware.trace.note("map", "probed", errno_name)


class Program:
    """One run of dmsetup."""

    def __init__(self, programs: "Programs", argv: list[str], stdin: str) -> None:
        self.programs = programs
        self.argv = argv
        self.answer = Answer()
        self.is_over = False
        self._run: Waiting = dmsetup(programs.control, programs.surroundings, argv, stdin, self.answer)
        self._condition: Condition | None = None
        self._patience = _Interrupt(self, ends=True)
        self._look = _Interrupt(self, ends=False)

    def start(self, duration_ns: int) -> None:
        if duration_ns:
            self.programs.era.timers.arm(self._patience, duration_ns)

    def go_on(self) -> bool:
        """Do what can be done now; whether anything was."""
        condition = self._condition
        if condition is not None:
            is_late = condition.deadline_ns != NEVER and self.programs.now_ns() >= condition.deadline_ns
            if not condition.ready() and not is_late:
                return False
            self.programs.era.hardware.marks.hit("program waited")
        try:
            self._condition = next(self._run)
        except StopIteration:
            self._end("")
            return True
        if self._condition.deadline_ns != NEVER:
            self.programs.era.timers.arm(self._look, max(0, self._condition.deadline_ns - self.programs.now_ns()))
        return True

    def interrupt(self) -> None:
        if not self.is_over:
            self._run.close()
            self.programs.era.hardware.marks.hit("program interrupted")
            self._end(", interrupted")

    def _end(self, how: str) -> None:
        self.is_over = True
        self.programs.era.timers.cancel(self._patience)
        self.programs.era.timers.cancel(self._look)
        first = (self.answer.stderr or self.answer.stdout).partition("\n")[0]
        text = f"{' '.join(self.argv)}: exit status {self.answer.rc}{how} {first}"
        self.programs.era.hardware.trace.note("dmsetup", "ends", text.rstrip())


class Programs:
    """Those of an era. `poll` whenever the engine has come to rest."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self.probes = 0
        self.control = Control(era.registry, era.log, self._make)
        self.surroundings = _Surroundings(self.control, era)
        self._running: list[Program] = []
        for device in era.devices.values():
            # Clients have it open, whatever stands on it.
            device.in_service = True

    def now_ns(self) -> int:
        return self.era.hardware.clock.now_ns

    def _make(self, name: str, devt: str) -> MappedDevice:
        era = self.era
        device = MappedDevice(name, devt, era.turn, era.hardware.clock, era.timers, era.log)
        device.make_queue = era.make_queue
        return device

    def start(self, step: Step) -> None:
        """What a step of the kind `dm` says."""
        words = step.word.split()
        device = self.era.devices[step.target or MAP_NAME]
        if words[0] == "probe":
            self._probe(device)
        elif words[0] == "parameter":
            self.era.registry.parameters.assign(words[1])
        else:
            text, _, number = self.era.filled(step.word).partition("<")
            stdin = self.era.filled(self.era.tables_of(step.target or MAP_NAME)[int(number)]) if number else ""
            text, bar, table = text.partition("|")
            argv = [device.name if word == "%" else word for word in text.split()]
            self._start([*argv, table] if bar else argv, stdin, step.duration_ns)

    def _start(self, argv: list[str], stdin: str, duration_ns: int) -> None:
        with_inactive = argv[0] != "resume"
        before = self._seen(with_inactive)
        program = Program(self, argv, stdin)
        program.start(duration_ns)
        program.go_on()
        if not program.is_over:
            self._running.append(program)
        elif argv[0] in TELLING or (program.answer.rc and argv[0] != "remove_all"):
            assert self._seen(with_inactive) == before, f"{' '.join(argv)} has changed something"
            if program.answer.rc:
                self.era.hardware.marks.hit("program refused")
        self.control.reap()

    def _seen(self, with_inactive: bool) -> list[str]:
        """All that a verb that is refused leaves as it is: the live tables, and the inactive ones if that is asked for."""
        seen: list[str] = []
        for device in self.era.registry.all_mapped():
            seen.append(f"{device.devt} {device.name} {device.uuid} {device.event_nr} {device.deferred_remove}")
            for table in device.tables():
                if table is not device.table and not with_inactive:
                    continue
                for target in table.targets:
                    seen.append(f"{target.status_table()} {target.status_info()}")
        return seen

    def _probe(self, device: MappedDevice) -> None:
        for target in device.live_targets():
            if isinstance(target, Multipath) and target.group_probe is not None:
                self.era.hardware.marks.hit("paths probed")
                self.probes += 1
                target.group_probe.ask(_Probed(self))

    def poll(self) -> bool:
        """Let those that wait go on if they can; whether any did."""
        if not self._running:
            return False
        moved = False
        for program in list(self._running):
            moved = program.go_on() or moved
        self._running = [program for program in self._running if not program.is_over]
        if moved:
            self.control.reap()
        return moved

    def end(self) -> None:
        """Everybody stops, and nothing of it stays: no program, no time that runs out, no device of theirs."""
        for program in self._running:
            program.interrupt()
        self._running = []
        for device in self.era.devices.values():
            device.deferred_remove = False
        self.era.registry.parameters.queue_if_no_path_timeout_secs = 0
        for watch in self.era.watches:
            watch.target().wait_no_more()
        self.control.remove_all()

    def is_idle(self) -> bool:
        return not self._running and not self.probes


class _Surroundings(Surroundings):
    def __init__(self, control: Control, era: Era) -> None:
        super().__init__(control)
        self.era = era

    def now_ns(self) -> int:
        return self.era.hardware.clock.now_ns
