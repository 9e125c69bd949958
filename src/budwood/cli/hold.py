"""budwood hold: what nobody may delete or let go, until somebody else lifts it."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.retention import Hold

app = typer.Typer(
    rich_markup_mode=None,
    help="Legal holds: what is under one is neither deleted nor let go.",
    epilog=examples(
        "budwood hold place encoder --reason 'Claim of a customer' --reference LEG-2026-17",
        "budwood hold list",
        "budwood hold lift 1 --reason 'The claim was withdrawn'",
    ),
)

Number = Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="As 'budwood hold list' shows it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who judge it later.")]
Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Where it is.")]


@app.command(
    cls=Command,
    epilog=examples(
        "budwood hold place encoder@v3 --reason 'Claim of a customer' --reference LEG-2026-17",
        "budwood hold place --query 'stage = production' --reason 'Audit of 2026' --reference AUD-4",
        "budwood hold place --namespace risk --reason 'Audit of 2026' --reference AUD-4",
    ),
)
def place(
    ctx: typer.Context,
    scope: Annotated[
        str, typer.Argument(metavar="[MODEL|REF]", help="A model, with what comes later; or one version.")
    ] = "",
    reason: Reason = "",
    reference: Annotated[str, typer.Option("--reference", metavar="MATTER", help="The matter it belongs to.")] = "",
    query: Annotated[
        str, typer.Option("--query", metavar="FILTER", help="Everything that a search finds now, and nothing later.")
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAMESPACE", help="All of it, or of the query.")
    ] = "",
    json: Json = False,
) -> None:
    """Place a hold on a model, a version, what a search finds now, or a whole namespace."""
    named = {"version": scope} if "@" in scope else {"model": scope}
    with opened(ctx) as registry:
        placed = registry.holds.place(reason, reference, namespace=namespace, query=query, **named)
    answer(placed, lambda screen: draw_holds(screen, [placed]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood hold list", "budwood hold list --all --namespace risk"))
def list_(
    ctx: typer.Context,
    namespace: Place = "default",
    every: Annotated[bool, typer.Option("--all", help="Lifted ones, too.")] = False,
    before: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only those below this one.")] = 0,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List holds, newest first."""
    with opened(ctx) as registry:
        page = registry.holds.list(namespace, every=every, before=before, limit=limit)
    answer({"holds": page.holds, "before": page.cursor}, lambda screen: draw_holds(screen, page.holds), json=json)


@app.command(cls=Command, epilog=examples("budwood hold lift 1 --reason 'The claim was withdrawn'"))
def lift(
    ctx: typer.Context, number: Number, reason: Reason = "", namespace: Place = "default", json: Json = False
) -> None:
    """Lift a hold that somebody else placed. It takes the role of counsel; the ledger keeps both names."""
    with opened(ctx) as registry:
        lifted = registry.holds.lift(number, reason, namespace)
    text = f"Lifted hold {lifted.id} ({lifted.reference}) on {lifted.subject}."
    answer(lifted, lambda screen: screen.line(text), json=json)


def draw_holds(screen: Screen, holds: "Sequence[Hold]") -> None:
    columns = (
        Column("hold", right=True),
        Column("matter", style="bold"),
        Column("on"),
        Column("covers", elastic=True),
        Column("placed by"),
        Column("placed", style="dim"),
        Column("state"),
    )
    rows = [
        (
            str(each.id),
            each.reference,
            str(each.scope),
            each.subject + (f" ({each.versions} versions)" if each.versions > 1 else ""),
            each.author,
            screen.moment(each.placed_ms),
            f"lifted by {each.lifted_by}" if each.lifted_ms else "in force",
        )
        for each in holds
    ]
    screen.table(columns, rows) if rows else screen.line("Nothing is under a hold.")
