"""Parameters of a running server, and the probe of the paths in use."""

import pytest
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run

from hawser.service.control import ask, ask_for_pieces
from hawser.service.options import OptionError, ProcessOptions

PATHS = ["ram:?size=1M", "ram:?size=1M"]
TIMEOUT = "dm_multipath.queue_if_no_path_timeout_secs"
SEMANTICS = "dm_multipath.semantics"


def test_a_parameter_that_is_none_is_refused_before_anything_starts():
    for wrong in ("nothing=1", f"{TIMEOUT}=x", f"{SEMANTICS}=5.0", TIMEOUT):
        with pytest.raises(OptionError, match="--parameter"):
            ProcessOptions(parameters=[f"{SEMANTICS}=6.16", wrong]).check_parameters()
    ProcessOptions(parameters=[f"{SEMANTICS}=6.16", f"{TIMEOUT}=5"]).check_parameters()


def probe(gateway: Gateway) -> tuple[str, str]:
    """What the probe says, and why it was refused."""
    replies = list(ask_for_pieces(str(gateway.control), "probe-paths", [], 20.0))
    return "".join(reply.out for reply in replies), replies[-1].err


@pytest.mark.interop
def test_of_a_server(fleet):
    gateway = fleet.serve(PATHS, "--parameter", f"{SEMANTICS}=6.16", "--parameter", f"{TIMEOUT}=7")
    control = str(gateway.control)
    assert ask(control, "parameters", []).out == f"{TIMEOUT}=7\n{SEMANTICS}=6.16\n"
    assert "multipath        v1.15.0\n" in gateway.dm("targets")
    assert probe(gateway) == ("no group is in use\n", "")
    gateway.client().read(0, 512)
    assert probe(gateway) == ("259:0 A 0\n259:1 A 0\n", "")
    gateway.dm("message", "mpatha", "0", "fail_path", "259:0")
    assert probe(gateway) == ("259:0 F 1\n259:1 A 0\n", "")
    gateway.dm("suspend", "mpatha")
    assert probe(gateway) == ("", "Resource temporarily unavailable: the map is suspended")
    gateway.dm("resume", "mpatha")
    refused = ask(control, "parameters", [f"{TIMEOUT}=8", f"{SEMANTICS}=7"])
    assert (refused.ok, "none of 6.12, 6.16" in refused.err) == (False, True)
    assert ask(control, "parameters", []).out == f"{TIMEOUT}=7\n{SEMANTICS}=6.16\n", (
        "one that is wrong, and none is set"
    )
    shown = run(
        [*HAWSER, "parameters", "--control", control, f"{TIMEOUT}=1", f"{SEMANTICS}=6.12"], seconds=30, check=False
    )
    assert shown.stdout == f"{TIMEOUT}=1\n{SEMANTICS}=6.12\n"
    assert probe(gateway)[1] == "", "a table keeps its rules"
    assert ask(control, "probe-paths", ["259:0"]).ok is False


@pytest.mark.interop
def test_of_a_server_under_the_rules_of_6_12_there_is_no_probe(fleet):
    gateway = fleet.serve(PATHS)
    said = "Inappropriate ioctl for device: the map's table was loaded under the rules of Linux 6.12: "
    said += f"`hawser parameters {SEMANTICS}=6.16`"
    assert probe(gateway) == ("", f"{said}, then load the table again (hawser dm load, resume)")
    told = run([*HAWSER, "paths", "--control", str(gateway.control), "--probe"], seconds=30, check=False)
    assert (told.returncode, told.stderr.startswith("hawser paths --probe: Inappropriate ioctl")) == (1, True)
    # As it says:
    assert ask(str(gateway.control), "parameters", [f"{SEMANTICS}=6.16"]).ok
    assert gateway.dm("load", "mpatha", "--table", gateway.dm("table", "mpatha")) == ""
    gateway.dm("resume", "mpatha")
    assert probe(gateway)[1] == ""
