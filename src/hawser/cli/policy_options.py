"""Options about paths that work, and which the manager watches all the same: slow, flaky and idle ones, and single slow reads."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from hawser.core.units import NS_PER_MS, NS_PER_S, parse_seconds_ns
from hawser.manager.policy import KEEPALIVE_NS, HedgePolicy, MarginalPolicy, Policy
from hawser.multipath.hedge import AFTER_MIN_NS as HEDGE_AFTER_MIN_NS
from hawser.multipath.hedge import SHARE_MAX
from hawser.service.options import OptionError

OFF: Final = "off"
HEDGE_AFTER_MAX_NS: Final = 60 * NS_PER_S
_USUAL: Final = MarginalPolicy()
_OPTIONS: Final = (
    ("slow_path_factor", "N|off", str(_USUAL.factor), "A path is slow that takes N times as long as its group."),
    ("slow_path_after", "SECONDS", f"{_USUAL.after_ns // NS_PER_S}", "So long slow, a path is used last."),
    (
        "double_failed_time",
        "SECONDS|off",
        f"{_USUAL.double_failed_ns // NS_PER_S}",
        "A path that fails twice within it is used last.",
    ),
    ("keepalive", "SECONDS|off", f"{KEEPALIVE_NS // NS_PER_S}", "Ask a path that is idle."),
    (
        "hedge_after",
        "MS|off",
        OFF,
        f"Ask a second path for a read that takes longer (of {SHARE_MAX} % of them at most).",
    ),
)

Command = TypeVar("Command", bound=Callable[..., Any])


def policy_options(command: Command) -> Command:
    """Adds the options; the command takes them as keywords, and passes them on to `make_policy`."""
    for name, metavar, default, text in reversed(_OPTIONS):
        option = click.option(
            f"--{name.replace('_', '-')}", name, default=default, show_default=True, metavar=metavar, help=text
        )
        command = option(command)
    return command


def make_policy(
    queue_timeout_ns: int | None,
    slow_path_factor: str,
    slow_path_after: str,
    double_failed_time: str,
    keepalive: str,
    hedge_after: str,
    prefix: str = "--",
) -> Policy:
    """OptionError names the option that is wrong, with `prefix` before it."""
    factor = 0 if slow_path_factor == OFF else _factor(slow_path_factor, prefix)
    after_ns = _seconds_ns(f"{prefix}slow-path-after", slow_path_after, False)
    double_failed_ns = _seconds_ns(f"{prefix}double-failed-time", double_failed_time, True)
    marginal = MarginalPolicy(factor=factor, after_ns=after_ns, double_failed_ns=double_failed_ns)
    return Policy(
        queue_timeout_ns,
        marginal=marginal if factor or double_failed_ns else None,
        keepalive_ns=_seconds_ns(f"{prefix}keepalive", keepalive, True),
        hedge=None if hedge_after == OFF else HedgePolicy(_hedge_after_ns(hedge_after, prefix)),
    )


def _factor(text: str, prefix: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 2:
        return int(text)
    raise OptionError(f"{prefix}slow-path-factor {text!r}: is neither a whole number of at least 2, nor {OFF}")


def _hedge_after_ns(text: str, prefix: str) -> int:
    try:
        after_ns = round(float(text) * NS_PER_MS)
    except (ValueError, OverflowError):
        after_ns = 0
    if HEDGE_AFTER_MIN_NS <= after_ns <= HEDGE_AFTER_MAX_NS:
        return after_ns
    least, most = HEDGE_AFTER_MIN_NS // NS_PER_MS, HEDGE_AFTER_MAX_NS // NS_PER_MS
    raise OptionError(
        f"{prefix}hedge-after {text!r}: is neither a number of milliseconds from {least} to {most}, nor {OFF}"
    )


def _seconds_ns(option: str, text: str, may_be_off: bool) -> int:
    """More than nothing, or 0 when it is off."""
    if may_be_off and text == OFF:
        return 0
    more = f", or {OFF}" if may_be_off else ""
    try:
        time_ns = parse_seconds_ns(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}{more}") from None
    if time_ns == 0:
        raise OptionError(f"{option} 0: must be more than that{more}")
    return time_ns
