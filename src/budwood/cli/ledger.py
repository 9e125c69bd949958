"""budwood ledger: every change of state, oldest first."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from budwood.domain.records import LedgerEntry

EPILOG = examples("budwood ledger", "budwood ledger --subject encoder@1.2.0", "budwood ledger --after 100 --json")


def ledger(
    ctx: typer.Context,
    limit: Limit = 100,
    after: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Only entries behind this one.")] = 0,
    subject: Annotated[str, typer.Option(metavar="TEXT", help="Only entries about this.")] = "",
    json: Json = False,
) -> None:
    """Show every change of state, oldest first."""
    with opened(ctx) as registry:
        entries = registry.ledger(after=after, limit=limit, subject=subject)
    last = entries[-1].sequence if len(entries) == limit else 0
    answer({"entries": entries, "after": last}, lambda screen: draw_entries(screen, entries), json=json)
    if last and not json:
        note(f"There may be more: budwood ledger --after {last}")


def draw_entries(screen: Screen, entries: "Sequence[LedgerEntry]") -> None:
    if not entries:
        screen.line("Nothing is written there.")
        return
    columns = (
        Column("", right=True, style="dim"),
        Column("when", style="dim"),
        Column("who", elastic=True, spare=True),
        Column("what", style="bold"),
        Column("about"),
        Column("with", elastic=True, style="dim"),
    )
    rows = [(str(e.sequence), screen.moment(e.at_ms), e.actor, e.action, e.subject, _body(e)) for e in entries]
    screen.table(columns, rows)


def _body(entry: "LedgerEntry") -> str:
    """What it says, without what it says nothing about."""
    return ", ".join(f"{key} {_value(value)}" for key, value in sorted(entry.body.items()) if value or value is False)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={each}" for key, each in value.items())
    return " ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
