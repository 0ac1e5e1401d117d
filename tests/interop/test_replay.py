"""A second of live load, replayed in the laboratory under three other selectors, and the report that compares them."""

import json
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run
from tests.support.programs import require_program

from hawser.lab.model.trace_read import read_trace

pytestmark = [pytest.mark.interop, pytest.mark.needs("fio"), pytest.mark.needs("nbdkit")]

SLOW_MS = 4
QUICK_MS = 1


def load_command(gateway: Gateway) -> list[str]:
    """Two clients that wait for answers, until they are killed."""
    words = ["--name=load", "--ioengine=nbd", f"--uri={gateway.uri}", "--rw=randread", "--bsrange=4k-16k", "--size=32M"]
    more = ["--iodepth=6", "--numjobs=2", "--norandommap", "--time_based", "--runtime=60", "--rate_iops=1500"]
    return [require_program("fio"), *words, *more]


def record(fleet: Fleet, file: Path) -> None:
    """Two quick paths and a slow one, under service-time."""
    image = fleet.image("disk", 64 * MIB)
    servers = [
        fleet.nbdkit(f"s{place}", "file", image, f"rdelay={ms}ms", filters=["delay"])
        for place, ms in enumerate((QUICK_MS, QUICK_MS, SLOW_MS))
    ]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers])
    gateway.wait_for_paths("AAA")
    load = fleet.run("fio", *load_command(gateway))
    gateway.wait_until(lambda: gateway.stats()[0]["rd_ios"] > 200, "the load runs")
    run([*HAWSER, "trace", "--control", gateway.control, "--seconds", "1", "-o", file])
    assert load.is_running(), load.log()
    load.kill()
    gateway.assert_no_traceback()


def test_a_second_of_live_load_under_three_other_selectors(fleet: Fleet):
    file = fleet.directory / "io.json"
    record(fleet, file)
    into = fleet.directory / "replayed"
    recording = read_trace(file)
    (recorded,) = recording.maps
    assert (recorded.name, recorded.mode, recorded.sectors) == ("mpatha", "rq", 64 * MIB // 512)
    assert [path.depth for path in recording.paths_of(recorded)] == [128] * 3
    assert {io.client for io in recording.asked_of(recorded)} == {0, 1}
    # (1 means that the model was not right about what was recorded, which a machine that others share may well bring about.)
    found = run([*HAWSER, "lab", "replay", file, "--closed", "--seeds", "2", "--into", into], check=False)
    assert found.returncode in (0, 1), found.stderr
    (entry,) = json.loads((into / "results.json").read_text())["experiments"]
    fitted, tested, compared = entry["tables"]
    assert len(fitted["rows"]) == 3
    policies = [row[0] for row in compared["rows"]]
    assert policies == ["service-time 0", "queue-length 0", "round-robin 0", "historical-service-time 0"]
    for policy in policies:
        assert policy in found.stdout
    assert len(entry["records"]) == 8
    # A server that lets a command wait for that long has a model that does.
    took = [row[3] + row[7] for row in fitted["rows"]]
    assert took[0] >= 1000 * QUICK_MS and took[1] >= 1000 * QUICK_MS and took[2] >= 1000 * SLOW_MS
    shares = {row[0]: [int(share) for share in row[-1].split()] for row in compared["rows"]}
    assert all(30 <= share <= 37 for share in shares["round-robin 0"])
    assert shares["service-time 0"][2] < shares["service-time 0"][0]
    assert {claim["kind"] for claim in entry["claims"]} == {"predicted"}
    for what, quantile, _, _, ratio in tested["rows"]:
        # Others may share the machine while it is recorded: with slack.
        low, high = (0.1, 10.0) if quantile == "p99" else (0.4, 2.5)
        assert low < ratio < high, (what, tested)
