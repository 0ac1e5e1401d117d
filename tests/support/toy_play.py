"""A play that costs nothing, for tests of what is round it: an outcome of the right shape, from the scenario and the seed alone.

A load that writes 13 % raises, 66 % ends the process, 77 % never ends; 14 % raises unless there is a file TOY_MARKS/SEED, which
it leaves there.
"""

import os
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hawser.core.rng import Rng
from hawser.lab.model.scenario import Scenario

RAISES, DIES, HANGS, RAISES_ONCE = 13, 66, 77, 14


def play(scenario: Scenario, seed: int) -> dict[str, Any]:
    load = scenario.loads[0]
    _misbehave(load.write_percent, seed)
    rng = Rng(seed)
    luck = 0.9 + 0.2 * rng.uniform()
    speed = 1.5 if scenario.map.selector.startswith("queue-length") else 1.0
    base_us = scenario.paths[0].fixed_ns / 1000 * luck / speed
    latency = {
        "mean": base_us,
        "p50": base_us,
        "p90": 2 * base_us,
        "p99": 3 * base_us,
        "p99.9": 4 * base_us,
        "max": 5 * base_us,
    }
    ios = int(1e6 * scenario.seconds * load.depth / base_us)
    share = 1 / len(scenario.paths)
    windows = [
        {"t": t, "ios": ios // 10, "bytes": 0, "p50_us": base_us, "p99_us": 3 * base_us + t, "max_us": 9.0, "paths": []}
        for t in range(int(scenario.seconds))
    ]
    outcome: dict[str, Any] = {
        "scenario": scenario.name,
        "seed": seed,
        "measured_s": scenario.seconds - scenario.warm_up_s,
        "ios": ios,
        "bytes": ios * load.sizes[0],
        "failed": 0,
        "iops": ios / scenario.seconds,
        "mb_per_s": ios * load.sizes[0] / scenario.seconds / 1e6,
        "latency_us": latency,
        "loads": [],
        "paths": [
            {"name": f"p{number}", "commands": ios, "bytes": 0, "share": share, "byte_share": share, "busy": 0.5}
            for number in range(len(scenario.paths))
        ],
        "sizes": {str(load.sizes[0]): ios, "65536": 3},
        "merges": rng.below(10),
        "unanswered": load.depth,
        "windows": windows,
        "events": [{"t": 0.1, "text": "µ: something"}],
    }
    outcome["digest"] = blake2b(repr(outcome).encode(), digest_size=16).hexdigest()
    return outcome


def _misbehave(how: int, seed: int) -> None:
    if how == RAISES and seed == 1:
        raise ArithmeticError(f"seed {seed} does not add up")
    if how == DIES and seed == 1:
        os._exit(3)
    if how == HANGS and seed == 1:
        time.sleep(1000)
    if how == RAISES_ONCE:
        mark = Path(os.environ["TOY_MARKS"]) / str(seed)
        if not mark.exists():
            mark.touch()
            raise OSError(f"seed {seed} was unlucky")
