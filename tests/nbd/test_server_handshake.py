"""The server's handshake as conversations: what a client sends, what it is answered."""

import pytest
from tests.nbd.transcript import DISK, OTHER, PICKY, SERVER_GREETING, Client, Shelf, replies

from hawser.nbd import protocol as p
from hawser.nbd.export import Export
from hawser.nbd.server_handshake import Closed, ServerHandshake, Transmission

DISK_EXPORT = p.info_export(1 << 30, 0x10D)
DISK_SIZES = p.info_block_size(512, 4096, 1 << 20)


def test_go_is_answered_with_size_and_block_sizes_and_begins_transmission():
    client = Client(DISK, OTHER)
    assert client.asks(p.OPT_GO, p.go_data("disk", [p.INFO_BLOCK_SIZE])) == [
        (p.OPT_GO, p.REP_INFO, DISK_EXPORT),
        (p.OPT_GO, p.REP_INFO, DISK_SIZES),
        (p.OPT_GO, p.REP_ACK, b""),
    ]
    assert client.result == Transmission(DISK, b"", block_sizes_agreed=True)


def test_go_without_questions_is_told_the_block_sizes_but_need_not_keep_them():
    client = Client(DISK)
    infos = [data for _, _, data in client.asks(p.OPT_GO, p.go_data("disk", []))]
    assert infos == [DISK_EXPORT, DISK_SIZES, b""]
    assert client.result == Transmission(DISK, b"", block_sizes_agreed=False)


def test_requests_sent_right_behind_go_are_left_over():
    client = Client(DISK)
    request = p.request_header(p.CMD_READ, 0, 7, 0, 4096)
    client.sends(p.option_request(p.OPT_GO, p.go_data("disk", [])) + request)
    assert client.result == Transmission(DISK, request, False)


def test_info_answers_like_go_and_goes_on():
    client = Client(DISK)
    everything = [p.INFO_NAME, p.INFO_DESCRIPTION, p.INFO_BLOCK_SIZE, 77, p.INFO_EXPORT]
    told = client.asks(p.OPT_INFO, p.go_data("disk", everything))
    assert [data for _, _, data in told] == [
        DISK_EXPORT,
        DISK_SIZES,
        p.info_text(p.INFO_NAME, "disk"),
        p.info_text(p.INFO_DESCRIPTION, "the big one"),
        b"",
    ]
    assert client.result is None
    assert [x[1:] for x in client.asks(p.OPT_GO, p.go_data("disk", everything))] == [x[1:] for x in told]
    assert isinstance(client.result, Transmission)


@pytest.mark.parametrize("option", [p.OPT_GO, p.OPT_INFO])
def test_an_unknown_export_is_said_and_the_client_may_try_another(option):
    client = Client(DISK)
    [(_, reply, message)] = client.asks(option, p.go_data("desk", []))
    assert reply == p.REP_ERR_UNKNOWN
    assert message == b"no export is named 'desk'"
    assert client.result is None
    assert client.asks_types(p.OPT_GO, p.go_data("disk", []))[-1] == p.REP_ACK


def test_the_empty_name_is_the_only_export():
    client = Client(DISK)
    client.asks(p.OPT_GO, p.go_data("", []))
    assert isinstance(client.result, Transmission)
    assert client.result.export == DISK


def test_the_empty_name_among_several_exports_is_unknown():
    assert Client(DISK, OTHER).asks_types(p.OPT_GO, p.go_data("", [])) == [p.REP_ERR_UNKNOWN]


def test_list_names_every_export():
    client = Client(DISK, OTHER)
    assert client.asks(p.OPT_LIST) == [
        (p.OPT_LIST, p.REP_SERVER, p.server_data("disk", "the big one")),
        (p.OPT_LIST, p.REP_SERVER, p.server_data("andere-größe")),
        (p.OPT_LIST, p.REP_ACK, b""),
    ]
    assert client.asks_types(p.OPT_LIST, b"x") == [p.REP_ERR_INVALID]
    assert client.result is None


@pytest.mark.parametrize("data", [b"", b"ignored", bytes(p.OPTION_MAX + 1)])
def test_abort_is_acknowledged_and_ends_in_order(data):
    client = Client(DISK)
    assert client.asks(p.OPT_ABORT, data) == [(p.OPT_ABORT, p.REP_ACK, b"")]
    assert isinstance(client.result, Closed)
    assert client.result.orderly


@pytest.mark.parametrize(
    "option",
    [
        p.OPT_STARTTLS,
        p.OPT_STRUCTURED_REPLY,
        p.OPT_LIST_META_CONTEXT,
        p.OPT_SET_META_CONTEXT,
        p.OPT_EXTENDED_HEADERS,
        4,
        0,
        0xFFFFFFFF,
    ],
)
def test_other_options_are_unsupported_and_the_next_one_is_understood(option):
    client = Client(DISK)
    assert client.asks_types(option, b"whatever it carries") == [p.REP_ERR_UNSUP]
    assert client.asks_types(p.OPT_GO, p.go_data("disk", []))[-1] == p.REP_ACK


@pytest.mark.parametrize(("flags", "zeroes"), [(0, 124), (1, 124), (3, 0), (2, 0)])
def test_export_name_is_answered_without_a_header(flags, zeroes):
    client = Client(DISK, flags=flags)
    request = p.request_header(p.CMD_FLUSH, 0, 1, 0, 0)
    answer = client.sends(p.option_request(p.OPT_EXPORT_NAME, b"disk") + request)
    assert answer == p.EXPORT_SUMMARY.pack(1 << 30, 0x10D) + bytes(zeroes)
    assert client.result == Transmission(DISK, request, False)


@pytest.mark.parametrize("name", [b"desk", b"\xff", b"a\0b", b"n" * 4097, b"n" * (p.OPTION_MAX + 1)])
def test_export_name_that_cannot_be_served_is_closed_without_a_word(name):
    client = Client(DISK)
    assert client.sends(p.option_request(p.OPT_EXPORT_NAME, name)) == b""
    assert "NBD_OPT_EXPORT_NAME" in client.reason


def test_has_flags_is_always_set():
    client = Client(Export("plain", 512, flags=0))
    [(_, _, info), *_] = client.asks(p.OPT_GO, p.go_data("plain", []))
    assert info == p.info_export(512, p.FLAG_HAS_FLAGS)


def test_a_picky_export_wants_its_block_sizes_asked_for():
    client = Client(PICKY)
    assert client.asks_types(p.OPT_GO, p.go_data("picky", [])) == [
        p.REP_INFO,
        p.REP_INFO,
        p.REP_ERR_BLOCK_SIZE_REQD,
    ]
    assert client.result is None
    client.asks(p.OPT_GO, p.go_data("picky", [p.INFO_BLOCK_SIZE]))
    assert client.result == Transmission(PICKY, b"", True)


def test_a_picky_export_closes_export_name():
    client = Client(PICKY)
    assert client.sends(p.option_request(p.OPT_EXPORT_NAME, b"picky")) == b""
    assert "block sizes" in client.reason


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "at least 6"),
        (b"\0\0\0\0\0", "at least 6"),
        (p.U32.pack(100) + b"disk\0\0", "does not fit"),
        (p.U32.pack(0xFFFFFFFF) + b"disk\0\0", "does not fit"),
        (p.go_data("disk", [3])[:-1], "each has 2"),
        (p.go_data("disk", [3]) + b"x", "each has 2"),
        (p.U32.pack(4) + b"d\xffsk\0\0", "not UTF-8 at byte 1"),
        (p.go_data("di\0k", []), "NUL"),
        (p.go_data("d" * 4097, []), "at most 4096"),
    ],
)
@pytest.mark.parametrize("option", [p.OPT_GO, p.OPT_INFO])
def test_a_malformed_go_is_invalid_and_the_client_may_mend_it(option, data, says):
    client = Client(DISK)
    [(_, reply, message)] = client.asks(option, data)
    assert reply == p.REP_ERR_INVALID
    assert says in message.decode()
    assert client.asks_types(p.OPT_GO, p.go_data("disk", []))[-1] == p.REP_ACK


def test_an_option_too_long_to_keep_is_skipped_and_refused():
    client = Client(DISK)
    client.sends(p.OPTION_HEADER.pack(p.OPTION_MAGIC, p.OPT_SET_META_CONTEXT, 10 << 20))
    answer = b""
    for _ in range(10 << 4):
        assert answer == b""
        answer = client.sends(bytes(1 << 16))
        assert client.server.held_bytes() <= p.OPTION_MAX
    assert [reply for _, reply, _ in replies(answer)] == [p.REP_ERR_TOO_BIG]
    assert client.result is None
    assert client.asks_types(p.OPT_GO, p.go_data("disk", []))[-1] == p.REP_ACK


def test_too_big_is_what_the_skipped_option_is_told():
    types = Client(DISK).asks_types(p.OPT_SET_META_CONTEXT, bytes(p.OPTION_MAX + 1))
    assert types == [p.REP_ERR_TOO_BIG]


def test_an_option_beyond_skipping_closes_at_its_header():
    client = Client(DISK)
    client.sends(p.OPTION_HEADER.pack(p.OPTION_MAGIC, p.OPT_GO, p.OPTION_SKIP_MAX + 1))
    assert client.reason == f"NBD_OPT_GO announces 33554433 bytes of data: {p.OPTION_SKIP_MAX} are too many"


@pytest.mark.parametrize("flags", [4, 0x80000000, 0xFFFFFFFF, 7])
def test_unknown_client_flags_close(flags):
    client = Client(DISK, flags=None)
    assert client.sends(p.client_flags(flags)) == b""
    assert f"{flags:#x}" in client.reason


def test_a_bad_option_magic_closes():
    client = Client(DISK)
    client.sends(b"GET / HTTP/1.1\r\n")
    assert "IHAVEOPT" in client.reason


def test_only_export_name_without_fixed_newstyle():
    client = Client(DISK, flags=0)
    client.sends(p.option_request(p.OPT_LIST))
    assert "NBD_FLAG_C_FIXED_NEWSTYLE" in client.reason


def test_options_without_end_close():
    client = Client(DISK)
    for _ in range(p.HANDSHAKE_OPTIONS_MAX):
        assert client.result is None
        client.sends(p.option_request(99))
    assert client.reason == "more than 128 options in one negotiation"


def test_asking_without_reading_is_bounded():
    many = [Export(f"{n:04}" + "x" * 1000, 512) for n in range(1000)]
    server = ServerHandshake(Shelf(*many))
    server.receive(p.client_flags(3) + p.option_request(p.OPT_LIST) * p.HANDSHAKE_OPTIONS_MAX)
    assert server.held_bytes() < p.HANDSHAKE_REPLY_BYTES_MAX + 2_000_000
    assert isinstance(server.result, Closed)


@pytest.mark.parametrize(
    ("sent", "due"),
    [
        (b"", "the client flags"),
        (p.client_flags(3), "an option"),
        (p.client_flags(3) + p.option_request(p.OPT_GO, bytes(9))[:-1], "the data of NBD_OPT_GO"),
    ],
)
def test_a_client_that_leaves_is_closed_with_where_it_left(sent, due):
    client = Client(DISK, flags=None)
    client.sends(sent)
    client.server.end_of_input()
    assert client.reason == f"the peer closed the connection where {due} was due"


def test_the_end_of_input_after_the_end_changes_nothing():
    client = Client(DISK)
    client.asks(p.OPT_GO, p.go_data("disk", []))
    before = client.result
    client.server.end_of_input()
    assert client.result is before


def test_the_greeting_waits_for_nothing():
    server = ServerHandshake(Shelf())
    assert server.outgoing() == SERVER_GREETING
    assert server.outgoing() == b""
