"""Play one scenario with one seed; what it came to, as plain data for JSON. Bit-equal on every machine, in both builds.

scenario, seed, measured_s
ios, bytes, failed, iops, mb_per_s       of what was answered after the warm-up; unanswered: what was still open at the end
latency_us                               {mean, p50, p90, p99, p99.9, max} of all loads together
loads                                    [{name, ios, bytes, latency_us}]
paths                                    [{name, commands, bytes, share, byte_share, busy, merges, failures, latency_us}]
                                         of the commands that were sent; busy: the part of the time that its server worked;
                                         merges: in the path's own queue, of bios (bio-based) or never
sizes                                    {bytes of a command: how many}
merges                                   in the map's own queue, if it has one, from the beginning
windows                                  [{t, ios, bytes, failed, p50_us, p99_us, max_us, paths}] of each window_ms, t in
                                         seconds from the beginning; paths: commands that were sent to each
events                                   [{t, text}]: faults, and what the engine has warned of
digest                                   a hash over all of it
"""

import json
from hashlib import blake2b
from typing import Any

from hawser.core.trace import Tracer
from hawser.lab.model.bench import Bench
from hawser.lab.model.scenario import Scenario


def play(scenario: Scenario, seed: int, tracer: Tracer | None = None) -> dict[str, Any]:
    """ScenarioError when the engine refuses what it asks for, or when it does not end."""
    bench = Bench(scenario, seed, tracer)
    bench.run()
    found = bench.outcome()
    found["digest"] = digest_of(found)
    return found


def digest_of(data: object) -> str:
    """A hash over plain data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()
