"""Which plan is meant: drawn from a seed, as it is or broken on purpose, or read from a file."""

from pathlib import Path
from typing import Final

from hawser.lab.draw import draw_false_lun, draw_plan, draw_unsafe
from hawser.lab.plan import Plan
from hawser.lab.plan_file import PlanError, loads

SAFE: Final = ""
WITHOUT_FENCES: Final = "--unsafe-no-fence"
FALSE: Final = "--false-lun"


class NoPlanError(Exception):
    """What was asked for is no plan; the message says why."""


def draw(seed: int, kind: str) -> Plan:
    """`kind` is one of this module's words."""
    if kind == WITHOUT_FENCES:
        return draw_unsafe(seed)
    return draw_false_lun(seed) if kind == FALSE else draw_plan(seed)


def find(what: str, kind: str) -> Plan:
    """`17` or `plan.json`. NoPlanError says what is wrong with it."""
    if what.isdigit():
        return draw(int(what), kind)
    try:
        plan = loads(Path(what).read_text())
    except OSError as error:
        raise NoPlanError(f"{what}: {error.strerror}; want a seed or a file that holds a plan") from None
    except (PlanError, UnicodeDecodeError) as error:
        raise NoPlanError(f"{what}: {error}") from None
    if kind == FALSE:
        raise NoPlanError(f"{FALSE} draws another plan from a seed; {what} is a plan already")
    if kind == WITHOUT_FENCES:
        plan.unsafe_no_fence = True
    return plan


def replay_command(seed: int, kind: str) -> str:
    """The one command that shows it again."""
    return f"hawser lab show {seed} {kind}".rstrip()
