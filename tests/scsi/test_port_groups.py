"""Reports of target port groups with both headers; setting them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hawser.scsi.port_groups import (
    NON_OPTIMIZED,
    OPTIMIZED,
    STANDBY,
    SUPPORTS_ALL,
    UNAVAILABLE,
    GroupState,
    decode_report,
    decode_set,
    encode_report,
    encode_set,
    support_letters,
)

# What scsi_debug of Linux answers for its second host (REPORT TARGET PORT GROUPS, vpd_use_hostno=0).
SCSI_DEBUG = bytes.fromhex("00000018010f02000000000100000001030802800000000100000002")

ports = st.lists(st.integers(0, 0xFFFF), max_size=4).map(tuple)
groups = st.lists(
    st.builds(
        GroupState,
        st.integers(0, 0xFFFF),
        st.integers(0, 15),
        st.booleans(),
        st.integers(0, 255),
        st.integers(0, 255),
        ports,
    ),
    max_size=5,
)


def test_what_scsi_debug_says():
    report = decode_report(SCSI_DEBUG)
    assert (report.needs_bytes, report.transition_s) == (len(SCSI_DEBUG), 0)
    assert report.groups == [
        GroupState(0x200, NON_OPTIMIZED, False, 0x0F, 0, (1,)),
        GroupState(0x280, UNAVAILABLE, False, 0x08, 0, (2,)),
    ]
    assert encode_report(report.groups, False) == SCSI_DEBUG


@settings(max_examples=40, deadline=None)
@given(groups, st.integers(0, 255))
def test_the_extended_header_has_the_time(found: list[GroupState], transition_s: int):
    data = encode_report(found, True, transition_s)
    report = decode_report(data)
    assert (report.needs_bytes, report.transition_s, report.groups) == (len(data), transition_s, found)


@settings(max_examples=40, deadline=None)
@given(groups)
def test_the_short_header_has_not(found: list[GroupState]):
    report = decode_report(encode_report(found, False, 9))
    assert (report.transition_s, report.groups) == (0, found)


@settings(max_examples=40, deadline=None)
@given(groups, st.booleans(), st.integers(0, 80))
def test_a_report_that_was_cut_off_says_how_long_it_is(found: list[GroupState], extended: bool, most: int):
    whole = encode_report(found, extended)
    report = decode_report(whole[:most])
    if most < 4:
        assert report is None
    else:
        assert report.needs_bytes == len(whole)
        assert [one.group_id for one in report.groups] == [one.group_id for one in found][: len(report.groups)]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_read(data: bytes):
    decode_report(data)
    decode_set(data)


def test_setting_as_the_standard_has_it():
    """Four reserved bytes, then state, a reserved byte and the group, four bytes each."""
    data = encode_set([(0x0102, OPTIMIZED), (3, STANDBY)])
    assert data.hex() == "000000000000010202000003"
    assert decode_set(data) == [(0x0102, OPTIMIZED), (3, STANDBY)]


def test_letters_of_states():
    assert (support_letters(SUPPORTS_ALL), support_letters(0x0F), support_letters(0)) == (
        "TOLUSNA",
        "tolUSNA",
        "tolusna",
    )
