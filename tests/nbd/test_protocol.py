"""The fixed-size messages byte by byte, and what an export may say."""

import pytest
from tests.nbd.transcript import DISK, OTHER, Shelf

from hawser.nbd import protocol as p
from hawser.nbd.export import Export


def test_a_request_header_is_what_the_document_draws():
    raw = p.request_header(p.CMD_WRITE, p.CMD_FLAG_FUA, 0x0102030405060708, 0x1122334455667788, 0x1000)
    assert raw.hex(" ", -4) == "25609513 00010001 01020304 05060708 11223344 55667788 00001000"


def test_a_simple_reply_is_what_the_document_draws():
    assert p.simple_reply(b"ABCDEFGH", p.OK).hex(" ", -4) == "67446698 00000000 41424344 45464748"
    assert p.simple_reply(b"ABCDEFGH", p.EIO).hex(" ", -4) == "67446698 00000005 41424344 45464748"


def test_options_are_what_the_document_draws():
    assert p.option_request(p.OPT_LIST) == b"IHAVEOPT\0\0\0\x03\0\0\0\0"
    assert p.option_reply(p.OPT_LIST, p.REP_ERR_UNSUP, b"no").hex(" ", -4) == (
        "0003e889 045565a9 00000003 80000001 00000002 6e6f"
    )
    assert p.go_data("né", [3, 1]) == b"\0\0\0\x03n\xc3\xa9\0\x02\0\x03\0\x01"
    assert p.server_data("a", "b") == b"\0\0\0\x01ab"


def test_information_is_what_the_document_draws():
    assert p.info_export(0x1122334455667788, 0x10D).hex() == "00001122334455667788010d"
    assert p.info_block_size(1, 4096, 0xFFFFFFFF).hex() == "00030000000100001000ffffffff"
    assert p.info_text(p.INFO_DESCRIPTION, "x") == b"\0\x02x"


def test_the_magics_are_their_words():
    assert p.U64.pack(p.NBD_MAGIC) == b"NBDMAGIC"
    assert p.U64.pack(p.OPTION_MAGIC) == b"IHAVEOPT"


def test_a_peer_s_text_is_shown_safely():
    assert p.shown("ok") == "'ok'"
    assert p.shown("\x1b[2J\n") == r"'\x1b[2J\n'"
    assert len(p.shown("x" * 5000)) < 100


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "a\0b"}, "NUL"),
        ({"name": "é" * 2049}, "4098 bytes long, 4096 are allowed"),
        ({"name": "\ud800"}, "no UTF-8"),
        ({"description": "x" * 4097}, "4097 bytes long"),
        ({"size_bytes": -1}, "size -1"),
        ({"size_bytes": 1 << 63}, "2^63-1"),
        ({"block_min": 0}, "minimum block size 0"),
        ({"block_min": 1 << 17, "block_preferred": 1 << 17}, "minimum block size 131072"),
        ({"block_min": 8192}, "preferred block size 4096"),
        ({"block_preferred": 256}, "below 512"),
        ({"block_max": 2048}, "maximum payload 2048"),
        ({"block_max": 1 << 32}, "maximum payload"),
        ({"flags": 1 << 16}, "16 bits"),
    ],
)
def test_an_export_that_cannot_be_said_is_refused(fields, says):
    with pytest.raises(ValueError) as caught:
        Export(**({"name": "disk", "size_bytes": 1 << 20} | fields))
    assert says in str(caught.value)
    assert str(caught.value).startswith("export '")


def test_the_default_export():
    assert Shelf(DISK).find_default("") is DISK
    assert Shelf(DISK, OTHER).find_default("") is None
    assert Shelf().find_default("") is None
    nameless = Export("", 512)
    assert Shelf(DISK, nameless).find_default("") is nameless
