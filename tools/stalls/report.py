"""The tables as text, whether the bounds hold, and all figures as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from tools.markdown import padded_table
from tools.stalls.plan import BEYOND_TIMEOUT_S, FAULTS, KILL_BOUND_S
from tools.stalls.proofs import PROOFS, Waited
from tools.stalls.trial import Result

STALL_HEAD = (
    "fault",
    "transport",
    "server",
    "cache",
    "mode",
    "load",
    "io_timeout",
    "trials",
    "longest I/O: median",
    "min",
    "max",
    "without any answer: median",
    "fio's slowest: median",
    "max",
    "healthy: median",
    "bound",
    "",
)
PROOF_HEAD = (
    "what lifts the fence",
    "mode",
    "trials",
    "existed after",
    "lifted so much later: median",
    "max",
    "unproven",
    "said",
)
FOOT = f"""\
Longest I/O: from being sent to being answered, at depth 16, 4 KiB, no block twice; of all that was in flight when the fault
struck or later. Healthy: the same before it. fio: its own completion latency, on another fault of the same servers. Kills are
judged by the median of the longest I/O ({KILL_BOUND_S * 1000:g} ms), what has to time out by the worst one (io_timeout +
{BEYOND_TIMEOUT_S:g} s).
No bound (-): with cache=path everything waits until the lost cache is proved gone and what it held is written again."""
_CACHES = {"lun": "lun, failover", "lun-multibus": "lun, multibus", "path": "path (default)"}


def holds(result: Result) -> bool:
    """Whether a row keeps its bound, by our own figures and by fio's."""
    bound = result.variant.bound_s()
    if result.error or not result.stalls:
        return False
    if not bound:
        return True
    longest = [stall.longest for stall in result.stalls]
    if any(stall.unanswered for stall in result.stalls):
        return False
    if result.variant.fault == "kill":
        return median(longest) <= bound and (not result.fio or median(result.fio) <= bound)
    return max([*longest, *result.fio]) <= bound


def stall_table(results: Sequence[Result]) -> str:
    return padded_table(STALL_HEAD, [_stall_cells(result) for result in results])


def _stall_cells(result: Result) -> tuple[str, ...]:
    variant = result.variant
    cache = _CACHES[variant.caches]
    if variant.quiesce_s:
        cache += f", quiesce={variant.quiesce_s:g}"
    longest = [stall.longest for stall in result.stalls]
    bound = variant.bound_s()
    return (
        FAULTS[variant.fault],
        variant.transport,
        variant.server,
        cache,
        variant.queue_mode,
        variant.load,
        f"{variant.io_timeout_s:g} s" if variant.io_timeout_s else "-",
        str(len(longest)),
        _ms(longest, median),
        _ms(longest, min),
        _ms(longest, max),
        _ms([stall.gap for stall in result.stalls], median),
        _ms(result.fio, median),
        _ms(result.fio, max),
        _ms(result.healthy, median),
        f"{bound * 1000:g} ms" if bound else "-",
        _verdict(result),
    )


def _verdict(result: Result) -> str:
    if result.error:
        return f"ERROR: {result.error}"
    return ("ok" if result.variant.bound_s() else "") if holds(result) else "TOO LONG"


def proof_table(waits: Sequence[Waited]) -> str:
    """One line for each proof and queue mode, of all its trials."""
    rows: list[tuple[str, ...]] = []
    for proof, mode in dict.fromkeys((wait.proof, wait.queue_mode) for wait in waits):
        of_it = [wait for wait in waits if (wait.proof, wait.queue_mode) == (proof, mode)]
        right = [wait for wait in of_it if not wait.error]
        errors = [f"ERROR: {wait.error}" for wait in of_it if wait.error]
        after = [wait.after_s() for wait in right]
        rows.append(
            (
                PROOFS[proof],
                mode,
                str(len(right)),
                _ms([wait.existed_s for wait in right], median),
                _ms(after, median),
                _ms(after, max),
                str(sum(wait.unproven for wait in right)),
                "; ".join([*dict.fromkeys(wait.said for wait in right), *errors]),
            )
        )
    return padded_table(PROOF_HEAD, rows)


def unproven_undeclared(results: Sequence[Result], waits: Sequence[Waited]) -> int:
    """Fences that were lifted by nothing although nothing was declared."""
    stalls = sum(result.unproven for result in results if not result.variant.quiesce_s)
    return stalls + sum(wait.unproven for wait in waits if wait.proof != "quiesce")


def summary(results: Sequence[Result], waits: Sequence[Waited]) -> str:
    too_long = sum(1 for result in results if not result.error and not holds(result))
    errors = sum(1 for result in results if result.error) + sum(1 for wait in waits if wait.error)
    return (
        f"{len(results)} rows of stalls, {too_long} beyond their bound; {len(waits)} waits behind a fence; {errors} could not be "
        f"measured. Unproven lifts without a declaration: {unproven_undeclared(results, waits)}."
    )


def status(results: Sequence[Result], waits: Sequence[Waited]) -> int:
    """The exit status: 1 if a bound is broken or a fence was lifted by nothing, 3 if a row could not be measured."""
    if any(not result.error and not holds(result) for result in results) or unproven_undeclared(results, waits):
        return 1
    return 3 if any(result.error for result in results) or any(wait.error for wait in waits) else 0


def as_json(results: Sequence[Result], waits: Sequence[Waited]) -> dict[str, Any]:
    """All figures; times in seconds."""
    return {
        "stalls": [
            {
                "fault": result.variant.fault,
                "transport": result.variant.transport,
                "server": result.variant.server,
                "caches": result.variant.caches,
                "queue_mode": result.variant.queue_mode,
                "load": result.variant.load,
                "io_timeout_s": result.variant.io_timeout_s,
                "quiesce_s": result.variant.quiesce_s,
                "bound_s": result.variant.bound_s(),
                "longest_s": [stall.longest for stall in result.stalls],
                "without_answer_s": [stall.gap for stall in result.stalls],
                "healthy_s": result.healthy,
                "fio_s": result.fio,
                "unproven": result.unproven,
                "holds": holds(result),
                "error": result.error,
            }
            for result in results
        ],
        "fences": [
            {
                "proof": wait.proof,
                "queue_mode": wait.queue_mode,
                "existed_s": wait.existed_s,
                "waited_s": wait.waited_s,
                "said": wait.said,
                "unproven": wait.unproven,
                "error": wait.error,
            }
            for wait in waits
        ],
        "status": status(results, waits),
    }


def _ms(values: Sequence[float], pick: Any) -> str:
    return f"{pick(values) * 1000:.1f} ms" if values else "-"
