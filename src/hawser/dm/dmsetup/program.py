"""The program: which verb, with how many arguments, for one device, for each of several, or for those that a selection picks.

lvm2: main() and _perform_command_for_all_repeatable_args() of libdm/dm-tools/dmsetup.c.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hawser.core.units import NS_PER_S
from hawser.dm.condition import Delay, Waiting, WaitingBool
from hawser.dm.control import Control
from hawser.dm.dmsetup import change, change_waits, naming, show, tree, udev
from hawser.dm.dmsetup.arguments import Arguments, UsageError, parse_arguments
from hawser.dm.dmsetup.call import Call, Surroundings
from hawser.dm.dmsetup.fields import subject_of
from hawser.dm.dmsetup.help_text import put_fields, put_usage
from hawser.dm.dmsetup.report import Report
from hawser.dm.dmsetup.task import Task, task_for

# What is printed is printed at the end, so that it has to have one.
REPORTS_MAX: Final = 10_000

AtOnce = Callable[[Call, list[str]], bool]
MayWait = Callable[[Call, list[str]], WaitingBool]


@dataclass(frozen=True)
class Verb:
    """How many words it takes (`most` -1: any number), whether it is done for each of them, and to what `-S` selects."""

    least: int
    most: int
    repeats: bool
    at_once: AtOnce | None = None
    may_wait: MayWait | None = None
    selects: bool = False


VERBS: Final[dict[str, Verb]] = {
    "help": Verb(0, 0, False, lambda call, words: _help(call)),
    "create": Verb(0, 2, False, may_wait=change.create),
    "remove": Verb(0, -1, True, may_wait=change_waits.remove, selects=True),
    "remove_all": Verb(0, 0, False, may_wait=change_waits.remove_all),
    "suspend": Verb(0, -1, True, may_wait=change_waits.suspend, selects=True),
    "resume": Verb(0, -1, True, may_wait=change_waits.resume, selects=True),
    "load": Verb(0, 2, False, change.load),
    "reload": Verb(0, 2, False, change.load),
    "clear": Verb(0, -1, True, change.clear, selects=True),
    "wipe_table": Verb(0, -1, True, may_wait=change_waits.wipe_table, selects=True),
    "rename": Verb(1, 2, False, change.rename),
    "message": Verb(2, -1, False, change.message),
    "ls": Verb(0, 0, False, show.ls),
    "info": Verb(0, -1, True, show.info),
    "deps": Verb(0, -1, True, show.deps, selects=True),
    "measure": Verb(0, -1, True, show.measure, selects=True),
    "status": Verb(0, -1, True, show.status, selects=True),
    "table": Verb(0, -1, True, show.table, selects=True),
    "wait": Verb(0, 2, False, may_wait=change.wait),
    "mknodes": Verb(0, -1, True, change.mknodes),
    "mangle": Verb(0, -1, True, naming.mangle_names),
    "udevcreatecookie": Verb(0, 0, False, udev.create_cookie),
    "udevreleasecookie": Verb(0, 1, False, udev.release_cookie),
    "udevflags": Verb(1, 1, False, udev.flags),
    "udevcomplete": Verb(1, 1, False, udev.complete),
    "udevcomplete_all": Verb(0, 1, False, udev.complete_all),
    "udevcookies": Verb(0, 0, False, udev.cookies),
    "target-version": Verb(1, -1, True, show.target_version),
    "targets": Verb(0, 0, False, show.targets),
    "version": Verb(0, 0, False, show.version),
    "setgeometry": Verb(5, 5, False, change.set_geometry),
    "splitname": Verb(1, 2, False, naming.split_name),
}


@dataclass
class Answer:
    """What a run of dmsetup has come to. `programs`: those of `--exec`, which whoever runs it runs then, one after the other."""

    rc: int = 0
    stdout: str = ""
    stderr: str = ""
    programs: list[list[str]] = field(default_factory=list)


def dmsetup(control: Control, surroundings: Surroundings, argv: list[str], stdin: str, answer: Answer) -> Waiting:
    """Run dmsetup with the arguments `argv` (without the program's name); `answer` is filled in when it has ended."""
    try:
        arguments = parse_arguments(argv)
    except UsageError as error:
        answer.stderr = f"{error}\nCouldn't process command line.\n"
        answer.rc = 1
        return
    call = Call(control, surroundings, arguments, stdin)
    for warning in arguments.warnings:
        call.complain(warning)
    done = yield from _perform(call, arguments)
    answer.stdout = "".join(call.out)
    answer.stderr = "".join(call.err)
    answer.programs = call.programs
    answer.rc = 0 if done or arguments.has("help") or arguments.has("version") else 1


def _help(call: Call) -> bool:
    """How it is used and, with `-c`, which fields there are."""
    put_usage(call)
    if call.has("columns"):
        put_fields(call)
        call.complain(" ")
    return True


def _perform(call: Call, arguments: Arguments) -> WaitingBool:
    words = arguments.words
    if arguments.has("help"):
        return _help(call)
    if arguments.has("version"):
        return show.version(call, [])
    if not words:
        put_usage(call)
        return False
    name = words[0]
    verb = VERBS.get(name)
    words = words[1:]
    if verb is None or len(words) < verb.least or (verb.most >= 0 and len(words) > verb.most):
        call.complain("Unknown command." if verb is None else "Incorrect number of arguments.")
        put_usage(call)
        return False
    call.verb = name
    if not _check_options(call):
        return call.complain("Couldn't process command line.")
    selects = verb.selects and call.has("select")
    if (selects or call.has("columns") or name == "splitname") and not _begin_report(call, selects):
        return False
    if call.has("units") and not show.check_units(call):
        return False
    return (yield from _times(call, verb, words, selects))


def _check_options(call: Call) -> bool:
    """Of `-o`, which means something else for trees, for reports and for the rest."""
    if call.has("tree"):
        return tree.check_tree_options(call)
    is_report = call.has("columns") or call.verb == "splitname"
    return is_report or not call.has("options") or show.check_naming(call)


def _begin_report(call: Call, selects: bool) -> bool:
    """Where a verb selects, a report of devices is made that nobody sees."""
    if call.has("sort") and not selects and call.verb in ("status", "table"):
        return call.complain("--sort is not yet supported with status and table.")
    report = Report(call, call.verb == "splitname")
    if not report.begin():
        return False
    call.report = report
    return not report.needs_tree() or show.all_devices(call) is not None


def _times(call: Call, verb: Verb, words: list[str], selects: bool) -> WaitingBool:
    """Once, or as often as `--count` says, with `--interval` seconds between two reports."""
    count = call.arguments.number("count") if call.has("count") else 0 if call.has("interval") else 1
    if call.has("options") and "help" in call.value("options"):
        count = 1
    if not 1 <= count <= REPORTS_MAX:
        return call.complain(f"--count: what is printed is shown at the end: say how often, 1 to {REPORTS_MAX} times.")
    interval_ns = max(1, call.arguments.number("interval")) * NS_PER_S
    by_option = call.has("uuid") or call.has("major")
    call.many = (verb.repeats or selects) and len(words) != 1 and (len(words) > 0 or not by_option)
    report = call.report
    while True:
        done = yield from _select(call, verb, words) if selects else _repeat(call, verb, words)
        if call.concise:
            call.put(";".join(call.concise))
        if report is not None:
            report.output()
            if count > 1 and done:
                call.put("")
                yield Delay(call.surroundings.now_ns() + interval_ns)
        count -= 1
        if not done or count == 0:
            return done


def _run(call: Call, verb: Verb, words: list[str]) -> WaitingBool:
    if verb.at_once is not None:
        return verb.at_once(call, words)
    assert verb.may_wait is not None
    return (yield from verb.may_wait(call, words))


def _repeat(call: Call, verb: Verb, words: list[str]) -> WaitingBool:
    """Once, or for one word after the other until it fails."""
    while True:
        done = yield from _run(call, verb, words)
        if not done:
            return call.complain("Command failed.")
        if not verb.repeats or len(words) <= 1:
            return True
        words = words[1:]


def _select(call: Call, verb: Verb, words: list[str]) -> WaitingBool:
    """For each device, or each of those that are named, that the selection picks."""
    call.many = True
    if show.means_all(call, words):
        devices = show.all_devices(call)
        done = devices is not None
        for device in devices or []:
            is_done = yield from _select_one(call, verb, Task(call, device.name))
            done = is_done and done
        return done or call.complain("Command failed.")
    for place in range(max(1, len(words))):
        task = task_for(call, words[place] if words else None)
        done = False
        if task is not None:
            done = yield from _select_one(call, verb, task)
        if not done:
            return call.complain("Command failed.")
    return True


def _select_one(call: Call, verb: Verb, task: Task) -> WaitingBool:
    device = task.find()
    if device is None:
        return call.complain("Device does not exist.")
    if not call.can_show(device.name):
        return False
    report = call.report
    assert report is not None
    is_selected = report.add(subject_of(call, device), False)
    if is_selected is None:
        return False
    if not is_selected:
        return True
    return (yield from _run(call, verb, [call.shown(device.name)]))
