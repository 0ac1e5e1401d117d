"""results.json: experiments and what they found, as plain data for reports and other programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hawser import __version__
from hawser.lab.experiments.base import Claim, Curve, Experiment, Findings, Table


def results(found: Sequence[tuple[Experiment, Findings]]) -> dict[str, Any]:
    """All of it, in the order given."""
    return {"hawser": __version__, "experiments": [_plain(experiment, findings) for experiment, findings in found]}


def to_text(data: dict[str, Any]) -> str:
    """As the file has it."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(experiment: Experiment, findings: Findings) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "title": experiment.title,
        "hypothesis": experiment.hypothesis,
        "model": experiment.model,
        "parameters": dict(experiment.parameters),
        "source": experiment.source,
        "requirements": list(experiment.requirements),
        "tables": [_table(table) for table in findings.tables],
        "claims": [_claim(claim) for claim in findings.claims],
        "limits": findings.limits,
        "curves": [_curve(curve) for curve in findings.curves],
        "records": findings.records,
    }


def _table(table: Table) -> dict[str, Any]:
    rows = [list(row) for row in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows, "note": table.note}


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "text": claim.text,
        "kind": claim.kind,
        "measured": claim.measured,
        "wanted": claim.wanted(),
        "holds": claim.holds(),
        "where": claim.where,
        "requirement": claim.requirement,
        "unit": claim.unit,
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(curve).items()}
