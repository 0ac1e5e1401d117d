"""What `dmsetup info` says of the tables of a device: the live one, the inactive one, both, none."""

import pytest
from tests.dm.dmsetup.shell import TABLE, Shell


@pytest.mark.parametrize(
    ("verbs", "loaded"),
    [
        ([], "None"),
        (["load"], "Inactive"),
        (["load", "resume"], "Live"),
        (["load", "resume", "load"], "Both"),
    ],
)
def test_which_tables_are_loaded(verbs: list[str], loaded: str) -> None:
    shell = Shell()
    assert shell.say("create", "--notable", "other")[0] == 0
    for verb in verbs:
        assert shell.say(verb, "other", *(["--table", "0 8 zero"] if verb == "load" else []))[0] == 0
    rc, said, _ = shell.say("info", "-c", "--noheadings", "-o", "tables_loaded", "other")
    assert (rc, said.strip()) == (0, loaded)


@pytest.mark.parametrize(("of_live", "of_inactive"), [(True, False), (False, True)])
def test_read_only_is_said_of_the_table_that_is_shown(of_live: bool, of_inactive: bool) -> None:
    shell = Shell()
    for verb, read_only in (("load", of_live), ("resume", False), ("load", of_inactive)):
        words = ["--table", TABLE] if verb == "load" else []
        assert shell.say(verb, *words, *(["--readonly"] if read_only else []), "mp")[0] == 0
    assert ("READ-ONLY" in shell.say("info", "mp")[1]) == of_live
    assert ("READ-ONLY" in shell.say("info", "--inactive", "mp")[1]) == of_inactive
    fields = [
        shell.say("info", "-c", "--noheadings", "-o", "readonly", *words, "mp")[1].strip()
        for words in ([], ["--inactive"])
    ]
    assert fields == ["Read-only" if each else "Writeable" for each in (of_live, of_inactive)]


def test_without_an_inactive_table_nothing_is_read_only_there() -> None:
    shell = Shell()
    shell.say("load", "--table", TABLE, "--readonly", "mp")
    shell.say("resume", "mp")
    assert "READ-ONLY" in shell.say("info", "mp")[1]
    assert "READ-ONLY" not in shell.say("info", "--inactive", "mp")[1]
