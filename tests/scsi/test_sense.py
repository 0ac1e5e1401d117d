"""Sense data of both formats, and what becomes of an I/O that is answered with them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawser.core.status import IOERR, MEDIUM, NOSPC, OK, PROTECTION, TARGET
from hawser.core.units import NS_PER_S
from hawser.scsi.disposition import (
    BUSY_DELAY_NS,
    NEEDS_RETRY,
    NOT_HANDLED,
    PATIENCE_NS,
    REQUEUE,
    RETRIES_MAX,
    SUCCESS,
    TRANSITION_DELAY_NS,
    judge,
)
from hawser.scsi.sense import Sense, decode_sense, encode_descriptor, encode_fixed

senses = st.builds(Sense, st.integers(0, 15), st.integers(0, 255), st.integers(0, 255), st.booleans())


@settings(max_examples=40, deadline=None)
@given(senses)
def test_both_formats_say_the_same(sense: Sense):
    assert decode_sense(encode_fixed(sense)) == sense
    assert decode_sense(encode_descriptor(sense)) == sense


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=24))
def test_any_bytes_are_sense_data_or_none(data: bytes):
    sense = decode_sense(data)
    assert (sense is None) == (not data or not 0x70 <= data[0] & 0x7F <= 0x73)


def test_fixed_format_as_the_standard_has_it():
    """70h, key at 2, additional length 10 at 7, code and qualifier at 12 and 13."""
    assert encode_fixed(Sense(2, 4, 0xB)).hex() == "70000200000000" + "0a" + "00000000" + "040b" + "00000000"


@pytest.mark.parametrize(
    ("data", "sense"),
    [
        (bytes([0x70, 0, 5, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0x20, 0]), Sense(5, 0, 0)),
        (bytes([0x70, 0, 5]), Sense(5, 0, 0)),
        (bytes([0xF0, 0, 5, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0x20, 1]), Sense(5, 0x20, 1)),
        (bytes([0x72]), Sense(0, 0, 0)),
        (bytes([0x73, 0xF6, 0x29, 4]), Sense(6, 0x29, 4, True)),
    ],
)
def test_what_is_cut_off_or_not_valid_is_nought(data: bytes, sense: Sense):
    assert decode_sense(data) == sense


@pytest.mark.parametrize(
    ("key", "asc", "ascq", "status"),
    [
        (0x0, 0, 0, OK),
        (0x1, 0x17, 1, OK),
        (0x2, 0x04, 0x0B, IOERR),
        (0x2, 0x04, 0x0C, IOERR),
        (0x2, 0x3A, 0, IOERR),
        (0x3, 0x11, 0, MEDIUM),
        (0x3, 0x13, 0, MEDIUM),
        (0x3, 0x14, 0, MEDIUM),
        (0x4, 0x44, 0, TARGET),
        (0x5, 0x20, 0, TARGET),
        (0x5, 0x24, 0, TARGET),
        (0x5, 0x27, 0, TARGET),
        (0x5, 0x10, 1, PROTECTION),
        (0x5, 0x94, 1, IOERR),
        (0x7, 0x27, 7, NOSPC),
        (0x7, 0x27, 0, TARGET),
        (0xA, 0, 0, TARGET),
        (0xB, 0x10, 1, PROTECTION),
        (0xD, 0, 0, TARGET),
        (0xE, 0, 0, TARGET),
    ],
)
def test_senses_that_end_an_io(key: int, asc: int, ascq: int, status: int):
    verdict = judge(Sense(key, asc, ascq), NOT_HANDLED, 1)
    assert (verdict.retries, verdict.status) == (False, status)


@pytest.mark.parametrize(
    ("key", "asc", "ascq", "delay_ns"),
    [
        (0x2, 0x04, 0x04, BUSY_DELAY_NS),
        (0x2, 0x04, 0x1B, BUSY_DELAY_NS),
        (0x2, 0x04, 0x0A, TRANSITION_DELAY_NS),
        (0x6, 0x29, 0, 0),
        (0x6, 0x2A, 6, 0),
    ],
)
def test_senses_after_which_it_is_tried_again_for_as_long_as_patience_lasts(
    key: int, asc: int, ascq: int, delay_ns: int
):
    verdict = judge(Sense(key, asc, ascq), NOT_HANDLED, 99)
    assert (verdict.retries, verdict.delay_ns) == (True, delay_ns)
    assert judge(Sense(key, asc, ascq), NOT_HANDLED, 1, PATIENCE_NS - 1).retries
    late = judge(Sense(key, asc, ascq), NOT_HANDLED, 1, PATIENCE_NS)
    assert (late.retries, late.status) == (False, IOERR)
    assert not judge(Sense(key, asc, ascq), NOT_HANDLED, 1, NS_PER_S, NS_PER_S).retries


@pytest.mark.parametrize(("key", "asc", "ascq"), [(0xB, 0x47, 3), (0x3, 0x31, 0), (0x2, 0x04, 0x01), (0x6, 0x04, 0x01)])
def test_senses_after_which_it_is_tried_a_few_times(key: int, asc: int, ascq: int):
    first = judge(Sense(key, asc, ascq), NOT_HANDLED, RETRIES_MAX)
    assert (first.retries, first.delay_ns) == (True, 0)
    last = judge(Sense(key, asc, ascq), NOT_HANDLED, RETRIES_MAX + 1)
    assert last.retries == (key in (2, 6)), "what becomes ready by itself is waited for"


def test_the_handlers_word_comes_first():
    medium = Sense(3, 0x11, 0)
    assert judge(medium, REQUEUE, 99).retries
    assert judge(medium, NEEDS_RETRY, RETRIES_MAX).retries
    assert not judge(medium, NEEDS_RETRY, RETRIES_MAX + 1).retries
    assert judge(Sense(0xB, 0x47, 3), SUCCESS, 1).status == IOERR


def test_deferred_sense_is_about_another_command():
    deferred = Sense(3, 0x11, 0, True)
    assert judge(deferred, SUCCESS, 1).retries
    last = judge(deferred, SUCCESS, RETRIES_MAX + 1)
    assert (last.retries, last.status) == (False, IOERR)
