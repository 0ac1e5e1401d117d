"""What a server is asked about itself without opening an export: the conversation, and what it does not believe."""

import pytest
from tests.nbd.transcript import SERVER_GREETING

from hawser.nbd import protocol as p
from hawser.nbd.client_handshake import Refused
from hawser.nbd.client_questions import Answers, ClientQuestions
from hawser.nbd.export import Export, ExportDirectory
from hawser.nbd.server_handshake import ServerHandshake

STRUCTURED = p.option_request(p.OPT_STRUCTURED_REPLY)
EXTENDED = p.option_request(p.OPT_EXTENDED_HEADERS)
INFO = p.option_request(p.OPT_INFO, p.go_data("disk", [p.INFO_DESCRIPTION]))
ABORT = p.option_request(p.OPT_ABORT)


def ack(option):
    return p.option_reply(option, p.REP_ACK)


def unsupported(option):
    return p.option_reply(option, p.REP_ERR_UNSUP)


def talk(*server_says, name="disk"):
    client = ClientQuestions(name)
    said = [client.outgoing()]
    for data in server_says:
        client.receive(data)
        said.append(client.outgoing())
    return client.result, said


def test_everything_is_asked_and_the_end_is_an_abort():
    described = p.option_reply(p.OPT_INFO, p.REP_INFO, p.info_text(p.INFO_DESCRIPTION, "a disk"))
    size = p.option_reply(p.OPT_INFO, p.REP_INFO, p.info_export(1 << 20, 1))
    result, said = talk(
        SERVER_GREETING,
        ack(p.OPT_STRUCTURED_REPLY),
        unsupported(p.OPT_EXTENDED_HEADERS),
        size + described + ack(p.OPT_INFO),
    )
    assert result == Answers(True, True, False, "a disk")
    assert said == [b"", p.client_flags(3) + STRUCTURED, EXTENDED, INFO, ABORT]


def test_a_server_that_knows_nothing_of_it_and_one_that_cannot_be_asked():
    nothing = [unsupported(option) for option in (p.OPT_STRUCTURED_REPLY, p.OPT_EXTENDED_HEADERS, p.OPT_INFO)]
    assert talk(SERVER_GREETING, *nothing)[0] == Answers(True, False, False, "")
    result, said = talk(p.GREETING.pack(p.NBD_MAGIC, p.OPTION_MAGIC, 0))
    assert result == Answers()
    assert said[-1] == p.client_flags(0)


def test_our_own_server_answers():
    class Shelf(ExportDirectory):
        def find(self, name):
            return Export("disk", 1 << 20, 1, "described") if name == "disk" else None

        def names(self):
            return ["disk"]

    client, server = ClientQuestions("disk"), ServerHandshake(Shelf())
    while client.result is None:
        client.receive(server.outgoing())
        server.receive(client.outgoing())
    assert client.result == Answers(True, False, False, "described")


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ([b"HTTP/1.1" + bytes(10)], "NBDMAGIC"),
        ([SERVER_GREETING, ack(p.OPT_GO)], "NBD_OPT_STRUCTURED_REPLY was asked"),
        (
            [SERVER_GREETING, p.option_reply(p.OPT_STRUCTURED_REPLY, p.REP_SERVER) * (p.OPTION_REPLIES_MAX + 1)],
            "more than 128 replies",
        ),
        ([SERVER_GREETING, p.OPTION_REPLY_HEADER.pack(p.OPTION_REPLY_MAGIC, 8, p.REP_INFO, 1 << 20)], "at most 65536"),
    ],
)
def test_what_breaks_the_protocol_is_named(says, words):
    result, _ = talk(*says)
    assert isinstance(result, Refused)
    assert words in result.reason


def test_a_server_that_hangs_up_is_named_and_a_name_that_cannot_be_said_is_refused():
    client = ClientQuestions("disk")
    client.receive(SERVER_GREETING)
    client.end_of_input()
    assert "closed the connection where a reply to NBD_OPT_STRUCTURED_REPLY" in client.result.reason
    with pytest.raises(ValueError, match="NUL"):
        ClientQuestions("a\0b")
