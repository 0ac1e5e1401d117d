"""Disposition: what becomes of an I/O whose command was answered with sense data.

First the hardware handler is asked (`HardwareHandler.check_sense`), then the rules for all disks apply; what is not tried again
ends with a status of the block layer. Linux: scsi_check_sense() in drivers/scsi/scsi_error.c, scsi_io_completion_action() and
scsi_result_to_blk_status() in scsi_lib.c, for reads, writes and the like of a fixed disk.
"""

from typing import Final

from hawser.core.status import IOERR, MEDIUM, NOSPC, OK, PROTECTION, TARGET
from hawser.core.units import NS_PER_S
from hawser.scsi.sense import (
    ABORTED_COMMAND,
    BLANK_CHECK,
    COPY_ABORTED,
    DATA_PROTECT,
    HARDWARE_ERROR,
    ILLEGAL_REQUEST,
    MEDIUM_ERROR,
    MISCOMPARE,
    NO_SENSE,
    NOT_READY,
    RECOVERED_ERROR,
    UNIT_ATTENTION,
    VOLUME_OVERFLOW,
    Sense,
)

# What a handler says of a sense. SUCCESS: it is no business of the middle layer, the command ends with it. NEEDS_RETRY: once
# more, as often as a command may be. REQUEUE: once more (ADD_TO_MLQUEUE). NOT_HANDLED: the rules for all disks.
SUCCESS: Final = 0
NEEDS_RETRY: Final = 1
REQUEUE: Final = 2
NOT_HANDLED: Final = 3

# How often a command of a disk is tried again (SD_MAX_RETRIES); a delayed one is put off by so much (SCSI_QUEUE_DELAY, and
# ALUA_TRANSITION_REPREP_DELAY).
RETRIES_MAX: Final = 5
BUSY_DELAY_NS: Final = 3_000_000
TRANSITION_DELAY_NS: Final = NS_PER_S
# So long it is tried again, whatever is said: as often as a command may be, 30 s each.
PATIENCE_NS: Final = 180 * NS_PER_S

# Qualifiers of "not ready" that pass by themselves: becoming ready, format, rebuild, recalculation, operation, long write, self
# test, spin-up, space allocation, start stop unit, sanitize, configuration.
_PASSING: Final = (0x01, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x11, 0x14, 0x1A, 0x1B, 0x1D)
_TARGET_ASC: Final = (0x20, 0x21, 0x22, 0x24, 0x26, 0x27)
_MEDIUM_ASC: Final = (0x11, 0x13, 0x14)


class Verdict:
    """`retries`: try it again, after `delay_ns`; else it ends with `status`."""

    def __init__(self, status: int, retries: bool = False, delay_ns: int = 0) -> None:
        self.status = status
        self.retries = retries
        self.delay_ns = delay_ns


def judge(sense: Sense, handlers_word: int, tries: int, age_ns: int = 0, patience_ns: int = PATIENCE_NS) -> Verdict:
    """What becomes of a read, write or the like that was begun `age_ns` ago and has been tried `tries` times; `handlers_word`:
    what its handler says. Whoever wants an answer sooner than Linux has less patience."""
    verdict = _judge(sense, handlers_word, tries)
    if verdict.retries and age_ns >= patience_ns:
        return Verdict(IOERR)
    return verdict


def _judge(sense: Sense, handlers_word: int, tries: int) -> Verdict:
    word = handlers_word
    if sense.deferred:
        word = NEEDS_RETRY
    if word == NOT_HANDLED:
        word = _check(sense)
    if word == REQUEUE or (word == NEEDS_RETRY and tries <= RETRIES_MAX):
        return Verdict(OK, True)
    return _complete(sense)


def _check(sense: Sense) -> int:
    """Linux: the part of scsi_check_sense() behind the handler."""
    key = sense.key
    if key == ABORTED_COMMAND:
        return SUCCESS if sense.asc == 0x10 else NEEDS_RETRY
    if key in (NOT_READY, UNIT_ATTENTION):
        return NEEDS_RETRY if sense.is_code(0x04, 0x01) else SUCCESS
    if key == MEDIUM_ERROR:
        return SUCCESS if sense.asc in _MEDIUM_ASC else NEEDS_RETRY
    return SUCCESS


def _complete(sense: Sense) -> Verdict:
    """Linux: scsi_io_completion_action()."""
    key = sense.key
    if sense.deferred:
        return Verdict(IOERR)
    if key in (NO_SENSE, RECOVERED_ERROR):
        return Verdict(OK)
    if key == UNIT_ATTENTION:
        return Verdict(OK, True)
    if key == NOT_READY and sense.asc == 0x04:
        if sense.ascq in _PASSING:
            return Verdict(OK, True, BUSY_DELAY_NS)
        if sense.ascq == 0x0A:
            return Verdict(OK, True, TRANSITION_DELAY_NS)
    return Verdict(_status(sense))


def _status(sense: Sense) -> int:
    key = sense.key
    if sense.asc == 0x10 and key in (ILLEGAL_REQUEST, ABORTED_COMMAND):
        return PROTECTION
    if key == DATA_PROTECT and sense.is_code(0x27, 0x07):
        return NOSPC
    if key in (DATA_PROTECT, COPY_ABORTED, VOLUME_OVERFLOW, MISCOMPARE, BLANK_CHECK, HARDWARE_ERROR):
        return TARGET
    if key == ILLEGAL_REQUEST and sense.asc in _TARGET_ASC:
        return TARGET
    if key == MEDIUM_ERROR and sense.asc in _MEDIUM_ASC:
        return MEDIUM
    return IOERR
