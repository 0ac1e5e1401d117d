"""Parts of a page: tables of results, of claims and of records, and words in them."""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from hawser.lab.report.entries import Entry
from hawser.lab.report.numbers import cell, column, is_number
from hawser.lab.report.results import Cell, ClaimResult, CurveResult, ExperimentResult, TableResult

RECORDS_SHOWN: Final = 20
PLACES_SHOWN: Final = 24

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)\]]")


def plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def tag(text: str) -> str:
    return f'<span class="tag">{escape(text)}</span>'


def linked(text: str) -> str:
    """The text, in which addresses can be followed."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        address = escape(found[0])
        parts += [escape(text[end : found.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def verdict_of(result: ExperimentResult) -> str:
    if not result.claims:
        return '<span class="verdict faint">no claim</span>'
    if result.failing:
        return '<span class="verdict fails">&#10007; DOES NOT HOLD</span>'
    return '<span class="verdict holds">&#10003; holds</span>'


def claims_table(result: ExperimentResult) -> list[str]:
    """What fails stands first."""
    heads = ("Verdict", "Claim", "Kind", "Measured", "Wanted", "Who says so", "Requirement")
    return [
        '<div class="wide"><table class="claims stacked">',
        f"<thead><tr>{''.join(_head(name, name == 'Measured') for name in heads)}</tr></thead>",
        "<tbody>",
        *(_claim(claim) for claim in sorted(result.claims, key=lambda claim: claim.holds)),
        "</tbody></table></div>",
    ]


def _claim(claim: ClaimResult) -> str:
    fails = '<span class="verdict fails">&#10007; DOES NOT HOLD</span>'
    verdict = '<span class="verdict holds">&#10003; holds</span>' if claim.holds else fails
    measured = f"{cell(claim.measured)} {claim.unit}".strip()
    requirement = tag(claim.requirement) if claim.requirement else ""
    return (
        f"<tr{'' if claim.holds else ' class=failing'}>"
        f"<td>{verdict}</td><td>{escape(claim.text)}</td>"
        f'<td data-name="Kind">{claim.kind}</td>'
        f'<td data-name="Measured" class="number">{escape(measured)}</td>'
        f'<td data-name="Wanted">{escape(claim.wanted)}</td>'
        f'<td data-name="Who says so">{linked(claim.where)}</td>'
        f'<td data-name="Requirement">{requirement}</td></tr>'
    )


def _head(name: str, number: bool) -> str:
    return f"<th{' class=number' if number else ''}>{escape(name)}</th>"


def table(one: TableResult) -> list[str]:
    """A table of a result, with its note."""
    lines = _rows(one.title, one.columns, one.rows)
    return [*lines, f'<p class="small faint">{escape(one.note)}</p>'] if one.note else lines


def _rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Columns of numbers are set to the right, with the same number of decimals."""
    numbers = []
    texts = []
    for place in range(len(columns)):
        values = [row[place] for row in rows]
        known = [value for value in values if value is not None]
        numbers.append(bool(known) and all(map(is_number, known)))
        texts.append(column(values))
    lines = ['<div class="wide"><table>', f"<caption>{escape(title)}</caption>" if title else ""]
    lines.append(f"<thead><tr>{''.join(map(_head, columns, numbers))}</tr></thead><tbody>")
    for row in range(len(rows)):
        cells = (
            f"<td{' class=number' if is_numeric else ''}>{escape(text[row])}</td>"
            for text, is_numeric in zip(texts, numbers, strict=True)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return [line for line in [*lines, "</tbody></table></div>"] if line]


def numbers_of(curve: CurveResult) -> list[str]:
    """The numbers behind a figure, folded; none of a long course, which is in results.json."""
    places = list(dict.fromkeys(x for series in curve.series for x in series.xs))
    if not 0 < len(places) <= PLACES_SHOWN:
        return []
    columns = [curve.x_label]
    texts: list[Sequence[Cell]] = [places]
    for series in curve.series:
        found = dict(zip(series.xs, series.ys, strict=True))
        columns.append(series.name or curve.y_label)
        texts.append([found.get(x) for x in places])
        if series.lows is not None and series.highs is not None:
            ends = {
                x: f"{cell(low)} to {cell(high)}"
                for x, low, high in zip(series.xs, series.lows, series.highs, strict=True)
            }
            columns.append("95 %")
            texts.append([ends.get(x) for x in places])
    rows = list(zip(*texts, strict=True))
    return ["<details><summary>Its numbers</summary>", *_rows("", columns, rows), "</details>"]


def records_of(entry: Entry) -> list[str]:
    """The first records, folded, and where all of them are."""
    records = entry.result.records
    if not records:
        return []
    columns = list(dict.fromkeys(name for record in records for name in record))
    first = [[record.get(name) for name in columns] for record in records[:RECORDS_SHOWN]]
    where = f' (<a href="{escape(entry.records)}">Parquet</a>)' if entry.records else ""
    shown = f", of which these are the first {len(first)}" if len(records) > len(first) else ""
    summary = f"<summary>{plural(len(records), 'record', 'records')}{shown}</summary>"
    return [
        f"<details>{summary}",
        *_rows("", columns, first),
        f'<p class="small faint">All in results.json{where}.</p></details>',
    ]
