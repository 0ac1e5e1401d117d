"""The program: which verb, with how many arguments, for one device or for each of several.

lvm2: main() and _perform_command_for_all_repeatable_args() of libdm/dm-tools/dmsetup.c.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hawser.dm.condition import Waiting, WaitingBool
from hawser.dm.control import Control
from hawser.dm.dmsetup import change, change_waits, show, tree
from hawser.dm.dmsetup.arguments import Arguments, UsageError, parse_arguments
from hawser.dm.dmsetup.call import Call, Surroundings
from hawser.dm.dmsetup.report import put_report, unknown_field

USAGE: Final = """Usage:

dmsetup VERB [OPTIONS] [DEVICE]...

with the verbs of dmsetup 1.02: create remove remove_all suspend resume load reload clear wipe_table rename message ls info deps
status table wait mknodes target-version targets version. DEVICE is a name, or -u UUID, or -j MAJOR -m MINOR."""

AtOnce = Callable[[Call, list[str]], bool]
MayWait = Callable[[Call, list[str]], WaitingBool]


@dataclass(frozen=True)
class Verb:
    """How many words it takes (`most` -1: any number), and whether it is done for each of them."""

    least: int
    most: int
    repeats: bool
    at_once: AtOnce | None = None
    may_wait: MayWait | None = None


VERBS: Final[dict[str, Verb]] = {
    "create": Verb(0, 2, False, may_wait=change.create),
    "remove": Verb(0, -1, True, may_wait=change_waits.remove),
    "remove_all": Verb(0, 0, False, may_wait=change_waits.remove_all),
    "suspend": Verb(0, -1, True, may_wait=change_waits.suspend),
    "resume": Verb(0, -1, True, may_wait=change_waits.resume),
    "load": Verb(0, 2, False, change.load),
    "reload": Verb(0, 2, False, change.load),
    "clear": Verb(0, -1, True, change.clear),
    "wipe_table": Verb(0, -1, True, may_wait=change_waits.wipe_table),
    "rename": Verb(1, 2, False, change.rename),
    "message": Verb(2, -1, False, change.message),
    "ls": Verb(0, 0, False, show.ls),
    "info": Verb(0, -1, True, show.info),
    "deps": Verb(0, -1, True, show.deps),
    "status": Verb(0, -1, True, show.status),
    "table": Verb(0, -1, True, show.table),
    "wait": Verb(0, 2, False, may_wait=change.wait),
    "mknodes": Verb(0, -1, True, change.mknodes),
    "target-version": Verb(1, -1, True, show.target_version),
    "targets": Verb(0, 0, False, show.targets),
    "version": Verb(0, 0, False, show.version),
}


@dataclass
class Answer:
    """What a run of dmsetup has come to."""

    rc: int = 0
    stdout: str = ""
    stderr: str = ""


def dmsetup(control: Control, surroundings: Surroundings, argv: list[str], stdin: str, answer: Answer) -> Waiting:
    """Run dmsetup with the arguments `argv` (without the program's name); `answer` is filled in when it has ended."""
    try:
        arguments = parse_arguments(argv)
    except UsageError as error:
        answer.stderr = f"{error}\nCouldn't process command line.\n"
        answer.rc = 1
        return
    call = Call(control, surroundings, arguments, stdin)
    done = yield from _perform(call, arguments)
    answer.stdout = "".join(call.out)
    answer.stderr = "".join(call.err)
    answer.rc = 0 if done or arguments.has("help") or arguments.has("version") else 1


def _perform(call: Call, arguments: Arguments) -> WaitingBool:
    words = arguments.words
    if arguments.has("help") or words[:1] == ["help"]:
        call.put(USAGE)
        return True
    if arguments.has("version"):
        return show.version(call, [])
    if not words:
        return call.complain(USAGE)
    verb = VERBS.get(words[0])
    if verb is None:
        call.complain("Unknown command.")
        return call.complain(USAGE)
    words = words[1:]
    if len(words) < verb.least or (verb.most >= 0 and len(words) > verb.most):
        call.complain("Incorrect number of arguments.")
        return call.complain(USAGE)
    if not _check_options(call):
        return call.complain("Couldn't process command line.")
    if call.has("columns") and unknown_field(call):
        return call.complain(f"Unrecognised field: {unknown_field(call)}")
    by_option = call.has("uuid") or call.has("major")
    call.verb = arguments.words[0]
    call.many = verb.repeats and len(words) != 1 and (len(words) > 0 or not by_option)
    done = yield from _repeat(call, verb, words)
    if call.concise:
        call.put(";".join(call.concise))
    put_report(call)
    return done


def _check_options(call: Call) -> bool:
    """Of `-o`, which means something else for trees, for reports and for the rest."""
    if call.has("tree"):
        return tree.check_tree_options(call)
    return call.has("columns") or not call.has("options") or show.check_naming(call)


def _repeat(call: Call, verb: Verb, words: list[str]) -> WaitingBool:
    """Once, or for one word after the other until it fails."""
    while True:
        done = False
        if verb.at_once is not None:
            done = verb.at_once(call, words)
        elif verb.may_wait is not None:
            done = yield from verb.may_wait(call, words)
        if not done:
            return call.complain("Command failed.")
        if not verb.repeats or len(words) <= 1:
            return True
        words = words[1:]
