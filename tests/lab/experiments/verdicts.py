"""Which claims of an experiment hold, by a word of their text."""

from hawser.lab.experiments.base import Claim, Experiment, Findings


def whole(experiment: Experiment) -> Findings:
    """What it finds; everything that a report needs is there, and progress goes forward."""
    parts: list[float] = []
    findings = experiment.run(lambda part, what: parts.append(part))
    assert parts == sorted(parts)
    assert findings.tables and findings.claims and findings.curves and findings.records
    assert {claim.requirement for claim in findings.claims} - {""} == set(experiment.requirements)
    assert {"P", "d", "k"} <= set(experiment.parameters)
    return findings


def wrong(findings: Findings) -> list[Claim]:
    """Those that do not hold."""
    return [claim for claim in findings.claims if not claim.holds()]


def texts(claims: list[Claim], word: str = "") -> list[str]:
    """Of those that have this word in them."""
    return [claim.text for claim in claims if word in claim.text]
