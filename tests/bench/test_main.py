"""The command line, and one short run against real programs."""

import json

import pytest
from bench.__main__ import main
from click.testing import CliRunner


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_help_names_the_options():
    said = run("--help").output
    for option in ("--rounds", "--seconds", "--rows", "--groups", "--size", "--quick", "--json", "--against"):
        assert option in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--size", "lots"), "Invalid value for '--size': size 'lots': want a number"),
        (("--rows", "("), "Invalid value for '--rows'"),
        (("--groups", "files"), "Invalid value for '--groups': 'files': want some of file,proxy,engine"),
        (("--rounds", "0"), "Invalid value for '--rounds'"),
        (("--against", "HEAD", "--peers-only"), "exclude each other"),
    ],
)
def test_bad_usage_names_the_option(arguments, complaint):
    done = run(*arguments)
    assert done.exit_code == 2
    assert complaint in " ".join(done.output.replace("│", " ").split())


@pytest.mark.interop
@pytest.mark.needs("fio", "nbdkit", "qemu-nbd")
@pytest.mark.parametrize(("group", "peers"), [("file", 2), ("proxy", 3)])
def test_a_run_of_the_peers_measures_every_round(tmp_path, group, peers):
    path = tmp_path / "rounds.json"
    short = ("--rounds", "1", "--seconds", "0.1", "--size", "16M", "--json", str(path))
    done = run("--peers-only", "--groups", group, "--rows", "randwrite-4k-qd32/c4", *short)
    assert done.exit_code == 0, done.output
    assert "CPU set" in done.output
    rows = json.loads(path.read_text())
    assert len(rows) == peers
    for row in rows:
        (measured,) = row["rounds"]["peer"]
        assert measured["iops"] > 0
        assert measured["cpu_us"] > 0
        assert 0 < measured["p50_us"] <= measured["p99_us"] <= measured["p999_us"]
