"""The client's handshake as conversations, and what it does not believe."""

import pytest
from tests.nbd.transcript import SERVER_GREETING

from hawser.nbd import protocol as p
from hawser.nbd.client_handshake import ClientHandshake, Negotiated, Refused

GO = p.option_request(p.OPT_GO, p.go_data("disk", [p.INFO_BLOCK_SIZE, p.INFO_NAME, p.INFO_DESCRIPTION]))
ABORT = p.option_request(p.OPT_ABORT)
EXPORT_NAME = p.option_request(p.OPT_EXPORT_NAME, b"disk")


def greeting(flags):
    return p.GREETING.pack(p.NBD_MAGIC, p.OPTION_MAGIC, flags)


def info(data):
    return p.option_reply(p.OPT_GO, p.REP_INFO, data)


ACK = p.option_reply(p.OPT_GO, p.REP_ACK)
SIZE = info(p.info_export(1 << 30, 0x10D))


def negotiate(*server_says, name="disk"):
    """The client after the server said all that; and what it said itself, piece by piece."""
    client = ClientHandshake(name)
    said = [client.outgoing()]
    for data in server_says:
        client.receive(data)
        said.append(client.outgoing())
    return client, said


def refusal(client):
    assert isinstance(client.result, Refused), client.result
    return client.result.reason


def test_go_with_everything_stated():
    sizes = info(p.info_block_size(512, 65536, 0xFFFFFFFF))
    name = info(p.info_text(p.INFO_NAME, "Disk"))
    client, said = negotiate(SERVER_GREETING, SIZE + sizes, name + info(b"\0\x4dunknown") + ACK + b"more")
    assert said == [b"", p.client_flags(3) + GO, b"", b""]
    assert client.result == Negotiated("Disk", 1 << 30, 0x10D, 512, 65536, 0xFFFFFFFF, True, b"more", "Disk")


def test_what_a_server_says_of_its_export_is_kept():
    words = info(p.info_text(p.INFO_DESCRIPTION, "LUN 7")) + info(p.info_text(p.INFO_NAME, "disk"))
    client, _ = negotiate(SERVER_GREETING, SIZE + words + ACK)
    assert (client.result.stated_name, client.result.description) == ("disk", "LUN 7")
    client, _ = negotiate(SERVER_GREETING, SIZE + info(p.info_text(p.INFO_DESCRIPTION, "x" * 4097)) + ACK)
    assert (client.result.stated_name, client.result.description) == ("", "")


def test_a_server_that_states_no_block_sizes_gets_the_defaults():
    client, _ = negotiate(SERVER_GREETING, SIZE + ACK)
    assert client.result == Negotiated("disk", 1 << 30, 0x10D, 1, 4096, 32 << 20, False, b"")


@pytest.mark.parametrize(("flags", "zeroes"), [(1, 124), (3, 0)])
def test_a_server_that_knows_no_go_is_asked_by_export_name(flags, zeroes):
    unsupported = p.option_reply(p.OPT_GO, p.REP_ERR_UNSUP, b"what?")
    summary = p.EXPORT_SUMMARY.pack(1 << 20, 1) + bytes(zeroes)
    client, said = negotiate(greeting(flags), unsupported, summary + b"more")
    assert said == [b"", p.client_flags(flags) + GO, EXPORT_NAME, b""]
    assert client.result == Negotiated("disk", 1 << 20, 1, 1, 4096, 32 << 20, False, b"more")


def test_a_server_without_fixed_newstyle_is_asked_by_export_name_at_once():
    client, said = negotiate(greeting(0), p.EXPORT_SUMMARY.pack(1 << 20, 1) + bytes(123))
    assert said == [b"", p.client_flags(0) + EXPORT_NAME, b""]
    assert client.result is None
    client.receive(b"\0")
    assert isinstance(client.result, Negotiated)


def test_unknown_handshake_flags_are_ignored():
    _, said = negotiate(greeting(0xFFFF))
    assert said[1] == p.client_flags(3) + GO


@pytest.mark.parametrize(
    ("reply", "message", "says"),
    [
        (p.REP_ERR_UNKNOWN, b"no such thing", "NBD_REP_ERR_UNKNOWN: 'no such thing'"),
        (p.REP_ERR_TLS_REQD, b"", "NBD_REP_ERR_TLS_REQD"),
        (p.REP_ERR_SHUTDOWN, b"\x1b[2J\xff", "'\\x1b[2J\\ufffd'"),
        (p.REP_FLAG_ERROR + 99, b"", "reply type 0x80000063"),
    ],
)
def test_a_refusal_is_passed_on_and_the_client_leaves_in_order(reply, message, says):
    client, said = negotiate(SERVER_GREETING, p.option_reply(p.OPT_GO, reply, message))
    assert refusal(client).endswith(says)
    assert said[-1] == ABORT


def test_an_oldstyle_server_is_refused():
    client, said = negotiate(p.U64.pack(p.NBD_MAGIC) + p.U64.pack(p.OLDSTYLE_MAGIC) + bytes(136))
    assert "oldstyle" in refusal(client)
    assert said == [b"", b""]


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "b'NBDMAGIC'"),
        (b"NBDMAGICwhatever", "b'IHAVEOPT'"),
        (SERVER_GREETING + p.option_reply(p.OPT_LIST, p.REP_ACK), "NBD_OPT_LIST"),
        (SERVER_GREETING + bytes(20), "option reply magic"),
        (SERVER_GREETING + p.OPTION_REPLY_HEADER.pack(p.OPTION_REPLY_MAGIC, 7, 3, 1 << 31), "at most 65536"),
        (SERVER_GREETING + ACK, "without an NBD_INFO_EXPORT"),
        (SERVER_GREETING + info(b"\0"), "at least 2"),
        (SERVER_GREETING + info(p.info_export(1, 1) + b"x"), "it has 12"),
        (SERVER_GREETING + info(p.info_block_size(1, 512, 512)[:-1]), "it has 14"),
        (SERVER_GREETING + info(b"\0\x63") * 200, "more than 128 replies"),
        (SERVER_GREETING + info(p.info_export(1 << 63, 1)) + ACK, "2^63-1"),
        (SERVER_GREETING + info(p.info_export(1 << 30, 2)) + ACK, "NBD_FLAG_HAS_FLAGS"),
    ],
)
def test_what_is_no_protocol_is_refused(says, reason):
    client, _ = negotiate(says)
    assert reason in refusal(client)


@pytest.mark.parametrize(
    "sizes",
    [
        (0, 0, 0),
        (3, 4096, 1 << 20),
        (1 << 17, 1 << 17, 1 << 20),
        (4096, 512, 1 << 20),
        (1, 6000, 1 << 20),
        (1, 4096, 512),
        (1, 0, 1 << 20),
    ],
)
def test_block_sizes_that_make_no_sense_are_refused(sizes):
    client, _ = negotiate(SERVER_GREETING, SIZE + info(p.info_block_size(*sizes)) + ACK)
    assert "block size" in refusal(client) or "maximum payload" in refusal(client)


def test_a_name_of_its_own_that_is_no_name_is_ignored():
    client, _ = negotiate(SERVER_GREETING, SIZE + info(p.info_text(p.INFO_NAME, "a\0b")) + ACK)
    assert isinstance(client.result, Negotiated)
    assert client.result.name == "disk"


def test_a_close_in_answer_to_export_name_means_no_such_export():
    client, _ = negotiate(greeting(0))
    client.end_of_input()
    assert "no export 'disk'" in refusal(client)


def test_a_server_that_leaves_is_refused_with_where():
    client, _ = negotiate(SERVER_GREETING)
    client.end_of_input()
    assert refusal(client) == "the peer closed the connection where a reply to NBD_OPT_GO was due"


@pytest.mark.parametrize("name", ["x" * 4097, "a\0b", "\ud800"])
def test_a_name_that_cannot_be_said_is_an_error_at_once(name):
    with pytest.raises(ValueError, match="export name"):
        ClientHandshake(name)
