"""What the engine costs per I/O: both queue modes over paths that do nothing, or over the laboratory's simulated devices, in
the build of the interpreter that runs this. Over paths that do nothing also one of them without a map, and a request-based map
with an elevator that sorts.

    VENV/bin/python -m bench.engine --mode rq --over null --ios 200000

prints one JSON object: mode, build, ns_per_io (the best of several rounds), gc_pause_max_us.
"""

import argparse
import gc
import json
from time import perf_counter_ns

from bench.cases import ENGINE_MODES, RQ_SORTED
from hawser.build_info import build_kind
from hawser.core.units import GIB, KIB
from hawser.lab.stream_rig import StreamRig
from hawser.lab.world_null import NullRig
from hawser.service.loop import tune_garbage_collector

ROUNDS = 5
PATHS = 4
DEPTH = 32


class PauseMeter:
    """The longest garbage collection since it was made, in nanoseconds."""

    def __init__(self) -> None:
        self.longest_ns = 0
        self._since_ns = 0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._since_ns = perf_counter_ns()
        else:
            self.longest_ns = max(self.longest_ns, perf_counter_ns() - self._since_ns)


def make_rig(over: str, mode: str) -> NullRig | StreamRig:
    """Four paths that do nothing, or four simulated ones."""
    if over != "null":
        return StreamRig(mode)
    scheduler = "mq-deadline" if mode == RQ_SORTED else "none"
    return NullRig(mode.partition("-")[0], PATHS, "service-time 0", GIB, 4 * KIB, scheduler)


def measure(over: str, mode: str, ios: int) -> dict[str, object]:
    """The figures of one mode in this interpreter."""
    rig = make_rig(over, mode)
    rig.run(ios // 10, DEPTH, seed=1)
    tune_garbage_collector()
    meter = PauseMeter()
    best_ns = 0.0
    for number in range(ROUNDS):
        before_ns = perf_counter_ns()
        rig.run(ios, DEPTH, seed=number)
        taken_ns = (perf_counter_ns() - before_ns) / ios
        best_ns = min(best_ns or taken_ns, taken_ns)
    # No collection may have been due; a full one is the longest that there could be.
    gc.collect()
    if rig.client is not None and rig.client.failed:
        raise SystemExit(f"{rig.client.failed} I/Os failed over a driver that fails none")
    return {
        "mode": mode,
        "build": build_kind(),
        "ns_per_io": round(best_ns, 1),
        "gc_pause_max_us": round(meter.longest_ns / 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--over", choices=["null", "lab"], default="null")
    parser.add_argument("--mode", choices=ENGINE_MODES, required=True)
    parser.add_argument("--ios", type=int, default=200_000)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.over, arguments.mode, arguments.ios)))


if __name__ == "__main__":
    main()
