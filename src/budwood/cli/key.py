"""budwood key: whose signatures count."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.sign import read_text
from budwood.domain.limits import PEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.signature import SigningKey

app = typer.Typer(
    rich_markup_mode=None,
    help="Public keys whose signatures a namespace trusts, for policies that require one. Its owners say so.",
    epilog=examples("budwood key trust pub.pem --name ci", "budwood key list"),
)

Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Where they are trusted.")]


@app.command(
    cls=Command,
    epilog=examples("budwood key trust pub.pem --name ci", "budwood key trust pub.pem --name ci --namespace risk"),
)
def trust(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The public key, in PEM.")],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Whose it is.")],
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Trust a public key: what it signed passes a policy that requires a signature."""
    pem = read_text(file, PEM_BYTES, "PEM_BYTES")
    with opened(ctx) as registry:
        trusted = registry.gates.trust_key(name, pem, namespace)
    answer(trusted, lambda screen: draw_keys(screen, [trusted]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood key list", "budwood key list --namespace risk"))
def list_(ctx: typer.Context, namespace: Place = "default", json: Json = False) -> None:
    """List the public keys that a namespace trusts."""
    with opened(ctx) as registry:
        found = registry.gates.trusted_keys(namespace)
    answer({"keys": found}, lambda screen: draw_keys(screen, found), json=json)


@app.command(cls=Command, epilog=examples("budwood key remove ci", "budwood key remove 2a97516c354b"))
def remove(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name, or what begins its SHA-256.")],
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Trust a key no more. What it signed counts as unsigned from then on."""
    with opened(ctx) as registry:
        removed = registry.gates.remove_key(key, namespace)
    answer(removed, lambda screen: screen.line(f"The key {removed.name} is trusted no more."), json=json)


def draw_keys(screen: Screen, found: "Sequence[SigningKey]") -> None:
    columns = (Column("name", style="bold"), Column("key"), Column("by", elastic=True), Column("trusted", style="dim"))
    rows = [(each.name, each.key[:12], each.author, screen.moment(each.added_ms)) for each in found]
    screen.table(columns, rows) if rows else screen.line("No key is trusted: nothing counts as signed.")
