"""What the engine costs per I/O: both queue modes over paths that do nothing, over the laboratory's simulated devices, or over
its model, in the build of the interpreter that runs this. Over paths that do nothing also one of them without a map, and a
request-based map with an elevator that sorts.

    VENV/bin/python -m bench.engine --mode rq --over null --ios 200000

prints one JSON object: mode, build, ns_per_io (the best of several rounds), gc_pause_max_us.
"""

import argparse
import gc
import json
from time import perf_counter_ns

from bench.cases import ENGINE_MODES, MODEL_MODES, RQ_SORTED
from hawser.build_info import build_kind
from hawser.core.units import GIB, KIB
from hawser.lab.model.bench import Bench
from hawser.lab.model.load import Client
from hawser.lab.model.scenario import LoadModel, MapModel, PathModel, Scenario
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


class ModelRig:
    """The laboratory's model, by what hawser.lab.model.play does: each run is a scenario of its own. The mode ends in `-Np` where
    it has another number of paths."""

    def __init__(self, mode: str) -> None:
        name, _, last = mode.rpartition("-")
        paths = int(last[:-1]) if name and last.endswith("p") else PATHS
        self.paths = [PathModel() for _ in range(paths)]
        self.map = MapModel(mode=mode.partition("-")[0], scheduler="mq-deadline" if RQ_SORTED in mode else "none")
        self.client: Client | None = None

    def run(self, ios: int, depth: int, seed: int) -> int:
        load = LoadModel(depth=depth, ios=ios)
        bench = Bench(
            Scenario(name="bench", seconds=0, warm_up_s=0, paths=self.paths, map=self.map, loads=[load]), seed
        )
        bench.run()
        bench.outcome()
        (self.client,) = bench.clients
        return self.client.answered


def make_rig(over: str, mode: str) -> NullRig | StreamRig | ModelRig:
    """Paths that do nothing, simulated ones, or those of the model; four where the mode does not say how many."""
    if over == "model":
        return ModelRig(mode)
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
    parser.add_argument("--over", choices=["null", "lab", "model"], default="null")
    parser.add_argument("--mode", choices=[*ENGINE_MODES, *MODEL_MODES[1:-2]], required=True)
    parser.add_argument("--ios", type=int, default=200_000)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.over, arguments.mode, arguments.ios)))


if __name__ == "__main__":
    main()
