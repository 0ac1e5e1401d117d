"""The page: everything that a result says is in it, what fails is impossible to overlook, and it needs no other file."""

import re
from typing import Any

import msgspec
import pytest
from tests.support import results_samples as samples
from tests.support.html_tree import Element, parse

from hawser.lab.report.colours import Colours
from hawser.lab.report.entries import make_entries
from hawser.lab.report.page import KIND_WORDS, page
from hawser.lab.report.results import ExperimentResult, Results


def results_of(*experiments: dict[str, Any]) -> Results:
    return Results(["0.1.0"], [msgspec.convert(one, ExperimentResult) for one in experiments])


def html_of(*experiments: dict[str, Any]) -> str:
    """Without drawings, which are made elsewhere."""
    results = results_of(*experiments)
    return page(results, make_entries(results))


def page_of(*experiments: dict[str, Any]) -> Element:
    return parse(html_of(*experiments))


def cells(row: Element) -> list[str]:
    return [one.text() for one in row.children if isinstance(one, Element)]


BOTH = (samples.gray_failure(), samples.modes())


def test_the_overview_names_every_experiment():
    rows = page_of(*BOTH).one("table", cls="overview").one("tbody").all("tr")
    assert [cells(row) for row in rows] == [
        ["gray-failure", BOTH[0]["title"], "✓ holds", "2 of 2 hold (1 predicted, 1 derived)", "S1-B1 L-9"],
        ["modes", BOTH[1]["title"], "✗ DOES NOT HOLD", "1 of 2 hold (1 fitted, 1 predicted)", ""],
    ]
    assert [row.attributes.get("class", "") for row in rows] == ["", "failing"]


def test_an_experiment_says_all_that_it_rests_on():
    article = page_of(*BOTH).one("article", id="gray-failure")
    text = article.text()
    data = BOTH[0]
    for said in (
        data["title"],
        data["hypothesis"],
        data["model"],
        *data["limits"],
        *data["requirements"],
    ):
        assert " ".join(said.split()) in text
    assert "Huang et al., Gray Failure (HotOS 2017), https://doi.org/10.1145/3102980.3103005 ; seeds.md, 1.6" in text
    names = [one.text() for one in article.one("dd", cls="parameters").all("div")]
    assert names == ["fixed_us 100", "mb_per_s 400", "P 4", "d 32", "k 0.91", "mode rq", "hedge no"]
    assert article.one("a", rel="noreferrer").attributes["href"] == "https://doi.org/10.1145/3102980.3103005"


def test_claims_have_kind_measured_wanted_and_verdict():
    rows = page_of(*BOTH).one("article", id="gray-failure").one("table", cls="claims").one("tbody").all("tr")
    assert cells(rows[0]) == [
        "✓ holds", "historical-service-time has the lowest p99", "derived", "4.04 times", "at least 2",
        "RFC of 2008, 4.2", "L-9",
    ]  # fmt: skip


def test_the_kinds_of_claims_are_explained_once():
    html = html_of(*BOTH)
    for kind, words in KIND_WORDS.items():
        assert html.count(f"<dt>{kind}</dt><dd>{words}</dd>") == 1


def test_what_fails_is_impossible_to_overlook():
    tree = page_of(*BOTH)
    assert tree.one("title").text().startswith("1 claim does not hold: ")
    alarm = tree.one("div", role="alert")
    assert alarm.one("strong").text() == "✗ 1 of 4 claims DOES NOT HOLD"
    assert alarm.one("li").text() == ("modes : bio-based sends 4 KiB commands: measured 92.1 % , wanted at least 95")
    assert alarm.one("a").attributes["href"] == "#modes"
    article = tree.one("article", id="modes")
    assert article.attributes["class"] == "failing"
    assert "✗ DOES NOT HOLD" in article.one("h2").text()
    rows = article.one("table", cls="claims").one("tbody").all("tr")
    assert [(row.attributes.get("class"), cells(row)[0]) for row in rows] == [
        ("failing", "✗ DOES NOT HOLD"),
        (None, "✓ holds"),
    ]
    assert "class" not in tree.one("article", id="gray-failure").attributes


def test_where_all_holds_there_is_no_alarm():
    html = html_of(samples.gray_failure())
    assert parse(html).one("div", cls="sum").text() == "All 2 claims of 1 experiment hold."
    assert "NOT HOLD" not in html
    assert 'role="alert"' not in html
    assert page_of(samples.experiment("x")).one("div", cls="sum").text() == "1 experiment, no claim."


def test_tables_keep_their_numbers():
    article = page_of(*BOTH).one("article", id="gray-failure")
    found = next(one for one in article.all("table") if one.all("caption"))
    assert found.one("caption").text() == "Latency while the fault lasts, µs"
    rows = [cells(row) for row in found.one("tbody").all("tr")]
    assert rows[0] == ["round-robin 0", "512.2", "21,400", "24,018", "25.0", "162,000"]
    assert [one.attributes.get("class") for one in found.one("thead").all("th")] == [None] + ["number"] * 5
    assert "Means of 8 seeds." in article.text()


def test_a_figure_has_its_numbers():
    figures = page_of(*BOTH).one("article", id="gray-failure").all("figure")
    assert [len(figure.all("details")) for figure in figures] == [0, 0, 1, 1]  # not those of a course
    table = figures[2].one("details").one("table")
    heads = [one.text() for one in table.one("thead").all("th")]
    assert heads == ["path", *(word for name in samples.SELECTORS for word in (name, "95 %"))]
    assert cells(table.one("tbody").all("tr")[0])[:5] == ["p0", "25", "24.25 to 25.75", "9.1", "8.827 to 9.373"]


def test_records_are_shown_in_part_and_said_to_be():
    details = page_of(*BOTH).one("article", id="gray-failure").all("details")[-1]
    assert details.one("summary").text() == "32 records, of which these are the first 20"
    assert len(details.one("tbody").all("tr")) == 20
    assert details.one("a").attributes["href"] == "records/gray-failure.parquet"


def test_the_page_needs_no_other_file():
    html = html_of(*BOTH)
    tree = parse(html)
    outside = [url for url in re.findall(r"https?:[^\s\"'<>]*", html) if "doi.org" not in url]
    assert outside == []
    assert (
        tree.one("meta", **{"http-equiv": "Content-Security-Policy"})
        .attributes["content"]
        .startswith("default-src 'none'")
    )
    assert "url(" not in html
    assert "@import" not in html
    assert not [one for one in tree.all() if "src" in one.attributes or one.name in ("link", "iframe", "object", "img")]
    own = [one.attributes["id"] for one in tree.all() if "id" in one.attributes]
    assert len({*own}) == len(own)
    for link in tree.all("a"):
        target = link.attributes["href"]
        assert target.startswith(("figures/", "records/", "https://doi.org/")) or target[1:] in own, target


def test_nothing_that_a_result_says_is_markup():
    evil = '<script>alert("1")</script>&amp;'
    table = {"title": evil, "columns": [evil], "rows": [[evil]], "note": evil}
    tree = page_of(
        samples.experiment(
            evil, title=evil, hypothesis=evil, model=evil, source=f"http://x/{evil}", parameters={evil: evil}, limits=[evil],
            requirements=[evil], tables=[table], records=[{evil: evil}],
            claims=[samples.claim(evil, 1.0, evil, False, where=evil, requirement=evil, unit=evil)],
        )
    )  # fmt: skip
    assert len(tree.all("script")) == 1
    assert tree.text().count(evil) >= 15
    assert tree.one("article").attributes["id"] == "script-alert-1-script-amp"


def test_experiments_of_one_name_have_places_of_their_own():
    tree = page_of(samples.experiment("Same name"), samples.experiment("same-name"), samples.experiment("???"))
    assert [one.attributes["id"] for one in tree.all("article")] == ["same-name", "same-name-2", "unnamed"]


def test_both_themes_are_there_and_paper_is_light():
    style = page_of(*BOTH).one("style").text()
    light, dark = Colours(dark=False).roles(), Colours(dark=True).roles()
    assert "@media (prefers-color-scheme:dark)" in style
    assert ":root[data-theme=dark]" in style
    for name in light:
        assert style.count(f"--{name}:{light[name]};") == 2  # by day, and on paper
        assert style.count(f"--{name}:{dark[name]};") == 2  # the reader's system's night, and the switch's
    paper = style[style.index("@media print") :]
    assert f"--paper:{light['paper']};" in paper
    used = {*re.findall(r"var\(--([a-z0-9]+)\)", style)}
    assert used <= {*light}


def test_the_theme_can_be_switched():
    tree = page_of(*BOTH)
    inputs = tree.one("fieldset", cls="themes").all("input")
    assert [one.attributes["value"] for one in inputs] == ["auto", "light", "dark"]
    assert "prefers" not in tree.one("script").text()


@pytest.mark.parametrize("measured", [None, 0.0, -1.5])
def test_a_claim_may_have_measured_nothing(measured: float | None):
    article = page_of(samples.experiment("x", claims=[samples.claim("c", measured, "1", False)])).one("article")  # type: ignore[arg-type]
    assert {None: "-", 0.0: "0", -1.5: "-1.5"}[measured] == cells(article.one("table", cls="claims").all("tr")[1])[3]
