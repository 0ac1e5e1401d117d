"""Figures: everything that a curve says is in them, by day and by night, and the same curve gives the same bytes."""

import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from math import inf, nan
from typing import Any

import msgspec
import pytest
from tests.support import results_samples as samples

from hawser.lab.experiments.base import BAR, Curve, Series, Span
from hawser.lab.report.colours import Colours
from hawser.lab.report.results import CurveResult

pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")

from hawser.lab.report.figures import Drawn, draw_curve
from hawser.lab.report.plot import WIDTH, plot

SVG = "{http://www.w3.org/2000/svg}"
KINDS = {
    "gray": samples.gray_latency, "throughput": samples.throughput, "shares": samples.shares, "sweep": samples.sweep,
    "flat": samples.selectors_flat, "percentiles": samples.percentiles, "sizes": samples.sizes,
}  # fmt: skip


def curve_of(data: dict[str, Any]) -> Curve:
    return msgspec.convert(data, CurveResult).curve()


@cache
def drawn_of(name: str) -> Drawn:
    return draw_curve(curve_of(KINDS[name]()), "x-0")


def points(line: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in line.get_xydata()]


def words(svg: str) -> list[str]:
    return ["".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", KINDS)
def test_a_figure_says_what_its_curve_says(name: str):
    data = KINDS[name]()
    drawn = drawn_of(name)
    assert list(drawn.files) == [".svg", ".png", "-dark.svg", "-dark.png"]
    assert drawn.files[".png"].startswith(b"\x89PNG")
    assert drawn.files[".png"] != drawn.files["-dark.png"]
    for suffix, dark in ((".svg", False), ("-dark.svg", True)):
        svg = drawn.files[suffix].decode()
        found = words(svg)
        for word in (data["title"], data["x_label"], data["y_label"], *(span["text"] for span in data["spans"])):
            assert word in found, (word, found)
        for place, series in enumerate(data["series"]):
            assert series["name"] in found
            assert Colours(dark).of_series(place) in svg
            assert Colours(not dark).of_series(place) not in svg


@pytest.mark.parametrize("name", [*KINDS, "many spans", "a long title", "64 paths", "nothing known"])
def test_no_words_lie_on_others_or_leave_the_figure(name: str):
    figure = plot(curve_of(KINDS[name]()) if name in KINDS else ODD[name])
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    axes = figure.axes[0]
    seen = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        seen += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    texts = [text for text in [*figure.texts, *axes.texts, *seen] if text.get_text() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent(renderer).padded(-2.0)) for text in texts]
    assert len(boxes) > 5
    for number, (one, box) in enumerate(boxes):
        assert box.x0 >= 0, one
        assert box.x1 <= WIDTH * figure.dpi, one
        for other, other_box in boxes[number + 1 :]:
            assert not box.overlaps(other_box), (one, other)


def test_the_same_curve_gives_the_same_bytes_whatever_the_readers_settings():
    import matplotlib

    curve = curve_of(samples.shares())
    kept = drawn_of("shares")
    with matplotlib.rc_context(
        {"font.size": 30, "axes.facecolor": "pink", "lines.linewidth": 9, "svg.fonttype": "path"}
    ):
        assert draw_curve(curve, "x-0") == kept


def test_nothing_in_a_file_names_a_date_or_a_version():
    files = drawn_of("sizes").files
    assert b"matplotlib.org" not in files[".svg"] + files[".png"]
    assert b"<metadata>" not in files[".svg"]
    assert b"Software" not in files[".png"]


def test_in_a_page_colours_are_variables_and_identifiers_its_own():
    curve = curve_of(samples.gray_latency())
    one, other = drawn_of("gray").inline, draw_curve(curve, "other").inline
    for inline in (one, other):
        ElementTree.fromstring(inline)
        assert re.findall(r"#[0-9a-f]{6}\b", inline) == []
        assert "http" not in inline.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "var(--s3)" in inline
        assert "var(--step)" in inline
    ids = [re.findall(r'\bid="([^"]+)"', inline) for inline in (one, other)]
    assert not {*ids[0]} & {*ids[1]}
    for inline, own in zip((one, other), ids, strict=True):
        assert len({*own}) == len(own)
        assert {*re.findall(r'(?:url\(|href=")#([^)"]+)', inline)} <= {*own}


def test_in_a_page_the_title_is_left_to_the_caption():
    curve = curve_of(samples.gray_latency())
    drawn = drawn_of("gray")
    assert curve.title not in words(drawn.inline)
    whole = words(drawn.files[".svg"].decode())
    assert sorted([*words(drawn.inline), curve.title]) == sorted(whole)
    label = ElementTree.fromstring(drawn.inline).attrib["aria-label"]
    assert label.startswith("Latency over time (p99): latency, p99 of each window, µs over time, s. of round-robin 0, ")
    assert "marked: p0: 5 % of commands 20 ms late." in label


def test_faults_are_marked_where_they_are():
    figure = plot(curve_of(samples.throughput()))
    axes = figure.axes[0]
    high = axes.get_xlim()[1]
    shaded = [patch.get_extents().transformed(axes.transData.inverted()) for patch in axes.patches]
    assert [(round(box.x0, 6), round(box.x1, 6)) for box in shaded] == [(3.0, round(high, 6))]
    edges = [points(line)[0][0] for line in axes.lines if len(points(line)) == 2]
    assert edges == [3.0, 3.4]


def test_a_gap_is_a_gap():
    axes = plot(curve_of(samples.throughput())).axes[0]
    line = next(line for line in axes.lines if len(points(line)) == 200)
    assert [number for number, (_, y) in enumerate(points(line)) if y != y] == list(range(88, 96))


def test_intervals_are_whiskers_of_few_points_and_bands_of_many():
    few = plot(curve_of(samples.sweep())).axes[0]
    assert len(few.containers) == 3
    many = Curve("t", "x", "y", [Series("s", list(range(50)), [2.0] * 50, [1.0] * 50, [3.0] * 50)])
    axes = plot(many).axes[0]
    assert len(axes.containers) == 0
    assert len(axes.collections) == 1


def test_axes_are_logarithmic_where_asked():
    axes = plot(curve_of(samples.sweep())).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert list(axes.xaxis.get_majorticklocs()) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert plot(curve_of(samples.shares())).axes[0].get_ylim()[0] == 0


def line(ys: list[float], xs: list[Any] | None = None, **more: Any) -> Curve:
    return Curve("t", "x", "y", [Series("s", xs or list(range(len(ys))), ys)], **more)


ODD = {
    "no series": Curve("t", "x", "y", []),
    "no points": Curve("t", "x", "y", [Series("s", [], [])]),
    "no bars": Curve("t", "x", "y", [], kind=BAR),
    "one point": line([3.0]),
    "one point, logarithmic": line([3.0], [4], log_x=True, log_y=True),
    "nothing known": line([nan, nan], log_y=True),
    "all the same": line([5.0, 5.0, 5.0]),
    "all zero": line([0.0, 0.0]),
    "below zero": line([-3.0, -1.0]),
    "infinite": line([1.0, inf, 2.0]),
    "names on a line": line([1.0, 2.0], ["a", "b"]),
    "a span without numbers": line([1.0, 2.0], ["a", "b"], spans=[Span(0, 1, "nowhere")]),
    "a span beyond": line([1.0, 2.0], spans=[Span(7, 9, "too late")]),
    "many spans": line([1.0, 2.0], spans=[Span(0.5, 0.6, f"the {n}th of many faults") for n in range(12)]),
    "dollars": Curve("$5 and $x_{", "$", "$y", [Series("$\\frac{", [1, 2], [1.0, 2.0]), Series("_", [1], [1.0])]),
    "other letters": Curve("延迟 \N{SNOWMAN}", "", "", [Series("ряд", [1, 2], [1.0, 2.0])]),
    "a long title": Curve("word " * 60, "x " * 90, "y " * 90, [Series("n" * 90, [1, 2], [1.0, 2.0])]),
    "many series": Curve("t", "x", "y", [Series(f"series {n}", [1, 2], [n, n + 1.0]) for n in range(24)]),
    "64 paths": Curve("t", "path", "%", [Series("s", [f"p{n}" for n in range(64)], [1.5] * 64)], kind=BAR),
    "logarithmic bars": Curve("t", "x", "y", [Series("s", ["a", "b", "c"], [0.0, 3.0, 4000.0])], kind=BAR, log_y=True),
    "bars of unlike lengths": Curve("t", "", "", [Series("a", ["x"], [1.0]), Series("b", ["y", "x"], [2.0, nan])], kind=BAR),
    "an interval below zero": Curve("t", "", "", [Series("s", [1, 2], [1.0, 2.0], [-4.0, nan], [3.0, 4.0])], log_y=True),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_whatever_an_experiment_says_can_be_drawn(name: str):
    figure = plot(ODD[name], dark=len(name) % 2 == 0)
    assert len(figure.axes) == 1


@pytest.mark.parametrize("name", ["nothing known", "dollars", "other letters"])
def test_drawn_whole_where_drawing_could_fail(name: str):
    ElementTree.fromstring(draw_curve(ODD[name], "x").inline)


def test_of_more_faults_than_have_room_that_is_said():
    found = [text.get_text() for text in plot(ODD["many spans"]).texts]
    assert [text for text in found if "many faults" in text] == [f"the {n}th of many faults" for n in range(5)]
    assert "and 7 more" in found


def test_bars_of_one_colour_are_hatched_differently():
    curve = Curve("t", "x", "y", [Series(f"series {n}", ["a"], [1.0]) for n in range(16)], kind=BAR)
    looks = [(str(bar.get_facecolor()), bar.get_hatch() or "") for bar in plot(curve).axes[0].patches]
    assert len({*looks}) == len(looks) == 16
    ElementTree.fromstring(draw_curve(curve, "x").inline)


def test_where_nothing_was_measured_that_is_said():
    assert "nothing was measured" in [text.get_text() for text in plot(ODD["nothing known"]).axes[0].texts]
    assert not plot(ODD["all zero"]).axes[0].texts


def test_what_a_logarithmic_axis_hides_is_said():
    svg = draw_curve(line([0.0, 10.0, 0.0, 20.0], log_y=True), "x").files[".svg"].decode()
    assert "2 points are not positive, and not on a logarithmic axis." in words(svg)
