"""budwood search: versions of any model that match a filter."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import size_text
from budwood.domain.query_parser import FILTER_HELP

if TYPE_CHECKING:
    from budwood.domain.records import VersionRecord

HELP = "Search versions of all models.\n\n" + "\n\n".join(f"\b\n{part}" for part in FILTER_HELP.strip().split("\n\n"))
EPILOG = examples(
    "budwood search encoder",
    'budwood search "stage = production and metrics.accuracy >= 0.9"',
    'budwood search "created > 7d ago order by size desc" --limit 10',
)


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="FILTER", help="What they must be; nothing means all.")] = "",
    limit: Limit = 100,
    cursor: Annotated[str, typer.Option(metavar="TEXT", help="Go on where the last page ended.")] = "",
    json: Json = False,
) -> None:
    """Search versions of all models."""
    with opened(ctx) as registry:
        page = registry.search(text, cursor=cursor, limit=limit)
    versions = [version.record for version in page.versions]
    answer({"versions": versions, "cursor": page.cursor}, lambda screen: draw_versions(screen, versions), json=json)
    if page.cursor and not json:
        note(f"There are more: repeat with --cursor {page.cursor}")


def draw_versions(screen: Screen, versions: "Iterable[VersionRecord]") -> None:
    rows = [
        (
            version.reference,
            f"v{version.number}",
            version.kind.value,
            standing(version),
            size_text(version.size_bytes),
            screen.moment(version.created_ms),
            version.author,
            subject(version),
        )
        for version in versions
    ]
    if not rows:
        screen.line("No version matches.")
        return
    columns = (
        Column("version", style="bold"),
        Column("number", right=True, spare=True),
        Column("kind", style="dim", spare=True),
        Column("stage"),
        Column("size", right=True),
        Column("pushed", style="dim"),
        Column("author", elastic=True, spare=True),
        Column("message", elastic=True),
    )
    screen.table(columns, rows)


def standing(version: "VersionRecord") -> str:
    """Its stage, and whether it is retired."""
    return f"{version.stage.value}, retired" if version.retired_ms else version.stage.value


def subject(version: "VersionRecord") -> str:
    """The first line of its message."""
    return version.message.strip().partition("\n")[0]
