"""The file of `hawser serve --config`: what it may say, and how it is told what is wrong with it."""

import random
from pathlib import Path

import click
import pytest

from hawser.cli.config_file import FILE_MAX, ConfigError, read_config
from hawser.cli.serve import serve
from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_S
from hawser.manager.policy import KEEPALIVE_NS
from hawser.service.gateways import DISKS_MAX
from hawser.service.options import ProcessOptions, ServeOptions

OPTIONS = [parameter for parameter in serve.params if isinstance(parameter, click.Option)]
A = '[disk.a]\npath = ["ram:"]\nlisten = ["nbd+unix:///a?socket=/tmp/s"]\n'
B = '[disk.b]\npath = ["ram:"]\nlisten = ["nbd+unix:///b?socket=/tmp/s"]\n'


def read(directory: Path, text: str, control: str = "") -> tuple[ProcessOptions, list[ServeOptions]]:
    file = directory / "hawser.toml"
    file.write_text(text)
    return read_config(file, OPTIONS, control)


def refusal(directory: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(directory, text)
    start = f"{directory}/hawser.toml: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


def test_a_disk_has_the_defaults_of_the_command_line(tmp_path: Path):
    process, (disk,) = read(tmp_path, A)
    assert process == ProcessOptions()
    assert disk == ServeOptions(disk.paths, disk.listen, "a", policy=disk.policy)
    assert [path.text for path in disk.paths] == ["ram:"] and [uri.export for uri in disk.listen] == ["a"]
    assert (disk.policy.queue_timeout_ns, disk.policy.keepalive_ns) == (60 * NS_PER_S, KEEPALIVE_NS)


def test_every_option_of_the_command_line_is_a_key(tmp_path: Path):
    text = """
        control = "/tmp/c"
        fence-agent = "true"
        parameter = ["dm_multipath.semantics=6.16"]
        insecure-listen = true

        [disk.a-disk]
        path = ["ram:", "ram:?weight=2"]
        listen = ["nbd://0.0.0.0:10809/a", "nbd+unix:///a?socket=/tmp/s"]
        queue-mode = "bio"
        selector = "round-robin 0"
        grouping = "failover"
        queue-timeout = "forever"
        io-timeout = 2.5
        slow-path-factor = 3
        slow-path-after = 1
        double-failed-time = "off"
        keepalive = "off"
        hedge-after = 20
        table = "0 8 multipath 0 0 0 0"
        scheduler = "mq-deadline"
        device = ["x=0 8 linear ram: 0", "y=0 8 zero"]
        export = "x"
        retain = 0
        state-dir = "/tmp/state"
        block-size = "4K"
        read-only = true
        unsafe-no-fence = true

        [disk.b]
        path = ["nbd://127.0.0.1/b"]
        listen = ["nbd://0.0.0.0:10809/b"]
        retain = "1M"
    """
    process, (one, two) = read(tmp_path, text)
    assert process == ProcessOptions("/tmp/c", ["true"], ["dm_multipath.semantics=6.16"])
    assert (one.name, one.queue_mode, one.selector, one.grouping) == ("a-disk", "bio", "round-robin 0", "failover")
    assert (one.policy.queue_timeout_ns, one.policy.keepalive_ns, one.io_timeout_ns) == (None, 0, 2_500 * NS_PER_MS)
    assert one.policy.marginal is not None and one.policy.hedge is not None
    assert (one.policy.marginal.factor, one.policy.hedge.after_ns) == (3, 20 * NS_PER_MS)
    assert (one.table, one.scheduler, one.export) == ("0 8 multipath 0 0 0 0", "mq-deadline", "x")
    assert one.devices == [("x", "0 8 linear ram: 0"), ("y", "0 8 zero")]
    assert (one.retain_bytes, one.state_dir, one.block_size) == (0, "/tmp/state", 4 * KIB)
    assert one.read_only and one.unsafe_no_fence
    assert (two.name, two.retain_bytes, two.read_only) == ("b", MIB, False)
    known = {option.opts[0].removeprefix("--") for option in OPTIONS} - {"config", "name"}
    assert {word.split("=")[0].strip() for word in text.splitlines() if " = " in word} == known


def test_the_example_of_the_help_text_is_right(tmp_path: Path):
    text = (serve.help or "").split("\b")[-1]
    process, disks = read(tmp_path, text)
    assert process.control == "/run/hawser.ctl"
    assert [(disk.name, len(disk.paths), disk.policy.queue_timeout_ns) for disk in disks] == [
        ("mpatha", 2, 60 * NS_PER_S),
        ("mpathb", 2, None),
    ]


def test_the_control_socket_of_the_environment_counts_if_the_file_names_none(tmp_path: Path):
    assert read(tmp_path, A, "/tmp/x")[0].control == "/tmp/x"
    assert read(tmp_path, 'control = "/tmp/y"\n' + A, "/tmp/x")[0].control == "/tmp/y"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no disk in it: [disk.NAME], with path and listen"),
        ("disk = 7", "disk: is no table of disks: [disk.NAME]"),
        ("[disk]", "disk: is no table of disks"),
        ('[disk]\npath = ["ram:"]', "[disk.path] is no table: a disk is [disk.NAME]"),
        ("[disks.a]", "disks: unknown key; there are control, fence-agent, insecure-listen, parameter"),
        ('contol = "/c"\n' + A, "contol: unknown key; the nearest is control"),
        ('queue-mode = "bio"\n' + A, "queue-mode: belongs to a disk: below its [disk.NAME]"),
        ('name = "a"\n' + A, "name: a map has the name of its table: [disk.NAME]"),
        ("insecure-listen = 1\n" + A, "insecure-listen: is true or false, not 1"),
        ("control = 7\n" + A, "control: is a text in quotes, not 7"),
        ('parameter = "x=1"\n' + A, "parameter: is a list of texts, parameter = [\"NAME=VALUE\", ...], not 'x=1'"),
        ('parameter = ["x=1"]\n' + A, "parameter: there is no parameter 'x'; there are dm_"),
        ('fence-agent = "/no/such"\n' + A, "fence-agent '/no/such': there is no program"),
        (A + 'queue_mode = "bio"', "[disk.a] queue_mode: unknown key; the nearest is queue-mode"),
        (A + 'control = "/c"', "[disk.a] control: belongs to the process: at the top of the file"),
        (A + 'name = "b"', "[disk.a] name: a map has the name of its table"),
        (A + 'queue-mode = "rr"', "[disk.a] queue-mode: is one of rq, bio, mq, not 'rr'"),
        (A + 'grouping = "all"', "[disk.a] grouping: is one of failover, multibus, not 'all'"),
        (A + 'read-only = "yes"', "[disk.a] read-only: is true or false, not 'yes'"),
        (A + "selector = 5", "[disk.a] selector: is a text in quotes, not 5"),
        (A + "queue-timeout = true", "[disk.a] queue-timeout: is a text in quotes, not true"),
        (A + "queue-timeout = -1", "[disk.a] queue-timeout: '-1'"),
        (A + "io-timeout = inf", "[disk.a] io-timeout: "),
        (A + "io-timeout = 0", "[disk.a] io-timeout 0 would give up on every command at once"),
        (A + 'keepalive = "0"', "[disk.a] keepalive 0: must be more than that, or off"),
        (A + "slow-path-factor = 1", "[disk.a] slow-path-factor '1': is neither a whole number of at least 2, nor off"),
        (A + 'hedge-after = "x"', "[disk.a] hedge-after 'x': is neither a number of milliseconds"),
        (A + 'retain = "17G"', "[disk.a] retain 17G: is more than 16G"),
        (A + "block-size = 1000", "[disk.a] block-size 1000: is no power of two from 512 to 65536"),
        (A + 'scheduler = "bfq"', "[disk.a] scheduler bfq: there are "),
        (A + 'device = ["x"]', "[disk.a] device 'x': is not NAME=TABLE"),
        (A + "device = [7]", "[disk.a] device: is a list of texts"),
        (A + 'export = "x"', "[disk.a] export x: no such device; there are a"),
        (A + "table = {}", "[disk.a] table: is a text in quotes, not a table"),
        ('[disk.a]\npath = ["ram:"]', '[disk.a] listen: is missing: listen = ["URI", ...]'),
        ('[disk.a]\npath = []\nlisten = ["x"]', '[disk.a] path: is missing: path = ["URI", ...]'),
        (A.replace("ram:", "ram:?colour=blue"), "[disk.a] path 'ram:?colour=blue': unknown attribute 'colour'"),
        (A.replace("nbd+unix:///a?socket=/tmp/s", "nbd://10.0.0.1/a"), "; insecure-listen allows it"),
        (A.replace("disk.a", 'disk."a/b"'), "[disk.a/b] no map can have the name 'a/b'"),
        (A.replace("disk.a", 'disk."a b"'), "[disk.a b] no map can have the name 'a b'"),
        (A + 'selector = "dice 0"\n', "[disk.a] selector 'dice 0': unknown path selector; there are "),
        (A + 'selector = "service-time"\n', "[disk.a] selector 'service-time': its name, the number"),
        (A.replace("disk.a", 'disk.""'), "[disk.] no map can have the name ''"),
        (A + A, "is not TOML: Cannot declare ('disk', 'a') twice"),
        ("disk", "is not TOML: "),
    ],
)
def test_a_mistake_is_named_with_its_disk_its_key_and_what_would_be_right(tmp_path: Path, text: str, words: str):
    message = refusal(tmp_path, text)
    assert words in message
    assert message.startswith(words) or "nbd://" in message


SERVER = '"nbd+unix:///e?socket=/tmp/x&cache=lun"'


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            'path = ["/tmp/i"]',
            'path = ["file:///tmp/../tmp/i?weight=2"]',
            "path 'file:///tmp/../tmp/i?weight=2': [disk.a] has that path",
        ),
        (
            f"path = [{SERVER}]",
            'path = ["nbd+unix:///e?socket=/tmp/x"]',
            "path 'nbd+unix:///e?socket=/tmp/x': [disk.a] has",
        ),
        (
            'path = ["nbd://h/e"]',
            'path = ["nbd://h:10809/e?cache=lun"]',
            "path 'nbd://h:10809/e?cache=lun': [disk.a] has",
        ),
        ('state-dir = "/tmp/d"', 'state-dir = "/tmp/./d"', "state-dir '/tmp/./d': [disk.a] has that directory"),
        ('device = ["b=0 8 zero"]', "", "name: [disk.a] has a device of that name"),
        ('device = ["x=0 8 zero"]', 'device = ["x=0 8 zero"]', "device 'x': [disk.a] has that name"),
        ("", 'device = ["a=0 8 zero"]', "device 'a': [disk.a] has that name"),
        (
            'listen = ["nbd+unix:///e?socket=/tmp/s"]',
            'listen = ["nbd+unix:///e?socket=/tmp/../tmp/s"]',
            "listen 'nbd+unix:///e?socket=/tmp/../tmp/s': [disk.a] has the same export there",
        ),
        (
            "",
            'listen = ["nbd://localhost:1/e", "nbd://localhost:1/e"]',
            "listen 'nbd://localhost:1/e': it stands there twice",
        ),
    ],
)
def test_what_two_disks_cannot_share(tmp_path: Path, first: str, second: str, words: str):
    message = refusal(tmp_path, _with(A, first) + _with(B, second))
    assert message.startswith(f"[disk.b] {words}")


def _with(disk: str, line: str) -> str:
    """The disk with that line, in the place of the one with the same key."""
    key = line.split(" = ")[0]
    return "".join(old for old in disk.splitlines(True) if not line or not old.startswith(f"{key} =")) + line + "\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('path = ["nbd://h/e"]', 'path = ["nbd://h/f"]'),
        ('path = ["/tmp/i"]', 'path = ["/tmp/j"]'),
        ('listen = ["nbd+unix:///e?socket=/tmp/s"]', 'listen = ["nbd+unix:///e?socket=/tmp/t"]'),
        ('listen = ["nbd://localhost:0/e"]', 'listen = ["nbd://localhost:0/e"]'),
        ('device = ["x=0 8 zero"]', 'device = ["y=0 8 zero"]'),
    ],
)
def test_what_is_not_the_same_may_be_side_by_side(tmp_path: Path, first: str, second: str):
    _, disks = read(tmp_path, _with(A, first) + _with(B, second))
    assert [disk.name for disk in disks] == ["a", "b"]


def test_there_is_a_limit_to_the_disks_and_to_the_file(tmp_path: Path):
    disks = [A.replace("disk.a", f"disk.d{number}").replace("///a", f"///{number}") for number in range(DISKS_MAX + 1)]
    assert len(read(tmp_path, "".join(disks[:DISKS_MAX]))[1]) == DISKS_MAX
    assert refusal(tmp_path, "".join(disks)) == "there are 65 disks; at most 64 are served by one process"
    assert refusal(tmp_path, "#" * (FILE_MAX + 1)) == "has more than 1 MiB"


def test_a_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match="none: No such file or directory"):
        read_config(tmp_path / "none", OPTIONS)
    (tmp_path / "hawser.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8: invalid start byte at byte 0"):
        read_config(tmp_path / "hawser.toml", OPTIONS)


VALUES = [
    "0",
    "-1",
    "1.5",
    "nan",
    "true",
    '""',
    '"x"',
    "[]",
    '["x"]',
    "[7]",
    '["ram:", "/"]',
    "{}",
    "1979-05-27",
    "[[]]",
]


def test_whatever_the_file_says_is_taken_or_refused(tmp_path: Path):
    rng = random.Random(6)
    keys = [option.opts[0].removeprefix("--") for option in OPTIONS]
    refusals: list[str] = []
    for _ in range(500):
        lines = [*A.splitlines(), *B.splitlines()]
        for _ in range(rng.randrange(1, 3)):
            place = rng.randrange(len(lines) + 1)
            lines[place : place + rng.randrange(2)] = [f"{rng.choice(keys)} = {rng.choice(VALUES)}"]
        text = "\n".join(lines)
        if rng.random() < 0.3:
            cut = rng.randrange(len(text))
            text = text[:cut] + rng.choice(["", '"', "=", "\0", "é", "[", "\n"]) + text[cut + 1 :]
        try:
            read(tmp_path, text)
        except ConfigError as error:
            refusals.append(str(error))
    assert 300 < len(refusals) < 500
    assert all(text.startswith(f"{tmp_path}/hawser.toml: ") for text in refusals)
