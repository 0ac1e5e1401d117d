"""Command lines: hawser's is the documented one, the peers' are stock, and none shows where it ran."""

from pathlib import Path

import pytest
from bench.contenders import Edition, Places, hawser_contender, peers_of

PLACES = Places(Path("/tmp/hawser-bench-x"))
NOW = Edition("hawser", ("/somewhere/bin/hawser",), "compiled", ours=True)
THEN = Edition("hawser@0123abcd", ("/elsewhere/bin/hawser",), "compiled", ours=False)


def test_hawser_over_four_paths_to_one_file():
    assert hawser_contender(NOW, PLACES, "file", "rq").shown(PLACES) == (
        "hawser serve --path $DIR/img --path $DIR/img --path $DIR/img --path $DIR/img"
        " --listen 'nbd+unix:///disk?socket=$DIR/new-rq.sock' --queue-mode rq"
    )


def test_hawser_over_two_upstreams():
    assert hawser_contender(NOW, PLACES, "proxy", "bio").shown(PLACES) == (
        "hawser serve --path 'nbd+unix:///?socket=$DIR/up0.sock&cache=lun'"
        " --path 'nbd+unix:///?socket=$DIR/up1.sock&cache=lun'"
        " --listen 'nbd+unix:///disk?socket=$DIR/new-bio.sock' --queue-mode bio"
    )


@pytest.mark.parametrize(
    ("group", "shown"),
    [
        (
            "file",
            [
                "nbdkit -f -U $DIR/nbdkit.sock file $DIR/img",
                "qemu-nbd -t -e 16 --cache=writeback -f raw -k $DIR/qemu.sock $DIR/img",
            ],
        ),
        (
            "proxy",
            [
                "(fio straight to nbd+unix:///?socket=$DIR/up0.sock)",
                "nbdkit -f -U $DIR/nbdkit.sock nbd socket=$DIR/up0.sock",
                "qemu-nbd -t -e 16 -f raw -k $DIR/qemu.sock 'nbd+unix:///?socket=$DIR/up0.sock'",
            ],
        ),
    ],
)
def test_peers_run_with_stock_command_lines(group, shown):
    assert [peer.shown(PLACES) for peer in peers_of(group, PLACES)] == shown


def test_ours_meets_every_peer_that_has_no_mode():
    ours = hawser_contender(NOW, PLACES, "file", "rq")
    assert all(ours.opposes(peer) for peer in peers_of("file", PLACES))
    assert not any(peer.opposes(ours) for peer in peers_of("file", PLACES))


def test_revisions_meet_in_the_same_mode_only():
    ours, then = hawser_contender(NOW, PLACES, "file", "rq"), hawser_contender(THEN, PLACES, "file", "rq")
    assert ours.opposes(then)
    assert not ours.opposes(hawser_contender(THEN, PLACES, "file", "bio"))
    assert not ours.opposes(hawser_contender(NOW, PLACES, "file", "bio"))
    assert ours.socket != then.socket
