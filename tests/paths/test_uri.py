"""Path URIs: what is understood, and what is refused in words that say what would be right."""

import pytest

from hawser.core.units import GIB, MIB, NS_PER_MS, NS_PER_S
from hawser.paths.uri import PathUri, UriError, parse_path_uri

LONG = "x" * 4097


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("/dev/sdb", {"scheme": "file", "filename": "/dev/sdb"}),
        ("/srv/a disk?.img", {"scheme": "file", "filename": "/srv/a disk?.img"}),
        ("file:///srv/disk.img", {"scheme": "file", "filename": "/srv/disk.img"}),
        ("file:/srv/disk.img", {"scheme": "file", "filename": "/srv/disk.img"}),
        ("file://localhost/srv/a%20b", {"scheme": "file", "filename": "/srv/a b"}),
        ("file:///d?direct=yes&weight=7", {"direct": True, "weight": 7, "cache": "lun"}),
        ("file:///d?direct=no", {"direct": False}),
        ("ram:", {"scheme": "ram", "size_bytes": GIB, "cache": "lun"}),
        ("ram:?size=64M&delay=0.002", {"size_bytes": 64 * MIB, "delay_ns": 2 * NS_PER_MS}),
        ("nbd://host/export", {"scheme": "nbd", "host": "host", "port": 10809, "export": "export", "cache": "path"}),
        ("nbd://10.0.0.1:99", {"host": "10.0.0.1", "port": 99, "export": ""}),
        ("nbd://[::1]:99/a/b", {"host": "::1", "port": 99, "export": "a/b"}),
        ("nbd://host//x", {"export": "/x"}),
        ("nbd://host/gr%C3%B6%C3%9Fe", {"export": "größe"}),
        ("nbd+unix:///d?socket=/run/a.sock", {"scheme": "nbd+unix", "export": "d", "socket": "/run/a.sock"}),
        ("nbd+unix:///?socket=%2Frun%2Fa", {"export": "", "socket": "/run/a"}),
        ("nbd+unix:?socket=/run/a", {"export": "", "socket": "/run/a"}),
        ("nbd+unix:d?socket=/run/a", {"export": "d"}),
        ("nbd://h/x?cache=none", {"cache": "none"}),
        ("nbd://h/x?quiesce=1.5&eof=drains", {"quiesce_ns": 1500 * NS_PER_MS, "eof_drains": True}),
        ("nbd://h/x?quiesce=0", {"quiesce_ns": 0}),
        ("nbd://h/x?wwid=naa.6001", {"wwid": "naa.6001"}),
        ("file:///a?wwid=my%20disk", {"wwid": "my disk"}),
        ("nbd://h/x?depth=1&group=1024&timeout=0.01", {"depth": 1, "group": 1024, "timeout_ns": NS_PER_S // 100}),
        ("nbd://h/x?weight=0", {"weight": 0}),
    ],
)
def test_what_is_understood(text: str, fields: dict[str, object]):
    uri = parse_path_uri(text)
    assert uri.text == text
    assert {name: getattr(uri, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["unknown scheme ''", "an absolute file name"]),
        ("disk.img", ["unknown scheme", "nbd+unix://", "ram:"]),
        ("ftp://host/x", ["unknown scheme 'ftp'"]),
        ("nbds://host/x", ["unknown scheme 'nbds'"]),
        ("file://elsewhere/x", ["file:///ABSOLUTE/NAME"]),
        ("file:relative", ["file:///ABSOLUTE/NAME"]),
        ("file:///a%00b", ["NUL"]),
        ("file:///x?quiesce=1", ["unknown attribute 'quiesce'", "a file path has", "direct"]),
        ("file:///x?direct=maybe", ["direct", "'maybe' is not yes or no"]),
        ("file:///x#y", ["fragment"]),
        ("ram:name", ["ram:?size=SIZE"]),
        ("ram://host", ["ram:?size=SIZE"]),
        ("ram:?size=0", ["'0'", "multiple of 512"]),
        ("ram:?size=513", ["multiple of 512"]),
        ("ram:?size=65G", ["at most 64G"]),
        ("ram:?size=big", ["size", "'big'"]),
        ("ram:?size=1M&size=1M", ["'size' is given twice"]),
        ("ram:?size", ["NAME=VALUE"]),
        ("ram:?delay=-1", ["delay", "seconds"]),
        ("nbd://", ["the host is missing", "nbd://HOST[:PORT]/EXPORT"]),
        ("nbd:///x", ["the host is missing"]),
        ("nbd:export", ["the host is missing"]),
        ("nbd://host:0/x", ["1 to 65535"]),
        ("nbd://host:65536/x", ["1 to 65535"]),
        ("nbd://host:port/x", ["1 to 65535"]),
        ("nbd://[::1/x", ["'nbd://[::1/x'"]),
        ("nbd://user@host/x", ["user name"]),
        ("nbd://host/a%00b", ["NUL"]),
        (f"nbd://host/{LONG}", ["4097 bytes", "4096"]),
        ("nbd://host/x?socket=/a", ["unknown attribute 'socket'"]),
        ("nbd://host/x?eof=maybe", ["'maybe' is not drains"]),
        ("nbd://host/x?cache=", ["lun", "path", "none"]),
        ("nbd://host/x?quiesce=soon", ["'soon'", "seconds"]),
        ("nbd://host/x?quiesce=nan", ["seconds"]),
        ("nbd://host/x?quiesce=inf", ["seconds"]),
        ("nbd://host/x?weight=101", ["0 to 100"]),
        ("nbd://host/x?weight=-1", ["0 to 100"]),
        ("nbd://host/x?weight=²", ["0 to 100"]),
        ("nbd://host/x?depth=0", ["1 to 4096"]),
        ("nbd://host/x?depth=4097", ["1 to 4096"]),
        ("nbd://host/x?group=0", ["1 to 1024"]),
        ("nbd://host/x?timeout=0", ["0.01 seconds"]),
        ("nbd://host/x?wwid=", ["wwid", "1 to 255 printable characters"]),
        ("nbd://host/x?wwid=a%0Ab", ["wwid", "1 to 255 printable characters"]),
        ("nbd+unix:///x", ["nbd+unix:///EXPORT?socket=NAME"]),
        ("nbd+unix:///x?socket=", ["nbd+unix:///EXPORT?socket=NAME"]),
        ("nbd+unix://host/x?socket=/a", ["nbd+unix:///EXPORT?socket=NAME"]),
        ("nbd+unix:///x?socket=/" + "y" * 107, ["107 bytes"]),
        ("nbd+unix:///x?socket=/a%00b", ["NUL"]),
    ],
)
def test_what_is_refused_names_the_culprit_and_what_would_be_right(text: str, words: list[str]):
    with pytest.raises(UriError) as caught:
        parse_path_uri(text)
    said = str(caught.value)
    assert said.startswith(f"path {text!r}: ")
    for word in words:
        assert word in said, said


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/dev/sdb", "/dev/sdb"),
        ("file:///srv/a?weight=2", "/srv/a"),
        ("ram:?size=1M", "ram:"),
        ("nbd://h/a%20b?cache=lun", "nbd://h:10809/a%20b"),
        ("nbd://[fe80::1]:9/x", "nbd://[fe80::1]:9/x"),
        ("nbd+unix:///d?socket=/run/a&cache=lun", "nbd+unix:///d?socket=/run/a"),
    ],
)
def test_a_place_is_the_uri_without_its_attributes(text: str, place: str):
    assert parse_path_uri(text).place() == place


def test_which_paths_are_nbd():
    assert [parse_path_uri(text).is_nbd() for text in ("/x", "ram:", "nbd://h", "nbd+unix:?socket=/a")] == [
        False,
        False,
        True,
        True,
    ]
    assert PathUri("x", "file").cache == "lun"
