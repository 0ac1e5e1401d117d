"""Trace files that the laboratory's own model has made: what a live server would have recorded, of paths that are known."""

from pathlib import Path

from hawser.block.recorder import Recorder
from hawser.core.clock import Clock
from hawser.lab.model.bench import Bench
from hawser.lab.model.scenario import Scenario
from hawser.service.trace_file import chunks


def record(scenario: Scenario, seed: int, file: Path) -> None:
    """Play a scenario to its end, followed from its beginning, and write the trace."""
    recorder = Recorder(Clock())
    bench = Bench(scenario, seed, recorder)
    recorder.clock = bench.clock
    facts = surroundings(bench)
    bench.run()
    recorder.is_open = False
    while recorder.open_ios():
        bench.advance(bench.clock.now_ns + 1_000_000)
    bench.turn.tracer = None
    recorder.close()
    file.write_text("".join(chunks(recorder, 0, "hawser mpatha", facts)))


def surroundings(bench: Bench) -> dict[str, object]:
    """As hawser.service.trace_facts has it."""
    groups = [
        {
            "selector": f"{group.selector.name} {group.selector.group_words()}",
            "paths": [
                {"number": path.device.devt, "words": group.selector.table_words(path), "state": path.letter()}
                for path in group.paths
            ],
        }
        for group in bench.target().state.groups
    ]
    paths = []
    for path in bench.paths:
        assert path.device is not None
        requests = path.device.requests
        paths.append({"name": path.name, "number": path.device.devt, "depth": requests.depth, "max_sectors": 2560})
    wanted = bench.scenario.map
    sectors = bench.scenario.size_bytes >> 9
    told = {"name": "mpatha", "sectors": sectors, "mode": wanted.mode, "scheduler": wanted.scheduler, "groups": groups}
    return {
        "hawser": "0",
        "seconds": bench.scenario.seconds,
        "batch": {"ios": 64, "bytes": 256 << 10},
        "maps": [{**told, "queue_if_no_path": True}],
        "paths": paths,
    }
