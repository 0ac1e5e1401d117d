"""Verbs as functions, for those who want the text and nothing else, of verbs that never wait."""

from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.dmsetup.program import Answer, dmsetup
from hawser.dm.registry import DeviceRegistry


class VerbError(ValueError):
    """A verb that cannot be done. The text is dmsetup's complaint, on one line or several, and the reason."""


def ask(control: Control, argv: list[str], stdin: str = "") -> Answer:
    """Run dmsetup to its end. AssertionError when it would have to wait."""
    answer = Answer()
    for _ in dmsetup(control, Surroundings(control), argv, stdin, answer):
        raise AssertionError(f"dmsetup {' '.join(argv)} has to wait")
    return answer


def _text(registry: DeviceRegistry, argv: list[str]) -> str:
    control = Control(registry)
    answer = ask(control, argv)
    if answer.rc != 0:
        raise VerbError(f"{answer.stderr}{control.reason}".removesuffix("\n"))
    return answer.stdout


def ls(registry: DeviceRegistry) -> str:
    """`dmsetup ls`."""
    return _text(registry, ["ls"])


def table(registry: DeviceRegistry, name: str | None) -> str:
    """`dmsetup table [NAME]`."""
    return _text(registry, ["table", *([name] if name is not None else [])])


def status(registry: DeviceRegistry, name: str | None) -> str:
    """`dmsetup status [NAME]`."""
    return _text(registry, ["status", *([name] if name is not None else [])])


def info(registry: DeviceRegistry, name: str | None) -> str:
    """`dmsetup info [NAME]`: a block of lines per device, an empty line behind each."""
    return _text(registry, ["info", *([name] if name is not None else [])])


def message(registry: DeviceRegistry, name: str, sector: int, words: list[str]) -> str:
    """`dmsetup message NAME SECTOR WORDS...`."""
    return _text(registry, ["--", "message", name, str(sector), *(words or [""])])
