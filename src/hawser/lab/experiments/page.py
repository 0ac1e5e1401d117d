"""Page: what experiments have found, as Markdown: the form in which docs/experiments.md keeps it."""

from collections.abc import Sequence
from typing import Any

from hawser.lab.experiments.base import Value

HEAD = """# Experiments

What a policy, a mode or a setting does, in numbers: `hawser lab run NAME`, or `--all`. Each has a hypothesis, a model and one set
of parameters that was fixed before it was run. This page is what `hawser lab run --all --page docs/experiments.md` has written:
the same on every machine.

A claim says what it is worth. *fitted*: a parameter of the model was solved from the very figure that it is compared with, so
that it shows nothing but that the model can do it. *predicted*: the model was calibrated on one figure, and is tested on
another. *derived*: it follows from the rules and the model, by arithmetic that was done beforehand. `k` is the fixed time of a
command over the time of the data of 4 KiB, `d` the depth of a path, `P` the number of paths.
"""


def page(entries: list[dict[str, Any]]) -> str:
    """All of them, with an overview."""
    lines = [HEAD, *_grid(["experiment", "question", "claims", "verdict"], [_line(entry) for entry in entries])]
    for entry in entries:
        lines += _section(entry)
    return "\n".join(lines).rstrip() + "\n"


def _line(entry: dict[str, Any]) -> list[str]:
    claims = entry["claims"]
    good = sum(claim["holds"] for claim in claims)
    name = entry["name"]
    return [f"[{name}](#{name})", entry["title"], f"{good} of {len(claims)}", _verdict(entry["holds"])]


def _verdict(holds: bool) -> str:
    return "holds" if holds else "**does not hold**"


def _section(entry: dict[str, Any]) -> list[str]:
    parameters = ", ".join(f"{name} {shown(value)}" for name, value in entry["parameters"].items())
    lines = ["", f"## {entry['name']}", "", f"**{entry['title']}**: {_verdict(entry['holds'])}.", ""]
    for head, text in (
        ("Hypothesis", entry["hypothesis"]),
        ("Model", entry["model"]),
        ("Parameters", parameters),
        ("Source", entry["source"]),
    ):
        lines.append(f"- {head}: {' '.join(text.split())}")
    for table in entry["tables"]:
        lines += ["", f"*{table['title']}*", ""]
        lines += _grid(table["columns"], [[shown(value) for value in row] for row in table["rows"]])
        if table["note"]:
            lines += ["", table["note"]]
    if entry["claims"]:
        lines += [
            "",
            *_grid(["claim", "kind", "measured", "wanted", "verdict", "where from"], map(_claim, entry["claims"])),
        ]
    if entry["limits"]:
        lines += ["", "Where it stops holding:", "", *(f"- {' '.join(text.split())}" for text in entry["limits"])]
    return lines


def _claim(claim: dict[str, Any]) -> list[str]:
    requirement = f" ({claim['requirement']})" if claim["requirement"] else ""
    measured = f"{shown(claim['measured'])} {claim['unit']}".rstrip()
    return [
        f"{claim['text']}{requirement}", claim["kind"], measured, claim["wanted"], _verdict(claim["holds"]), claim["where"],
    ]  # fmt: skip


def _grid(columns: Sequence[str], rows: Any) -> list[str]:
    lines = [[str(column) for column in columns], ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]


def shown(value: Value) -> str:
    """A cell: whole numbers whole, others to three significant digits and no less than their whole part."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return value
