"""Page: a report as one file of HTML that needs no other: an overview, then each experiment with all that it rests on.

Nothing that a result says is taken for markup, and nothing is fetched from anywhere.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from hawser.lab.experiments.base import DERIVED, FITTED, KINDS, PREDICTED
from hawser.lab.report.entries import Entry
from hawser.lab.report.numbers import cell
from hawser.lab.report.page_parts import claims_table, linked, numbers_of, plural, records_of, table, tag, verdict_of
from hawser.lab.report.results import ClaimResult, Results
from hawser.lab.report.style import SCRIPT, style

TITLE: Final = "hawser: what the laboratory found"

# So many letters go into a column.
PARAMETER_MAX: Final = 28
# So that the browser sees to it, too, that nothing is fetched.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

KIND_WORDS: Final = {
    FITTED: "a parameter of the model was solved from the very figure that it is compared with: it shows that the model can "
    "do it, and nothing else",
    PREDICTED: "the model was calibrated on one figure, and is tested on another",
    DERIVED: "it follows from the rules and the model, by arithmetic that was done beforehand",
}


def page(results: Results, entries: Sequence[Entry], notes: Sequence[str] = ()) -> str:
    """The whole file. `notes`: what the reader has to know of the report itself."""
    failing = results.failing
    mark = f"{plural(failing, 'claim does', 'claims do')} not hold: " if failing else ""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(mark + TITLE)}</title>",
        f"<style>{style()}</style>",
        f"<script>{SCRIPT}</script>",
        "</head>",
        "<body>",
        _header(),
        "<main>",
        *_summary(results, entries),
        *_overview(entries),
        *_kinds(results),
        *(part for entry in entries for part in _experiment(entry)),
        "</main>",
        _footer(results, notes),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _header() -> str:
    choices = "".join(
        f'<label><input type="radio" name="theme" value="{value}"{" checked" if value == "auto" else ""}>'
        f"<span>{value}</span></label>"
        for value in ("auto", "light", "dark")
    )
    return f'<header id="top">\n<h1>{TITLE}</h1>\n<fieldset class="themes"><legend>Theme</legend>{choices}</fieldset>\n</header>'


def _summary(results: Results, entries: Sequence[Entry]) -> list[str]:
    """How it went, in one box; whatever fails is named in it."""
    claims = plural(results.claims, "claim", "claims")
    number = plural(len(entries), "experiment", "experiments")
    if not results.failing:
        held = (
            f"{'The' if results.claims == 1 else 'All'} {claims} of {number} hold{'s' if results.claims == 1 else ''}."
        )
        look = "sum" if results.claims else "sum open"
        return [f'<div class="{look}"><strong>{held if results.claims else f"{number}, no claim."}</strong></div>']
    lines = [
        f'<div class="sum alarm" role="alert"><strong>&#10007; {results.failing} of {claims} '
        f"{'DOES' if results.failing == 1 else 'DO'} NOT HOLD</strong>",
        "<ul>",
    ]
    for entry in entries:
        for claim in entry.result.failing:
            lines.append(
                f'<li><a href="#{entry.anchor}">{escape(entry.result.name)}</a>: {escape(claim.text)}: '
                f"measured <b>{escape(_measured(claim))}</b>, wanted <b>{escape(claim.wanted)}</b></li>"
            )
    return [*lines, "</ul>", "</div>"]


def _measured(claim: ClaimResult) -> str:
    return f"{cell(claim.measured)} {claim.unit}".strip()


def _overview(entries: Sequence[Entry]) -> list[str]:
    lines = [
        '<h2 id="overview">Overview</h2>',
        '<div class="wide"><table class="overview stacked">',
        "<thead><tr><th>Experiment</th><th>Question</th><th>Verdict</th><th>Claims</th><th>Requirements</th></tr></thead>",
        "<tbody>",
    ]
    for entry in entries:
        result = entry.result
        held = len(result.claims) - len(result.failing)
        counts = ", ".join(
            f"{count} {kind}" for kind in KINDS if (count := sum(claim.kind == kind for claim in result.claims))
        )
        claims = f'{held} of {len(result.claims)} hold <span class="faint small">({counts})</span>' if counts else "-"
        folder = f' <span class="faint small">{escape(result.folder)}/</span>' if result.folder else ""
        lines.append(
            f"<tr{' class=failing' if result.failing else ''}>"
            f'<td><a href="#{entry.anchor}">{escape(result.name)}</a>{folder}</td>'
            f'<td data-name="Question">{escape(result.title)}</td>'
            f'<td data-name="Verdict">{verdict_of(result)}</td>'
            f'<td data-name="Claims">{claims}</td>'
            f'<td data-name="Requirements">{" ".join(map(tag, entry.requirements))}</td></tr>'
        )
    return [*lines, "</tbody></table></div>"]


def _kinds(results: Results) -> list[str]:
    if not results.claims:
        return []
    lines = ["<h3>What a claim is worth</h3>", "<dl>"]
    lines += [f"<dt>{kind}</dt><dd>{KIND_WORDS[kind]}</dd>" for kind in KINDS]
    return [*lines, "</dl>"]


def _experiment(entry: Entry) -> list[str]:
    result = entry.result
    lines = [
        f'<article id="{entry.anchor}"{" class=failing" if result.failing else ""}>',
        f"<h2><span><code>{escape(result.name)}</code>: {escape(result.title)}</span> {verdict_of(result)}</h2>",
        "<dl>",
    ]
    texts = [("Hypothesis", result.hypothesis), ("Model", result.model), ("Source", result.source)]
    lines += [f"<dt>{name}</dt><dd>{linked(text)}</dd>" for name, text in texts if text]
    if entry.requirements:
        lines.append(f"<dt>Requirements</dt><dd>{' '.join(map(tag, entry.requirements))}</dd>")
    if result.parameters:
        values = "".join(_parameter(name, cell(value)) for name, value in result.parameters.items())
        lines.append(f'<dt>Parameters</dt><dd class="parameters">{values}</dd>')
    lines.append("</dl>")
    if result.claims:
        lines += ["<h3>Claims</h3>", *claims_table(result)]
    if result.limits:
        lines += ["<h3>Where the verdict stops holding</h3>", "<ul>"]
        lines += [f"<li>{escape(limit)}</li>" for limit in result.limits]
        lines.append("</ul>")
    for figure, curve in zip(entry.figures, result.curves, strict=True):
        files = " ".join(f'<a href="{escape(name)}">{escape(label)}</a>' for label, name in figure.links())
        lines += [
            f"<figure><figcaption>{escape(figure.title)}</figcaption>",
            f'<div class="wide">{figure.inline}</div>',
            *numbers_of(curve),
            f'<p class="files">{files}</p></figure>',
        ]
    for one in result.tables:
        lines += table(one)
    lines += records_of(entry)
    return [*lines, '<p class="small files"><a href="#overview">Overview</a></p>', "</article>"]


def _parameter(name: str, value: str) -> str:
    """One that is long has a line of its own."""
    look = ' class="long"' if len(name) + len(value) > PARAMETER_MAX else ""
    return f'<div{look}><span>{escape(name)}</span> <span class="number">{escape(value)}</span></div>'


def _footer(results: Results, notes: Sequence[str]) -> str:
    versions = ", ".join(results.versions)
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<footer><p>Results of hawser {escape(versions)}.</p>{said}</footer>"
