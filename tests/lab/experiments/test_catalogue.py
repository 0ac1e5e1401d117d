"""The catalogue, and docs/experiments.md, which is made of it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hawser.build_info import build_kind
from hawser.cli.main import main
from hawser.lab.experiments.catalogue import NAMES, find_experiments
from hawser.lab.experiments.page import shown

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "experiments.md"
REQUIREMENTS = (DOCS / "requirements.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_is_on_the_page_as_it_is(name: str):
    (experiment,) = find_experiments(name)
    assert experiment.name == name
    section = PAGE.read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert f"**{experiment.title}**" in section
    parameters = ", ".join(f"{key} {shown(value)}" for key, value in experiment.parameters.items())
    for text in (experiment.hypothesis, experiment.model, experiment.source, parameters):
        assert " ".join(text.split()) in section


@pytest.mark.parametrize("name", NAMES)
def test_each_answers_for_requirements_that_there_are(name: str):
    (experiment,) = find_experiments(name)
    for requirement in experiment.requirements:
        assert f"| {requirement} |" in REQUIREMENTS


def test_requirements_name_experiments_that_there_are():
    named = re.findall(r"`hawser lab run ([a-z0-9-]+)`", REQUIREMENTS)
    assert len(named) > 8
    assert set(named) <= set(NAMES)


def test_the_readme_says_how_many_claims_hold():
    """What does not makes the exit status of `--all`: who joins the next command to it has to know."""
    found = re.findall(r"^\| \[([a-z0-9-]+)\]\(.*\| (\d+) of (\d+) \|", PAGE.read_text(), re.MULTILINE)
    claims, held = (sum(int(row[place]) for row in found) for place in (2, 1))
    readme = " ".join((DOCS.parent / "README.md").read_text().split())
    assert f"Of the {claims} claims of all experiments {held} hold" in readme
    for name, holds, all_of_them in found:
        assert (f"of `{name}`" in readme) == (holds != all_of_them), name


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.skipif(build_kind() != "compiled", reason="takes half an hour interpreted")
def test_the_page_is_what_they_find(tmp_path: Path):
    made = tmp_path / "experiments.md"
    CliRunner().invoke(main, ["lab", "run", "--all", "--page", str(made)])
    assert made.read_text() == PAGE.read_text()
