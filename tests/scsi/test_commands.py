"""Command descriptor blocks, byte by byte as the standards have them, and the pages of inquiry data."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawser.scsi import commands, inquiry, vendor_pages
from hawser.scsi.commands import allocation_length
from hawser.scsi.inquiry import EUI_64, NAA, OF_PORT, PORT_GROUP, RELATIVE_PORT, SCSI_NAME, T10_VENDOR, Designator


@pytest.mark.parametrize(
    ("command", "cdb"),
    [
        (commands.test_unit_ready(), "000000000000"),
        (commands.inquiry(0x24), "120000002400"),
        (commands.inquire_page(0x83, 0x1FF), "12018301ff00"),
        (commands.report_target_port_groups(128, True), "a32a00000000000000800000"),
        (commands.report_target_port_groups(128, False), "a30a00000000000000800000"),
        (commands.set_target_port_groups(bytes(8)), "a40a00000000000000080000"),
        (commands.mode_select(bytes(12), False), "150000000c00"),
        (commands.mode_select(bytes(12), False, True), "151000000c00"),
        (commands.mode_select(bytes(0x102), True), "55000000000000010200"),
        (commands.mode_sense(0x2C, 0, 0x40, False), "1a002c004000"),
        (commands.mode_sense(0x2C, 1, 0x140, True), "5a002c01000000014000"),
        (commands.start_stop_unit(True), "1b0000000100"),
        (commands.start_stop_unit(False), "1b0000000000"),
    ],
)
def test_cdb(command: commands.Command, cdb: str):
    assert command.cdb.hex() == cdb
    assert allocation_length(command.cdb) == command.in_bytes


def test_standard_inquiry():
    facts = inquiry.StandardInquiry("LSI", "INF-01-00", "0786", 3)
    data = inquiry.encode_standard(facts, bytes(60))
    assert (len(data), data[4], data[5] >> 4) == (96, 91, 3)
    assert inquiry.decode_standard(data) == facts
    assert inquiry.decode_standard(b"\x05").device_type == 5


UNIT = Designator(NAA, bytes.fromhex("33333330000007d0"))
GROUP = Designator(PORT_GROUP, bytes.fromhex("00000300"), OF_PORT)
PORT = Designator(RELATIVE_PORT, bytes.fromhex("00000001"), OF_PORT)


def test_identification_says_who_and_where():
    page = inquiry.encode_identification([UNIT, PORT, Designator(NAA, b"p" * 8, OF_PORT), GROUP])
    found = inquiry.decode_identification(page)
    assert inquiry.unit_name(found) == "naa.33333330000007d0"
    assert (inquiry.port_group_of(found), inquiry.relative_port_of(found)) == (0x300, 1)
    assert inquiry.decode_identification(page[:-1])[:3] == found[:3]
    assert (inquiry.port_group_of([UNIT]), inquiry.relative_port_of([]), inquiry.unit_name([GROUP])) == (-1, -1, "")


@pytest.mark.parametrize(
    ("designators", "name"),
    [
        ([UNIT, Designator(NAA, b"\x60" + bytes(15))], f"naa.60{'00' * 15}"),
        ([Designator(NAA, b"\x60" + bytes(15)), UNIT], f"naa.60{'00' * 15}"),
        ([Designator(T10_VENDOR, b"LIO x"), Designator(EUI_64, bytes(8))], f"eui.{'00' * 8}"),
        ([Designator(T10_VENDOR, b"LIO x"), Designator(SCSI_NAME, b"iqn.x\0\0")], "iqn.x"),
        ([Designator(T10_VENDOR, b"LIO x")], "t10.LIO x"),
    ],
)
def test_the_best_name_of_a_unit_counts(designators: list[Designator], name: str):
    assert inquiry.unit_name(designators) == name


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_pages_or_none(data: bytes):
    inquiry.decode_standard(data)
    inquiry.unit_name(inquiry.decode_identification(b"\0\x83" + data))
    for page in (0xC0, 0xC2, 0xC4, 0xC8, 0xC9):
        whole = bytes([0, page]) + data
        vendor_pages.decode_ownership(whole)
        vendor_pages.decode_identity(whole)
        vendor_pages.controller_index(whole)
        vendor_pages.units_max(whole)
        vendor_pages.decode_processor(whole)
    vendor_pages.clariion_model(data)


@pytest.mark.parametrize("mode", [vendor_pages.MODE_RDAC, vendor_pages.MODE_AVT, vendor_pages.MODE_IOSHIP])
@pytest.mark.parametrize(("owned", "preferred"), [(True, False), (False, True)])
def test_pages_of_lsi(mode: int, owned: bool, preferred: bool):
    facts = vendor_pages.Ownership(mode, owned, preferred)
    assert vendor_pages.decode_ownership(vendor_pages.encode_ownership(facts)) == facts
    identity = vendor_pages.Identity(9, b"a" * 16, "my array")
    assert vendor_pages.decode_identity(vendor_pages.encode_identity(identity)) == identity
    assert [vendor_pages.controller_index(vendor_pages.encode_subsystem(slot)) for slot in (1, 2)] == [0, 1]
    assert vendor_pages.units_max(vendor_pages.encode_software(31)) == 31


@pytest.mark.parametrize(("ten", "size", "units"), [(False, 4 + 2 + 104, [0, 31]), (True, 8 + 4 + 296, [3, 255])])
def test_the_transfer_of_units(ten: bool, size: int, units: list[int]):
    """Sizes and page lengths as rdac's structures have them."""
    data = vendor_pages.encode_transfer(units, ten)
    assert len(data) == size
    head = data[8:12].hex() if ten else data[4:6].hex()
    assert head == ("6c010128" if ten else "2c68")
    assert vendor_pages.decode_transfer(data, ten) == units
    assert vendor_pages.decode_transfer(bytes(size), ten) is None


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("honor", [True, False])
def test_the_trespass(short: bool, honor: bool):
    data = vendor_pages.encode_trespass(short, honor)
    code = "01" if honor else "81"
    assert data.hex() == ("000000002202" + code + "ff" if short else "00" * 8 + "2209" + code + "ffff" + "00" * 6)
    assert vendor_pages.is_trespass(data, not short)
    assert not vendor_pages.is_trespass(bytes(len(data)), not short)


def test_state_of_a_storage_processor():
    facts = vendor_pages.ProcessorState(2, 0, 1, 3, vendor_pages.FAILOVER_ALUA, True)
    page = vendor_pages.encode_processor(facts)
    assert vendor_pages.decode_processor(page) == facts
    assert (page[4], page[5], page[8], page[7], page[28], page[48]) == (2, 0, 1, 3, 6, 1)
