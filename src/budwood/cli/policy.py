"""budwood policy: what is asked for before a guarded stage or alias moves."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Model, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.errors import SourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.policy.records import PolicyRecord, Tiered

app = typer.Typer(
    rich_markup_mode=None,
    help="Policies: what must hold before production, or an alias, points at a version.",
    epilog=examples("budwood policy put production.yaml", "budwood policy list"),
)

Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Where it holds.")]
Name = Annotated[str, typer.Argument(metavar="POLICY", help="Its metadata.name.")]


@app.command(
    cls=Command,
    epilog=examples("budwood policy put production.yaml", "budwood policy put - --namespace risk < production.yaml"),
)
def put(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML document; - reads standard input.")],
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Put a policy in force. From then on what it guards moves only as it says; put again, it is a new edition."""
    text = sys.stdin.read() if file == "-" else _text(Path(file))
    with opened(ctx) as registry:
        record = registry.gates.put_policy(text, namespace)
    answer(record, lambda screen: draw_policies(screen, [record]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood policy list", "budwood policy list --namespace risk"))
def list_(ctx: typer.Context, namespace: Place = "default", json: Json = False) -> None:
    """List the policies in force."""
    with opened(ctx) as registry:
        records = registry.gates.policies(namespace)
    answer({"policies": records}, lambda screen: draw_policies(screen, records), json=json)


@app.command(cls=Command, epilog=examples("budwood policy show production", "budwood policy show production --json"))
def show(ctx: typer.Context, name: Name, namespace: Place = "default", json: Json = False) -> None:
    """Print a policy as it was written, and list its editions."""
    with opened(ctx) as registry:
        editions = registry.gates.policy(name, namespace)
    answer({"editions": editions}, lambda screen: _draw_editions(screen, editions), json=json)


@app.command(cls=Command, epilog=examples("budwood policy remove production"))
def remove(ctx: typer.Context, name: Name, namespace: Place = "default", json: Json = False) -> None:
    """Let a policy guard nothing any more. Its editions stay, and the ledger says who did it."""
    with opened(ctx) as registry:
        removed = registry.gates.remove_policy(name, namespace)
    answer(removed, lambda screen: screen.line(f"The policy {removed.name} guards nothing any more."), json=json)


@app.command(cls=Command, epilog=examples("budwood policy tier encoder", "budwood policy tier encoder low"))
def tier(
    ctx: typer.Context,
    model: Model,
    to: Annotated[str, typer.Argument(metavar="[TIER]", help="low, limited or high.")] = "",
    json: Json = False,
) -> None:
    """Show or set how much harm a model could do: it chooses the policies. What nobody classed counts as high."""
    with opened(ctx) as registry:
        found = registry.gates.set_tier(model, to) if to else registry.gates.tier(model)
    answer(found, lambda screen: screen.line(_tier_text(model, found)), json=json)


def draw_policies(screen: Screen, records: "Sequence[PolicyRecord]") -> None:
    columns = (
        Column("policy", style="bold"),
        Column("edition", right=True),
        Column("digest"),
        Column("by", elastic=True),
        Column("put", style="dim"),
    )
    rows = [
        (each.name, str(each.number), each.digest[:12], each.author, screen.moment(each.created_ms)) for each in records
    ]
    screen.table(columns, rows) if rows else screen.line("No policy is in force: stages and aliases move freely.")


def _draw_editions(screen: Screen, editions: "Sequence[PolicyRecord]") -> None:
    screen.lines(editions[0].text)
    screen.line()
    draw_policies(screen, editions)


def _tier_text(model: str, tiered: "Tiered") -> str:
    return f"{model} is {tiered.tier}, said {tiered.author}." if tiered.author else f"{model} counts as {tiered.tier}."


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
