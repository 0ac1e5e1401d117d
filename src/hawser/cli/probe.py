"""`hawser probe`: try to disprove what is declared about a server, in a range that may be destroyed."""

import json
from dataclasses import asdict
from typing import Final

import click

from hawser.core.units import NS_PER_S, parse_seconds_ns
from hawser.paths.uri import PathUri, UriError, parse_path_uri
from hawser.service.probe.connection import ProbeError
from hawser.service.probe.facts import Fact
from hawser.service.probe.finding import Contradiction, Finding
from hawser.service.probe.run import URIS_MAX, Listener, Probe, Report
from hawser.service.probe.scratch import Scratch, parse_range

WATCH_MAX_NS: Final = 600 * NS_PER_S
# Behind a declared time so long is watched at least.
BEHIND_QUIESCE_NS: Final = 2 * NS_PER_S
_NAME_WIDTH: Final = 24
RESTORED: Final = "what was there is destroyed and not restored; nothing outside is written"


class _Printer(Listener):
    """Says it as it comes."""

    def __init__(self) -> None:
        self._heading = ""

    def facts(self, number: int, uri: PathUri, facts: list[Fact]) -> None:
        click.echo(f"URI {number + 1}: {uri.text}")
        for fact in facts:
            click.echo(f"  {fact.name:<{_NAME_WIDTH}}{fact.text}")
        click.echo()

    def scratch(self, scratch: Scratch) -> None:
        click.echo(f"scratch: {scratch.text()}: {RESTORED}")

    def finding(self, finding: Finding) -> None:
        heading = f"{finding.where}: {finding.about}"
        if heading != self._heading:
            self._heading = heading
            click.echo(f"\n{heading}")
        click.echo(f"  {finding.tried}")
        click.echo(f"    {finding.verdict}: {finding.evidence}")


class _Silent(Listener):
    """For --json, which says it all at the end."""

    def facts(self, number: int, uri: PathUri, facts: list[Fact]) -> None:
        pass

    def scratch(self, scratch: Scratch) -> None:
        pass

    def finding(self, finding: Finding) -> None:
        pass


@click.command()
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI2]")
@click.option(
    "--scratch",
    required=True,
    metavar="OFFSET:LENGTH",
    help="The range that is destroyed, such as 1G:64M. Nothing outside is written.",
)
@click.option(
    "--watch",
    default="5",
    show_default=True,
    metavar="SECONDS",
    help="Watch so long for late writes after each connection's end.",
)
@click.option(
    "--state-dir",
    default="",
    metavar="DIR",
    help="Refuse while a gateway has this state directory, and keep it out meanwhile.",
)
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON, at the end.")
def probe(uris: tuple[str, ...], scratch: str, watch: str, state_dir: str, as_json: bool) -> None:
    """Try to disprove what is declared about a server: eof=drains, quiesce=SECONDS, cache=lun|none, its block sizes.

    With a second URI, the path by another server to the same disk, what one has written is read through the other. No declaration
    is ever proved: a slow write below the server, say, cannot be arranged from outside; what could not be tested is said.

    Exit status: 0; 1 if what a URI declares, or what hawser relies on in the server's own words, is disproved; 2 if nothing was
    tested.
    """
    try:
        parsed = _parse_uris(uris)
        place = _parse_range(scratch)
        work = Probe(parsed, place, _watch_s(watch, parsed), state_dir, _Silent() if as_json else _Printer())
        report = work.run()
    except (UriError, ProbeError) as error:
        raise _Unusable(str(error)) from None
    click.echo(as_text(report) if not as_json else json.dumps(as_data(report), indent=2))
    raise SystemExit(report.status())


class _Unusable(click.ClickException):
    exit_code = 2


def _parse_uris(texts: tuple[str, ...]) -> list[PathUri]:
    if len(texts) > URIS_MAX:
        raise click.UsageError(f"{len(texts)} URIs: at most {URIS_MAX} are probed at once")
    if len(set(texts)) < len(texts):
        raise click.UsageError("both URIs are the same: one alone is probed through two connections")
    return [parse_path_uri(text) for text in texts]


def _parse_range(text: str) -> tuple[int, int]:
    try:
        return parse_range(text)
    except ValueError as error:
        raise click.UsageError(f"--scratch: {error}") from None


def _watch_s(text: str, uris: list[PathUri]) -> float:
    """At least as long as tells whether a declared time is too short."""
    try:
        watch_ns = parse_seconds_ns(text)
    except ValueError as error:
        raise click.UsageError(f"--watch: {error}") from None
    for uri in uris:
        if uri.quiesce_ns is not None:
            watch_ns = max(watch_ns, uri.quiesce_ns + BEHIND_QUIESCE_NS)
    if watch_ns > WATCH_MAX_NS:
        raise click.UsageError(
            f"--watch: {watch_ns // NS_PER_S} s with what is declared, at most {WATCH_MAX_NS // NS_PER_S}"
        )
    return watch_ns / NS_PER_S


def as_text(report: Report) -> str:
    """What it comes to."""
    found = report.contradicted()
    if not found:
        return "\nNothing was contradicted. That proves nothing: see what could not be tested."
    return "\n".join(["", "contradicted:", *(f"  {_line(against)}" for against in found)])


def _line(against: Contradiction) -> str:
    how = "DISPROVED" if against.declared else "would be false; it is not declared"
    return f"URI {against.uri + 1}: {against.option}: {how}"


def as_data(report: Report) -> dict[str, object]:
    """For --json."""
    assert report.scratch is not None
    facts = [{fact.name: fact.text for fact in of_one} for of_one in report.facts]
    return {
        "uris": [{"uri": uri.text, "facts": said} for uri, said in zip(report.uris, facts, strict=True)],
        "scratch": {"offset": report.scratch.start, "length": report.scratch.length, "restored": False},
        "tests": [asdict(finding) for finding in report.findings],
        "contradicted": [asdict(against) for against in report.contradicted()],
        "status": report.status(),
    }
