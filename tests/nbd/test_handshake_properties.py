"""Whatever arrives, however cut: the handshakes end alike, never raise, and hold little."""

from hypothesis import given
from hypothesis import strategies as st
from tests.nbd.transcript import DISK, OTHER, PICKY, SERVER_GREETING, Shelf, chunks

from hawser.nbd import protocol as p
from hawser.nbd.client_handshake import ClientHandshake, Negotiated, Refused
from hawser.nbd.export import Export
from hawser.nbd.server_handshake import Closed, ServerHandshake, Transmission

cuts = st.lists(st.integers(1, 40), min_size=1, max_size=8)
numbers = st.one_of(st.integers(0, 12), st.integers(0, 0xFFFFFFFF))
names = st.sampled_from(["disk", "", "picky", "andere-größe", "nobody"])
infos = st.lists(st.integers(0, 5), max_size=4)
good_data = st.builds(p.go_data, names, infos) | names.map(str.encode) | st.just(b"")


def mutate(data, at, value):
    return data[: at % (len(data) + 1)] + value + data[at % (len(data) + 1) + len(value) :]


options = st.builds(p.option_request, numbers, good_data | st.binary(max_size=40))
headers = st.builds(p.OPTION_HEADER.pack, st.just(p.OPTION_MAGIC), numbers, numbers)
client_talk = st.lists(options | headers | st.binary(max_size=30), max_size=8).map(b"".join)
flags = st.sampled_from([3, 3, 3, 1, 2, 0, 4]).map(p.client_flags)
hostile_clients = st.builds(lambda a, b: a + b, flags, client_talk) | st.binary(max_size=200)

texts = st.builds(p.info_text, st.integers(0, 5), st.text(max_size=8, alphabet="ab\0é"))
info_blocks = (
    st.builds(p.info_export, st.integers(0, 2**64 - 1), st.integers(0, 0xFFFF))
    | st.builds(p.info_block_size, *[st.sampled_from([0, 1, 512, 4096, 5000, 0xFFFFFFFF])] * 3)
    | texts
)
server_replies = (
    st.builds(p.option_reply, st.just(p.OPT_GO), st.just(p.REP_INFO), info_blocks)
    | st.builds(p.option_reply, st.just(p.OPT_GO), st.sampled_from(list(p.REPLY_NAMES)), st.binary(max_size=9))
    | st.builds(p.OPTION_REPLY_HEADER.pack, st.just(p.OPTION_REPLY_MAGIC), numbers, numbers, numbers)
    | st.binary(max_size=30)
)
hostile_servers = st.builds(
    lambda greet, talk, at, value: mutate(greet + b"".join(talk), at, value),
    st.sampled_from([SERVER_GREETING, p.GREETING.pack(p.NBD_MAGIC, p.OPTION_MAGIC, 0)]),
    st.lists(server_replies, max_size=8),
    st.integers(0, 300),
    st.binary(max_size=2),
) | st.binary(max_size=200)


def feed(handshake, data, sizes):
    """Feed `data` in pieces until the end; everything said, the result, and the bytes behind it."""
    said = handshake.outgoing()
    rest = b""
    for piece in chunks(data, sizes):
        if handshake.result is not None:
            rest += piece
            continue
        handshake.receive(piece)
        assert handshake.held_bytes() <= p.OPTION_MAX + len(piece) + 65536
        said += handshake.outgoing()
    handshake.end_of_input()
    result = handshake.result
    assert result is not None
    return said, result, rest


def flat(outcome):
    """An outcome in which it does not matter who holds the bytes behind the handshake."""
    said, result, rest = outcome
    if isinstance(result, Transmission):
        return said, result.export, result.block_sizes_agreed, result.leftover + rest
    if isinstance(result, Negotiated):
        fields = [getattr(result, name) for name in ("name", "size_bytes", "flags", "block_sizes_stated")]
        return said, fields, result.leftover + rest
    assert isinstance(result, (Closed, Refused))
    assert result.reason.isprintable()
    assert len(result.reason) < 2000
    return said, result


@given(hostile_clients, cuts)
def test_no_bytes_and_no_chunking_trouble_the_server(data, sizes):
    shelf = Shelf(DISK, OTHER, PICKY)
    whole = flat(feed(ServerHandshake(shelf), data, [len(data) or 1]))
    assert flat(feed(ServerHandshake(shelf), data, sizes)) == whole


@given(hostile_servers, cuts)
def test_no_bytes_and_no_chunking_trouble_the_client(data, sizes):
    whole = flat(feed(ClientHandshake("disk"), data, [len(data) or 1]))
    assert flat(feed(ClientHandshake("disk"), data, sizes)) == whole


powers = st.integers(9, 16).map(lambda n: 1 << n)
exports = st.builds(
    lambda size, flags, low, high, top, picky: Export(
        "disk", size, flags, "text", min(low, high), max(low, high), max(low, high) + top, picky
    ),
    st.integers(0, 2**63 - 1),
    st.integers(0, 0xFFFF),
    powers,
    powers,
    st.integers(0, 1 << 25),
    st.booleans(),
)


@given(exports, st.sampled_from(["disk", "", "nobody"]), cuts, cuts)
def test_our_client_and_our_server_agree(export, name, up, down):
    server = ServerHandshake(Shelf(export))
    client = ClientHandshake(name)
    talk(client, server, up, down)
    if name == "nobody":
        assert isinstance(client.result, Refused)
        assert "NBD_REP_ERR_UNKNOWN" in client.result.reason
        assert isinstance(server.result, Closed)
        assert server.result.orderly
        return
    assert server.result == Transmission(export, b"", True)
    assert client.result == Negotiated(
        "disk",
        export.size_bytes,
        export.flags | p.FLAG_HAS_FLAGS,
        export.block_min,
        export.block_preferred,
        export.block_max,
        True,
        b"",
        "disk",
        export.description,
    )


def talk(client, server, up, down):
    """Carry bytes between the two, cut small, until both have nothing more to say."""
    while True:
        to_client, to_server = server.outgoing(), client.outgoing()
        if not to_client and not to_server:
            return
        for handshake, data, sizes in (client, to_client, down), (server, to_server, up):
            for piece in chunks(data, sizes):
                if handshake.result is None:
                    handshake.receive(piece)
