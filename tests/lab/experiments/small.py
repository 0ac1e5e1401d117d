"""Experiments made small: the same claims of fewer I/Os and shorter sweeps."""

from hawser.lab.experiments.base import Claim, Experiment, Findings


def found_by(experiment: Experiment, **changed: object) -> Findings:
    """What it finds with these of its attributes changed; each of them has to be one."""
    for name, value in changed.items():
        assert hasattr(experiment, name)
        setattr(experiment, name, value)
    parts: list[float] = []
    findings = experiment.run(lambda part, what: parts.append(part))
    assert parts == sorted(parts)
    assert findings.tables and findings.claims and findings.limits and findings.curves and findings.records
    assert {claim.requirement for claim in findings.claims} - {""} == set(experiment.requirements)
    assert all(name in experiment.parameters for name in ("k", "d", "P"))
    return findings


def failed(findings: Findings) -> list[Claim]:
    return [claim for claim in findings.claims if not claim.holds()]
