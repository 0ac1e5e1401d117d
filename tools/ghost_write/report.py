"""The table, in Markdown, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.ghost_write.plan import CACHES, FAULTS, SIZES, Variant
from tools.ghost_write.trial import Outcome
from tools.markdown import padded_table

HEAD = (
    "server",
    "fault",
    "older / newer",
    "bytes",
    "overlap",
    "newer sent",
    "naive resend",
    "hawser as shipped",
    "newer waited",
    "others' longest stall",
    "what lifted the fence",
)
_ORDERS = {"after": "after the retry", "before": "before the retry's ack", "beside": "beside the older"}
_OVERLAPS = {"smaller": "newer smaller", "larger": "newer larger", "neighbour": "neighbour in one 4096"}
_TOLD = {
    "lun": """told cache=lun, which is true where both servers
share one page cache; in the rows about caches nothing is declared.""",
    "path": """told nothing of caches, so that each server
counts as having one of its own (cache=path), and until that is flushed or gone all I/O waits.""",
}
_FOOT = """\
naive resend: the same gateway with --unsafe-no-fence, told cache=lun. Hawser: {told} Nothing else is declared unless the row
says so. The first path gives up after 1 s. `still waits` is not acknowledged and so loses nothing. Others: reads and writes
elsewhere, four in flight. fua: a write with FUA; merged: a write in four pieces at once."""


@dataclass
class Row:
    variant: Variant
    naive: Outcome | None = None
    hawser: Outcome | None = None


def render(rows: Sequence[Row]) -> str:
    return padded_table(HEAD, [cells(row) for row in rows])


def cells(row: Row) -> tuple[str, ...]:
    variant = row.variant
    hawser = row.hawser or Outcome(error="not run")
    size = str(512 if variant.overlap == "neighbour" else variant.size)
    waited = "-" if hawser.newer_wait_s is None else f"{hawser.newer_wait_s:.2f} s"
    is_bare = bool(hawser.note or hawser.error)
    return (
        variant.server,
        FAULTS[variant.fault],
        f"{variant.older} / {variant.newer if variant.fault != 'lost-cache' else 'flush'}",
        size,
        _OVERLAPS.get(variant.overlap, variant.overlap),
        "-" if variant.fault in CACHES or variant.overlap == "neighbour" else _ORDERS[variant.order],
        _result(row.naive),
        _result(row.hawser),
        "still waits" if hawser.waits else waited,
        "-" if is_bare or not hawser.others_s else f"{hawser.others_s:.2f} s",
        hawser.proof or "-",
    )


def _result(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not run"
    if outcome.error:
        return f"ERROR: {outcome.error}".replace("|", "/")
    return outcome.note or outcome.verdict


def foot(cache: str) -> str:
    """How to read the table."""
    return _FOOT.format(told=_TOLD[cache])


def summary(rows: Sequence[Row]) -> str:
    """Counts by side and, for the naive one, by server."""
    naive: dict[str, int] = {}
    for row in rows:
        naive[row.variant.server] = naive.get(row.variant.server, 0) + _counts(row.naive)
    losses = ", ".join(f"{server} {count}" for server, count in naive.items())
    waiting = sum(1 for row in rows if row.hawser is not None and row.hawser.waits)
    unproven = sum(1 for row in rows if _unproven_undeclared(row))
    return (
        f"{len(rows)} rows. Acknowledged data lost: naive resend {sum(naive.values())} ({losses}); "
        f"hawser {sum(_counts(row.hawser) for row in rows)}. Newer writes that still wait: {waiting}. "
        f"Unproven lifts without a declaration: {unproven}.\nBy what lifted the fence: {_proofs(rows)}."
    )


def _proofs(rows: Sequence[Row]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        if row.hawser is not None and row.hawser.proof:
            counts[row.hawser.proof] = counts.get(row.hawser.proof, 0) + 1
    return (
        ", ".join(f"{proof} {counts[proof]}" for proof in sorted(counts, key=lambda proof: -counts[proof])) or "nothing"
    )


def _unproven_undeclared(row: Row) -> bool:
    return row.hawser is not None and "unproven" in row.hawser.proof and not row.variant.fault.endswith("quiesce")


def status(rows: Sequence[Row]) -> int:
    """The exit status: 1 if hawser lost anything (or lifted a fence by nothing), 3 if a row could not be played."""
    if any(_counts(row.hawser) or _unproven_undeclared(row) for row in rows):
        return 1
    outcomes = [outcome for row in rows for outcome in (row.naive, row.hawser)]
    return 3 if any(outcome is None or outcome.error for outcome in outcomes) else 0


def command(row: Row, queue_mode: str, cache: str = "lun") -> str:
    """What plays this row again."""
    variant = row.variant
    ops = variant.older if variant.older == variant.newer else f"{variant.older},{variant.newer}"
    return (
        f"python -m tools.ghost_write --whole --servers {variant.server} --faults {variant.fault} --ops {ops} "
        f"--sizes {variant.size or SIZES[0]} --overlaps {variant.overlap} --orders {variant.order} "
        f"--queue-mode {queue_mode} --cache {cache}"
    )


def _counts(outcome: Outcome | None) -> int:
    return 1 if outcome is not None and outcome.lost else 0
