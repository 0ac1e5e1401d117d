"""Which unit tests are run first for a mutant: those of files named after the one that is wrong, or named here for it, and those
of the file whose test killed it in the run that the report is about. Most mutants die of them, at a tenth of the price of all.
"""

import re
from pathlib import Path
from typing import Final

from tools.mutants.mutant import PACKAGE, Mutant

# Files of `src/hawser`, or directories of them, whose tests have other names.
NEAR_BY: Final = {
    "block/orphan.py": ("multipath/test_fences.py", "dm/targets/test_ghosts.py"),
    "block/flush.py": ("multipath/test_flush_and_caches.py", "multipath/test_dead_clients.py"),
    "block/queue.py": (
        *("multipath/test_answers.py", "multipath/test_queueing.py", "multipath/test_fences.py"),
        "multipath/test_found_by_seeds.py",
    ),
    "block/request.py": ("multipath/test_protections.py",),
    "dm/bio_based.py": ("multipath/test_dead_clients.py",),
    "dm/table.py": ("multipath/test_fitness.py",),
    "dm/request_based.py": ("multipath/test_fences.py",),
    "dm/suspension.py": ("dm/test_suspend.py", "multipath/test_suspend_ghosts.py", "multipath/test_reload.py"),
    "multipath/disk.py": (
        "multipath/test_flush_and_caches.py",
        "multipath/test_retained.py",
        "multipath/test_protections.py",
    ),
    "multipath/fence.py": ("multipath/test_protections.py", "multipath/test_flush_and_caches.py"),
    "multipath/fitness.py": ("multipath/test_flush_and_caches.py", "multipath/test_grammar.py"),
    "multipath/replay.py": (
        *("multipath/test_retained.py", "multipath/test_found_by_seeds.py", "multipath/test_protections.py"),
    ),
    "multipath/retained.py": ("multipath/test_protections.py",),
    "multipath/state.py": (
        *("multipath/test_failover.py", "multipath/test_messages.py", "multipath/test_demotion.py"),
        *("multipath/test_pinned_waiting.py", "manager/test_marginal.py"),
    ),
    "multipath/waiting.py": (
        *("multipath/test_fitness.py", "multipath/test_fenced_discards.py", "multipath/test_suspend_ghosts.py"),
        *("multipath/test_answers.py", "multipath/test_queueing.py", "multipath/test_orphan_index.py"),
        *("multipath/test_fences.py", "multipath/test_dead_clients.py", "multipath/test_suspend.py"),
        *("multipath/test_pinned_waiting.py", "block/test_recorder.py"),
    ),
    "multipath/twins.py": (
        "multipath/test_hedge.py",
        "multipath/test_hedge_endings.py",
        "multipath/test_hedge_limits.py",
    ),
    "multipath/orphan_index.py": ("multipath/test_fences.py", "multipath/test_protections.py"),
    "multipath/target.py": (
        *("multipath/test_answers.py", "multipath/test_failover.py", "multipath/test_fences.py"),
        "multipath/test_flush_and_caches.py",
    ),
    "multipath/queueing.py": (
        *("multipath/test_suspend.py", "multipath/test_hedge_endings.py", "manager/test_queue_timeout.py"),
    ),
    "multipath/witness.py": ("multipath/test_pinned_waiting.py", "service/test_witness_file.py"),
    "manager/check_read.py": ("manager/test_keepalive.py", "manager/test_marginal.py"),
    "manager/ears.py": (
        "multipath/test_retained.py",
        "manager/test_identity.py",
        "manager/test_checking.py",
        "manager/test_protections.py",
    ),
    "manager/identity.py": ("manager/test_protections.py",),
    "manager/keepalive.py": ("manager/test_protections.py",),
    "manager/latency.py": ("manager/test_marginal.py", "manager/test_flaky.py", "manager/test_protections.py"),
    "manager/marginal.py": ("manager/test_flaky.py", "manager/test_protections.py"),
    "manager/policy.py": ("manager/test_queue_timeout.py", "service/test_options.py"),
    "manager/manager.py": (
        *("manager/test_protections.py", "manager/test_holds.py", "manager/test_identity.py"),
        *("manager/test_checking.py", "manager/test_reload.py", "manager/test_queue_timeout.py"),
        *("manager/test_left_caches.py", "manager/test_found_by_seeds.py", "multipath/test_retained.py"),
    ),
    "manager/probe.py": (
        "manager/test_holds.py",
        "manager/test_checking.py",
        "manager/test_left_caches.py",
        "manager/test_found_by_seeds.py",
    ),
    "manager/trial_record.py": ("manager/test_marginal.py", "manager/test_protections.py"),
    "paths/aftermath.py": ("paths/test_peer_proof.py", "paths/test_nbd_sessions.py", "paths/test_nbd_caches.py"),
    "paths/machine.py": ("paths/test_protections.py",),
    "paths/recovered.py": ("paths/test_protections.py",),
    "paths/tcp.py": ("paths/test_nbd_sessions.py",),
    "paths/write_record.py": ("paths/test_protections.py", "paths/test_nbd_caches.py"),
    "paths/facts.py": ("paths/test_nbd_sessions.py", "paths/test_uri.py"),
    "paths/nbd_facts.py": ("paths/test_facts.py", "paths/test_nbd_sessions.py"),
    "paths/nbd.py": ("paths/test_nbd_sessions.py",),
    "paths/write_table.py": ("paths/test_protections.py",),
    "service/gateway.py": ("service/test_gateways.py",),
    "service/one_disk.py": ("service/test_gateways.py",),
    "service/path_changes.py": ("service/test_gateways.py",),
    "service/path_states.py": ("service/test_paths_verb.py",),
    "service/probe": (
        "service/test_probe_rules.py",
        "service/test_probe.py",
        "service/test_probe_connection.py",
        "interop/test_probe.py",
    ),
    "service/resize.py": ("interop/test_resize.py",),
    "service/watchdog.py": ("service/test_paths_verb.py", "service/test_stuck.py", "service/test_shutdown.py"),
}

_BAR: Final = re.compile(r"(?<!\\)\|")
_KILLER: Final = re.compile(r"[a-z]+: (tests/\S+?\.py)::")
_LINE: Final = re.compile(r"\.py:\d+ ")


def last_killers(report: str) -> dict[str, str]:
    """By the mutant's key, the file of the test that killed it; those that no test killed are left out."""
    found: dict[str, str] = {}
    for line in report.splitlines():
        cells = [cell.strip() for cell in _BAR.split(line)[1:-1]]
        killer = _KILLER.match(cells[-1]) if len(cells) > 1 else None
        if killer is not None:
            found[_LINE.sub(".py ", cells[0].replace("\\|", "|"), count=1)] = killer[1]
    return found


def near_tests(root: Path, mutant: Mutant, killers: dict[str, str]) -> list[str]:
    """The files of such tests, relative to `root`, the one that killed it before first."""
    found: list[str] = []
    killer = killers.get(mutant.key)
    if killer is not None and (root / killer).is_file():
        found.append(killer)
    for path in mutant.files:
        short = path.removeprefix(PACKAGE + "/")
        places = sorted((root / "tests" / short.split("/")[0]).rglob(f"test_*{Path(path).stem}*.py"))
        places += [root / "tests" / name for name in NEAR_BY.get(short, ()) + NEAR_BY.get(str(Path(short).parent), ())]
        for place in places:
            name = place.relative_to(root).as_posix()
            if name not in found and place.is_file():
                found.append(name)
    return found
