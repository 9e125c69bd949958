"""budwood token: what people and programs show at the door of a server."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import minute_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import TokenRecord

DAY_S = 86_400

app = typer.Typer(
    rich_markup_mode=None,
    help="Tokens: your own, or anybody's if you are an admin.",
    epilog=examples("budwood token make laptop", "budwood token list"),
)

Person = Annotated[str, typer.Option(metavar="NAME", help="Whose; by default your own.")]


@app.command(
    cls=Command,
    epilog=examples(
        "budwood token make laptop",
        "budwood token make ci --person nightly-ci --scope risk:push --scope risk:read --days 90",
    ),
)
def make(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for: laptop, ci.")],
    person: Person = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What it may do: push, risk:read, ... Repeatable; none: all you may."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="For how long it is good.")] = 90,
    json: Json = False,
) -> None:
    """Make a token. It is shown this once; the registry keeps only its SHA-256.

    A scope is read, push, review, release, remove, manage, hold, lift, serve or administer, or one of these in one
    namespace: risk:push. A token with scopes cannot make others.
    """
    with opened(ctx) as registry:
        issued = registry.admin.tokens.make(name, person=person, scopes=scope or None, good_s=days * DAY_S)
    answer(issued, lambda screen: screen.line(issued.secret), json=json)
    if not json:
        record = issued.record
        note(f"{record.id} is {record.principal}'s until {minute_text(record.expires_ms)}. It is not shown again.")


@app.command("list", cls=Command, epilog=examples("budwood token list", "budwood token list --person nightly-ci"))
def list_(ctx: typer.Context, person: Person = "", json: Json = False) -> None:
    """List tokens, newest first, without their secrets."""
    with opened(ctx) as registry:
        tokens = registry.admin.tokens.list(person)
    answer({"tokens": tokens}, lambda screen: draw_tokens(screen, tokens), json=json)


@app.command(cls=Command, epilog=examples("budwood token revoke 5f0c2a1be7d94a36"))
def revoke(
    ctx: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="As 'budwood token list' shows it.")],
    json: Json = False,
) -> None:
    """Revoke a token: from this moment on it opens nothing."""
    with opened(ctx) as registry:
        revoked = registry.admin.tokens.revoke(token)
    answer(revoked, lambda screen: draw_tokens(screen, [revoked]), json=json)


def draw_tokens(screen: Screen, tokens: "Sequence[TokenRecord]") -> None:
    columns = (
        Column("id"),
        Column("name", style="bold"),
        Column("of"),
        Column("may", elastic=True),
        Column("until", style="dim"),
        Column("used", style="dim", spare=True),
    )
    rows = [
        (
            token.id,
            token.name,
            token.principal,
            "all" if token.scopes is None else ", ".join(token.scopes),
            "revoked" if token.revoked_ms else (minute_text(token.expires_ms) if token.expires_ms else "for ever"),
            screen.moment(token.used_ms) if token.used_ms else "never",
        )
        for token in tokens
    ]
    screen.table(columns, rows) if rows else screen.line("There are no tokens: budwood token make NAME")
