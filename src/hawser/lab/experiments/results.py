"""Results: what experiments have found, as plain data for a file and for other programs.

    {"hawser": version, "experiments": [{
        "name", "title", "hypothesis", "model", "parameters", "source", "requirements", "holds",
        "tables": [{"title", "columns", "rows", "note"}],
        "claims": [{"text", "kind", "measured", "wanted", "holds", "where", "requirement", "unit"}],
        "limits": [text],
        "curves": [{"title", "x_label", "y_label", "kind", "series": [{"name", "xs", "ys", "lows", "highs"}],
                    "spans": [{"start", "end", "text"}], "log_x", "log_y"}],
        "records": [{column: value}]}]}

`lows` and `highs` are null where there is no interval.
"""

from dataclasses import asdict
from typing import Any, Final

import hawser
from hawser.lab.experiments.base import Claim, Experiment, Findings

FILE_NAME: Final = "results.json"


def as_data(experiment: Experiment, findings: Findings) -> dict[str, Any]:
    """One experiment's entry."""
    return {
        "name": experiment.name,
        "title": experiment.title,
        "hypothesis": experiment.hypothesis,
        "model": experiment.model,
        "parameters": dict(experiment.parameters),
        "source": experiment.source,
        "requirements": list(experiment.requirements),
        "holds": findings.holds(),
        "tables": [asdict(table) for table in findings.tables],
        "claims": [_claim(claim) for claim in findings.claims],
        "limits": list(findings.limits),
        "curves": [asdict(curve) for curve in findings.curves],
        "records": findings.records,
    }


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


def whole(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The file."""
    return {"hawser": hawser.__version__, "experiments": entries}
