"""Figures of a report: each curve as SVG and PNG, by day and by night, and as a part of a page that follows the page's theme.

The same curve gives the same bytes: no date, no version of anything, identifiers from a salt.
"""

import html
import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hawser.lab.experiments.base import Curve
from hawser.lab.report.colours import Colours
from hawser.lab.report.plot import DPI, FIGURE_SETTINGS, plot, title_height

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS_PER_INCH: Final = 72

_OPENING: Final = re.compile(r"<svg\b[^>]*>")
_VIEW: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
# What is of no use inside a page: the title (it is in the caption), words about the file, a style for every element of the page.
_LEFT_OUT: Final = re.compile(
    r'<g id="title\d+">.*?</g>|<metadata>.*?</metadata>|<style\b.*?</style>|<!--.*?-->|<defs>\s*</defs>', re.DOTALL
)
_ID: Final = re.compile(r'(\bid="|\burl\(#|href="#)')
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}\b")
_BLANK: Final = re.compile(r"\s*\n\s*")


@dataclass(frozen=True)
class Drawn:
    """`files`: the end of a file's name -> what is in it. `inline`: SVG for a page, whose colours are the page's variables."""

    files: dict[str, bytes]
    inline: str


def draw_curve(curve: Curve, prefix: str) -> Drawn:
    """`prefix` makes the identifiers of a page's drawings different. NoMatplotlibError."""
    files = {}
    inline = ""
    for dark, suffix in ((False, ""), (True, "-dark")):
        figure = plot(curve, dark)
        svg = _saved(figure, "svg")
        files[f"{suffix}.svg"] = svg
        files[f"{suffix}.png"] = _saved(figure, "png")
        if not dark:
            inline = _inline(svg.decode(), prefix, title_height(figure) * POINTS_PER_INCH, _told(curve))
    return Drawn(files, inline)


def _saved(figure: "Figure", form: str) -> bytes:
    import matplotlib

    # Whatever is None is not written.
    words = {"svg": ("Date", "Creator", "Format", "Type"), "png": ("Software",)}[form]
    file = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(FIGURE_SETTINGS)
        figure.savefig(file, format=form, dpi=DPI, facecolor=figure.get_facecolor(), metadata=dict.fromkeys(words))
    return file.getvalue()


def _inline(svg: str, prefix: str, above: float, told: str) -> str:
    """The drawing without its title, of which `above` points hold nothing else."""
    view = _VIEW.search(svg)
    assert view is not None, "matplotlib's SVG has a viewBox"
    width, height = float(view[1]), float(view[2])
    body = _LEFT_OUT.sub("", svg[svg.index("<svg") :])
    body = _ID.sub(lambda found: f"{found[1]}{prefix}-", body).replace("xlink:href", "href")
    names = {colour: name for name, colour in Colours(dark=False).roles().items()}
    body = _COLOUR.sub(lambda found: f"var(--{names[found[0]]})" if found[0] in names else found[0], body)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {above:.2f} {width:g} {height - above:.2f}" '
        f'role="img" aria-label="{html.escape(told)}">'
    )
    return _BLANK.sub("\n", _OPENING.sub(lambda _: opening, body, count=1)).strip()


def _told(curve: Curve) -> str:
    """The figure for those who do not see it."""
    names = ", ".join(series.name for series in curve.series if series.name)
    faults = "; ".join(span.text for span in curve.spans)
    words = [
        f"{curve.title}: {curve.y_label} over {curve.x_label}",
        names and f"of {names}",
        faults and f"marked: {faults}",
    ]
    return ". ".join(word for word in words if word) + "."
