"""Whatever words dmsetup is given: it does something, or refuses; and what it refuses has changed nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dm.dmsetup.shell import TABLE, Shell

from hawser.dm.dmsetup.arguments import LONG
from hawser.dm.dmsetup.program import VERBS

WORDS = [
    *(
        "mp",
        "mp",
        "other",
        "a b",
        "\\x20",
        "259:0",
        "254:0",
        "0",
        "-1",
        "1",
        "99999999999999999999",
        "",
        "/",
        ".",
        "x" * 200,
    ),
    *(
        "fail_path",
        "reinstate_path",
        "switch_group",
        "@cancel_deferred_remove",
        "nosuch",
        "name",
        "name=mp",
        "open>0",
        "(",
    ),
    *(
        "0 8 zero",
        "0 8 nosuch",
        TABLE,
        TABLE + " 1",
        "0 8 linear 254:0 0",
        "0 2048 multipath",
        "8 8 zero",
        "a,,,,0 8 zero",
    ),
    *(
        "name,open",
        "-name",
        "help",
        "all",
        "none",
        "hex",
        "uuid",
        "compact,utf",
        "devname",
        "0xd4d0001",
        "\u00e9",
        "#",
        "0 8",
    ),
]
words = st.sampled_from(WORDS) | st.text(max_size=6)
options = st.sampled_from(
    ["--" + name for name in LONG] + ["-o", "-O", "-S", "-u", "-c", "-f", "-j", "-m", "-r", "-v", "--"]
)
commands = st.tuples(st.sampled_from(list(VERBS)), st.lists(words | options, max_size=6)).map(
    lambda made: [made[0], *made[1]]
)


def loaded(shell: Shell) -> list[object]:
    """All that a refusal must leave as it was."""
    return [
        (device.name, device.uuid, device.table, device.inactive, device.is_suspended(), device.geometry, device.devt)
        for device in shell.control.registry.all_mapped()
    ]


@given(st.lists(commands, min_size=1, max_size=4), st.text(max_size=20) | st.sampled_from(WORDS))
@settings(max_examples=60, deadline=None)
def test_what_is_refused_has_changed_nothing(runs: list[list[str]], stdin: str) -> None:
    shell = Shell()
    for argv in runs:
        before = loaded(shell)
        run, answer = shell.begin(*argv, stdin=stdin)
        for _ in run:
            # It has to wait: it is interrupted.
            shell.world.settle()
            run.close()
            break
        shell.world.settle()
        assert answer.rc in (0, 1)
        several = "--concise" in argv or "--force" in argv or "-f" in argv or len(argv) > 3
        if answer.rc == 1 and not several:
            assert loaded(shell) == before, argv
