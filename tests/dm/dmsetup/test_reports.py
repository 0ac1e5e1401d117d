"""Reports, selections and names: what the real dmsetup prints. `splitname` needs no kernel, so that it can be asked itself."""

import random
import subprocess

import pytest
from tests.dm.dmsetup.shell import Shell

from hawser.core.units import NS_PER_S
from hawser.dm.dmsetup.regex import Regex, RegexError
from hawser.dm.dmsetup.selection import SelectionError, parse_selection

ONE = "VG   LV   LVLayer\na    b           \n"
WORDS = [
    *("vg_name", "lv_name", "selected", "lvlayer", "subsystem", "=", "!=", "=~", "!~", "&&", "||", ",", "#", "!", "("),
    *(")", "a", "b", "1", "0", "'a'", '"b"', "[ab]", "^a", "b$", "a|b", " ", "*", "+", "?", ".", "x", "[", "]", "'"),
]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a-b", ONE),
        ("a-b -o vg_name", "VG  \na   \n"),
        ("a--b--c-d-e-f", "VG    LV   LVLayer\na-b-c d    e      \n"),
        ("a- LVM", "VG   LV   LVLayer\na-               \n"),
        ("a-b other", "VG   LV   LVLayer\n                 \n"),
        ("a-b -o +subsystem", "VG   LV   LVLayer Subsys\na    b            LVM   \n"),
        ("a-b -o all", "Subsys VG   LV   LVLayer\nLVM    a    b           \n"),
        ("a-b -o VGNAME -O lv_name", "VG  \na   \n"),
        ("a-b --rows", "VG a\nLV b\nLVLayer \n"),
        ("a-b --nameprefixes --noheadings -o vg_name,lv_name", "DM_VG_NAME='a':DM_LV_NAME='b'\n"),
        ("a-b --nameprefixes --unquoted -o vg_name,lv_name", "VG LV\nDM_VG_NAME=a DM_LV_NAME=b\n"),
        ("a-b --separator :", "VG:LV:LVLayer\na:b:\n"),
        ("a-b -S lv_name=b -o vg_name", "VG  \na   \n"),
        ("a-b -S lv_name=c", ""),
        ("a-b -S lv_name=c -o selected,vg_name", "Selected VG  \n       0 a   \n"),
        ("a-b -S lv_name=~b&&vg_name!=b", ONE),
        ("a-b -S !(!(lv_name=c))", ONE),
        ("a-b -S selected=1.9", ONE),
    ],
)
def test_reports_of_names(words: str, said: str) -> None:
    assert Shell().say("splitname", *words.split()) == (0, said, "")


def test_a_report_is_repeated_after_an_interval() -> None:
    shell = Shell()
    run, answer = shell.begin("splitname", "a-b", "--count", "2", "--interval", "3")
    assert [condition.deadline_ns - shell.world.clock.now_ns for condition in run] == [3 * NS_PER_S]
    assert answer.stdout == f"{ONE}\n{ONE}"
    assert shell.say("splitname", "a-b", "--count", "0")[0] == 1


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("vg_name=a b", "Expecting logical operator\nSelection syntax error at 'b'.\n"),
        ("(vg_name=a", "Syntax error: right parenthesis expected at ''\n"),
        ("!vg_name=a", "Syntax error: left parenthesis expected at 'vg_name=a'\n"),
        (" ", "Expecting field name\nSelection syntax error at ''.\n"),
        ("vg_name='a", "Missing end quote.\nFailed to parse string value for selection field vg_name.\n"),
        ("selected=x", "Failed to parse numeric value for selection field selected.\n"),
        ("selected=1k", "Found size unit specifier but numeric value expected for selection field selected.\n"),
        ("selected=1%", "Found percent value but numeric value expected for selection field selected.\n"),
        ("selected=~1", "dm_report: incompatible comparison type for selection field selected\n"),
        (
            "selected=99999999999999999999",
            "Field selection value 99999999999999999999 out of supported range for field selected.\n",
        ),
        ("vg_name=~'(a'", "missing ')' in regular expression\nParse error in regex\nCouldn't parse regex\n"),
    ],
)
def test_selections_that_cannot_be_read(selection: str, said: str) -> None:
    rc, out, err = Shell().say("splitname", "a-b", "-S", selection)
    assert (rc, out) == (1, "")
    assert err.startswith(said), err
    assert "Command failed" not in err


@pytest.mark.parametrize(
    ("selection", "fields"),
    [
        ("nosuch=1", "Unrecognised selection field: nosuch"),
        ("help=1", "Selection field is uncomparable: help."),
        ("vg_name>1", "Operator can be used only with number, size, time or percent fields: vg_name>1"),
        ("vg_name since 1", "Operator can be used only with time fields: vg_name since 1"),
        ("vg_name", "Unrecognised comparison operator: "),
    ],
)
def test_what_there_is_comes_before_a_complaint_about_what_there_is_not(selection: str, fields: str) -> None:
    rc, _, err = Shell().say("splitname", "a-b", "-S", selection)
    assert rc == 1
    assert fields in err.splitlines()
    assert ("Selections: " in err) == ("field: " not in fields and "uncomparable" not in fields)


def test_devices_are_selected_for_verbs() -> None:
    shell = Shell()
    for name in ("u0", "u1"):
        shell.say("create", name, "--table", "0 8 zero")
    assert shell.say("table", "-S", "name=~^u && open=0") == (0, "u0: 0 8 zero \nu1: 0 8 zero \n", "")
    assert shell.say("suspend", "-S", "minor>1")[0] == 0
    assert shell.say("info", "-c", "-S", "suspended=Suspended", "-o", "name", "--noheadings") == (0, "u1\n", "")
    assert shell.say("remove", "-S", "name=u1 || name=u0") == (0, "", "")
    assert shell.say("remove", "-S", "name=u1", "nosuch") == (1, "", "Device does not exist.\nCommand failed.\n")
    assert shell.say("status", "-S", "zz=1")[0] == 1
    assert shell.say("ls") == (0, "mp\t(254:0)\n", "")


@pytest.mark.parametrize("options", [["--rows"], ["--separator", "|"], []])
def test_a_hidden_field_sorts_and_takes_no_room(options: list[str]) -> None:
    shell = Shell()
    shell.say("create", "a", "--table", "0 8 zero")
    said = shell.say("info", "-c", "-o", "name", "-O", "-minor", *options)[1]
    assert said.split() == ["Name", "a", "mp"]


def test_all_fields_of_statistics_are_known_and_there_are_none() -> None:
    shell = Shell()
    for fields in ("stats_all", "name,read_count", "region_id", "all"):
        assert shell.say("info", "-c", "-o", fields) == (0, "", "")
    assert shell.say("splitname", "a-b", "-o", "read_count")[2].startswith(
        "_do_report_object: no data assigned to field"
    )


def test_names_are_given_the_form_that_is_asked_for() -> None:
    shell = Shell()
    assert shell.say("create", "a b", "--table", "0 8 zero")[0] == 0
    assert shell.say("ls")[1].startswith("a b\t")
    assert shell.say("--manglename", "none", "ls")[1].startswith("a\\x20b\t")
    assert shell.say("mangle", "a\\x20b")[1] == "a\\x20b: [no UUID]: name already in correct form\n"
    assert shell.say("mangle", "--manglename", "none", "a\\x20b")[1] == "a\\x20b: renaming to a b\n"
    assert shell.say("--manglename", "none", "ls")[1].startswith("a b\t")
    assert shell.say("mangle")[0] == 0
    assert shell.say("--manglename", "none", "ls")[1].startswith("a\\x20b\t")
    rc, _, err = shell.say("create", "c\\x20 d", "--table", "0 8 zero")
    assert (rc, err.splitlines()[-2]) == (1, 'Failed to mangle device name "c\\x20 d".')


def test_expressions_take_no_more_time_than_their_length() -> None:
    assert not Regex("(a*)*(a*)*(a*)*b$").matches("a" * 120)
    for text in ("(" * 200 + "a" + ")" * 200, "a" * 5000):
        with pytest.raises(RegexError):
            Regex(text)
    with pytest.raises(SelectionError):
        parse_selection("(" * 200 + "name=a")


@pytest.mark.needs("dmsetup")
def test_selections_agree_with_the_real_dmsetup() -> None:
    shell = Shell()
    rng = random.Random(16)
    for _ in range(150):
        selection = "".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 9)))
        argv = ["splitname", rng.choice(["a-b", "ab-ba-x"]), "-S", selection]
        real = subprocess.run(["dmsetup", *argv], capture_output=True, text=True, check=False, timeout=10)
        rc, out, err = shell.say(*argv)
        assert (rc, out) == (real.returncode, real.stdout), argv
        if "------" not in real.stderr:
            assert err == real.stderr, argv


def test_names_that_were_never_mangled_are_not_listed() -> None:
    shell = Shell()
    shell.say("--manglename", "none", "create", "a b", "--table", "0 8 zero")
    said = 'The name "a b" should be mangled but it contains blacklisted characters.\nCommand failed.\n'
    for verb in ("ls", "status", "info", "deps"):
        assert shell.say(verb) == (1, "", said)
    assert shell.say("--manglename", "none", "ls")[0] == 0
    assert shell.say("status", "mp")[0] == 0


def test_a_device_without_a_disk_has_no_block_name() -> None:
    shell = Shell()
    shell.say("create", "--notable", "bare")
    rc, out, err = shell.say("info", "-c", "-o", "blkdevname,name")
    assert (rc, out.split()) == (1, ["BlkDevName", "Name", "dm-0", "mp"])
    assert err.startswith("Could not resolve block device name for 254:1.\n_do_report_object: report function failed")
    assert shell.say("ls", "-o", "blkdevname")[1] == "bare\t(254:1)\nmp\t(dm-0)\n"


def test_a_device_of_another_major_number_is_made_and_not_found() -> None:
    shell = Shell()
    rc, _, err = shell.say("create", "x", "-j", "7", "-m", "12", "--table", "0 8 zero")
    assert rc == 1
    assert err.splitlines() == [
        "device-mapper: resume ioctl on x (7:12) failed: No such device or address",
        "device-mapper: remove ioctl on x (7:12) failed: No such device or address",
        "Failed to revert device creation.",
        "Command failed.",
    ]
    assert "ioctl: Invalid ioctl structure: name x, dev 70c" in [line for _, line in shell.world.log.lines]
    assert shell.say("info", "-c", "--noheadings", "-o", "devno,attr", "x")[1] == "254:12:-I-w\n"
