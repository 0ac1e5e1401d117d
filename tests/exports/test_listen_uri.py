"""Listen URIs: what is understood, what is refused and why; and that nobody listens to the world by mistake."""

import pytest

from hawser.exports.listen_uri import ListenError, parse_listen_uri


@pytest.mark.parametrize(
    ("text", "fields", "shown"),
    [
        ("nbd+unix:///d?socket=/run/a", {"export": "d", "socket": "/run/a"}, "nbd+unix:///d?socket=/run/a"),
        ("nbd+unix:///?socket=/a", {"export": ""}, "nbd+unix:///?socket=/a"),
        ("nbd+unix:///a%20b?socket=/x%20y", {"export": "a b", "socket": "/x y"}, "nbd+unix:///a%20b?socket=/x%20y"),
        ("nbd://127.0.0.1/d", {"host": "127.0.0.1", "port": 10809, "export": "d"}, "nbd://127.0.0.1:7/d"),
        ("nbd://localhost:0/d", {"port": 0}, "nbd://localhost:7/d"),
        ("nbd://[::1]:1/d", {"host": "::1", "port": 1}, "nbd://[::1]:7/d"),
        ("nbd://127.8.8.8:1", {"export": ""}, "nbd://127.8.8.8:7/"),
    ],
)
def test_what_is_understood(text: str, fields: dict[str, object], shown: str):
    uri = parse_listen_uri(text, insecure=False)
    assert {name: getattr(uri, name) for name in fields} == fields
    assert uri.shown(7) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown scheme ''"),
        ("http://127.0.0.1/d", "unknown scheme 'http'"),
        ("/run/a.sock", "nbd+unix:// or nbd://"),
        ("nbd+unix:///d", "nbd+unix:///NAME?socket=PATH"),
        ("nbd+unix:///d?socket=", "nbd+unix:///NAME?socket=PATH"),
        ("nbd+unix:///d?socket=/a&cache=lun", "nbd+unix:///NAME?socket=PATH"),
        ("nbd+unix://host/d?socket=/a", "nbd+unix:///NAME?socket=PATH"),
        ("nbd+unix:///d?socket=/" + "x" * 107, "107 bytes"),
        ("nbd+unix:///d?socket=/a%00b", "no NUL"),
        ("nbd+unix:///%00?socket=/a", "NUL"),
        ("nbd+unix:///" + "n" * 4097 + "?socket=/a", "4096"),
        ("nbd+unix:///d?socket=/a#b", "fragment"),
        ("nbd://", "nbd://HOST:PORT/NAME"),
        ("nbd:///d", "nbd://HOST:PORT/NAME"),
        ("nbd://127.0.0.1/d?socket=/a", "nbd://HOST:PORT/NAME"),
        ("nbd://127.0.0.1:65536/d", "0 to 65535"),
        ("nbd://127.0.0.1:x/d", "0 to 65535"),
        ("nbd://me@127.0.0.1/d", "user name"),
        ("nbd://[::1/d", "Invalid IPv6"),
    ],
)
def test_what_is_refused(text: str, words: str):
    with pytest.raises(ListenError) as caught:
        parse_listen_uri(text, insecure=False)
    assert str(caught.value).startswith(f"listen {text!r}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.1", "example.com", "localhost.example.com"])
def test_beyond_loopback_only_when_it_is_said(host: str):
    with pytest.raises(ListenError, match="--insecure-listen"):
        parse_listen_uri(f"nbd://{host}:1/d", insecure=False)
    assert parse_listen_uri(f"nbd://{host}:1/d", insecure=True).port == 1
