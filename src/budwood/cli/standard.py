"""budwood standard: which facts a namespace asks of its versions, and where its lineage may lead."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.domain.limits import STANDARD_BYTES
from budwood.errors import SourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.standard import StandardRecord

app = typer.Typer(
    rich_markup_mode=None,
    help="Metadata standards: the facts a namespace asks for, stage by stage.",
    epilog=examples("budwood standard set risk standard.yaml", "budwood standard show risk"),
)

Room = Annotated[str, typer.Argument(metavar="NAMESPACE", help="Where it holds.")]


@app.command(
    "set",
    cls=Command,
    epilog=examples("budwood standard set risk standard.yaml", "budwood standard set risk - < standard.yaml"),
)
def set_(
    ctx: typer.Context,
    namespace: Room,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML document; - reads standard input.")],
    json: Json = False,
) -> None:
    """Put a standard in force. From then on pushes and stages are judged by it; set again, it is a new edition."""
    text = sys.stdin.read(STANDARD_BYTES + 1) if file == "-" else _text(Path(file))
    with opened(ctx) as registry:
        record = registry.standards.set(namespace, text)
    answer(record, lambda screen: draw_standards(screen, [record]), json=json)


@app.command(cls=Command, epilog=examples("budwood standard show risk", "budwood standard show risk --json"))
def show(ctx: typer.Context, namespace: Room, json: Json = False) -> None:
    """Print the standard in force as it was written, and list its editions."""
    with opened(ctx) as registry:
        editions = registry.standards.show(namespace)
    answer({"editions": editions}, lambda screen: _draw_editions(screen, namespace, editions), json=json)


@app.command(cls=Command, epilog=examples("budwood standard remove risk"))
def remove(ctx: typer.Context, namespace: Room, json: Json = False) -> None:
    """Let a namespace ask for nothing any more. The editions stay, and the ledger says who did it."""
    with opened(ctx) as registry:
        removed = registry.standards.remove(namespace)
    answer(removed, lambda screen: screen.line(f"{namespace} asks for nothing any more."), json=json)


def draw_standards(screen: Screen, records: "Sequence[StandardRecord]") -> None:
    columns = (
        Column("namespace", style="bold"),
        Column("edition", right=True),
        Column("digest"),
        Column("by", elastic=True),
        Column("set", style="dim"),
        Column("removed", style="dim"),
    )
    rows = [
        (
            each.namespace,
            str(each.number),
            each.digest[:12],
            each.author,
            screen.moment(each.created_ms),
            screen.moment(each.removed_ms) if each.removed_ms else "",
        )
        for each in records
    ]
    screen.table(columns, rows)


def _draw_editions(screen: Screen, namespace: str, editions: "Sequence[StandardRecord]") -> None:
    if not editions or editions[0].removed_ms:
        screen.line(f"{namespace} asks for nothing, and lets no lineage cross its border.")
    else:
        screen.lines(editions[0].text)
    if editions:
        screen.line()
        draw_standards(screen, editions)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(STANDARD_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
