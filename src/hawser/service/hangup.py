"""SIGHUP: the terminal is gone, or somebody wants a reload. Where it is ignored from the start (nohup) it stays ignored."""

import signal


def is_heard() -> bool:
    """Whether a handler for it may be set."""
    return signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def end_signals() -> list[signal.Signals]:
    """The signals that end a demonstration: with its terminal it has lost its audience."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    return [*numbers, signal.SIGHUP] if is_heard() else numbers
