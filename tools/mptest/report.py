"""The table as text, whether all is right and within its bounds, and all figures as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.markdown import padded_table
from tools.mptest.plan import CASES
from tools.mptest.trial import HALF_TOLERANCE, RESUME_BOUND_S, Result

HEAD = (
    "case",
    "what happens",
    "mode",
    "rounds",
    "I/Os: fio",
    "journal",
    "longest I/O",
    "longest outage",
    "goes on after: worst",
    "paths carried: 259:0",
    "259:1",
    "259:2",
    "259:3",
    "path failures",
    "events",
    "verdict",
)
_BOUND = f"{RESUME_BOUND_S * 1000:g} ms"
FOOT = f"""\
fio: random writes of 512 KiB, two in flight, and the reads that verify them (verify=meta, each 4 KiB); what it wrote once is
read from the disk below, too. Journal: small reads, writes and zeroes of another client; each answer is judged, and in the end
every sector. Longest I/O: fio's slowest, which may take the longest outage (from when paths were taken away until the first was
back) and {_BOUND}. Goes on after: from when the first path was back to the first answer; {_BOUND} at most.
M-00: each path of group 1 carries half, within {HALF_TOLERANCE * 100:g} %.
Status lines, fail counts, groups and what each path carries are looked at in every step: tools/mptest/cases.py."""


def verdict(result: Result) -> str:
    if result.error:
        return f"FAILED: {result.error}"
    return "; ".join(result.problems()) or "ok"


def table(results: Sequence[Result]) -> str:
    return padded_table(HEAD, [_cells(result) for result in results])


def _cells(result: Result) -> tuple[str, ...]:
    variant = result.variant
    shown = [variant.case, CASES[variant.case], variant.mode]
    if result.error:
        return (*shown, *["-"] * (len(HEAD) - len(shown) - 1), verdict(result))
    return (
        *shown,
        str(result.rounds),
        *(f"{count:,}" for count in result.ios),
        _ms([result.longest_s]),
        _ms(result.outages_s),
        _ms(result.resumed_s),
        *(f"{count:,}" for count in result.carried),
        " ".join(str(count) for count in result.failures),
        str(result.events),
        verdict(result),
    )


def _ms(values: Sequence[float]) -> str:
    return f"{max(values) * 1000:.1f} ms" if values else "-"


def summary(results: Sequence[Result]) -> str:
    failed = sum(1 for result in results if result.error)
    late = sum(1 for result in results if not result.error and result.problems())
    return f"{len(results)} runs: {len(results) - failed - late} ok, {failed} failed, {late} out of bounds."


def status(results: Sequence[Result]) -> int:
    """The exit status: 1 if anything failed or was out of its bounds."""
    return 1 if any(verdict(result) != "ok" for result in results) else 0


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """All figures; times in seconds."""
    return {
        "runs": [
            {
                "case": result.variant.case,
                "mode": result.variant.mode,
                "seconds": result.variant.seconds,
                "slack_s": result.variant.slack_s,
                "rounds": result.rounds,
                "fio_ios": result.ios[0],
                "journal_ios": result.ios[1],
                "longest_s": result.longest_s,
                "outages_s": result.outages_s,
                "resumed_s": result.resumed_s,
                "carried": list(result.carried),
                "failures": result.failures,
                "events": result.events,
                "verdict": verdict(result),
            }
            for result in results
        ],
        "status": status(results),
    }
