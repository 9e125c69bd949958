"""budwood trust: jobs that need no token of ours, because a namespace trusts the issuer that names them."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, key_values, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import Trust

GITHUB = "https://token.actions.githubusercontent.com"

app = typer.Typer(
    rich_markup_mode=None,
    help="Jobs of GitHub Actions, Kubernetes and other issuers that a namespace trusts. Its owners and admins say so.",
    epilog=examples(f"budwood trust add risk {GITHUB} repo:acme/encoder:ref:refs/heads/main writer"),
)

Place = Annotated[str, typer.Argument(metavar="NAMESPACE", help="Where.")]


@app.command(
    cls=Command,
    epilog=examples(
        f"budwood trust add risk {GITHUB} repo:acme/encoder:ref:refs/heads/main writer",
        f"budwood trust add risk {GITHUB} repo:acme/encoder:environment:production releaser "
        "--claim repository_owner_id=42",
    ),
)
def add(
    ctx: typer.Context,
    namespace: Place,
    issuer: Annotated[str, typer.Argument(metavar="ISSUER", help="Its address, exactly as its tokens say it.")],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The job, exactly as its token says it.")],
    role: Annotated[str, typer.Argument(metavar="ROLE", help="reader, writer, reviewer, releaser or owner.")],
    audience: Annotated[
        str, typer.Option("--audience", metavar="TEXT", help="Whom the token is for; else the server's address.")
    ] = "",
    claim: Annotated[
        list[str] | None, typer.Option("--claim", metavar="KEY=VALUE", help="What it must say, too. Repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Trust one subject of one issuer with a role, and none with more than you may yourself."""
    claims = key_values(claim or (), "claim")
    with opened(ctx) as registry:
        trust = registry.admin.trusts.add(
            namespace, issuer=issuer, subject=subject, role=role, audience=audience, claims=claims
        )
    answer(trust, lambda screen: draw_trusts(screen, [trust]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood trust list risk", "budwood trust list risk --json"))
def list_(ctx: typer.Context, namespace: Place, json: Json = False) -> None:
    """List whom a namespace trusts, and with which role."""
    with opened(ctx) as registry:
        trusts = registry.admin.trusts.list(namespace)
    answer({"trusts": trusts}, lambda screen: draw_trusts(screen, trusts), json=json)


@app.command(cls=Command, epilog=examples("budwood trust remove risk 3"))
def remove(
    ctx: typer.Context,
    namespace: Place,
    trust: Annotated[int, typer.Argument(metavar="ID", help="As 'budwood trust list' shows it.")],
    json: Json = False,
) -> None:
    """Trust it no more. What was let in by it may do nothing from that moment on."""
    with opened(ctx) as registry:
        removed = registry.admin.trusts.remove(namespace, trust)
    answer(removed, lambda screen: screen.line(f"{namespace} trusts {removed.subject} no more."), json=json)


def draw_trusts(screen: Screen, trusts: "Sequence[Trust]") -> None:
    columns = (
        Column("id", style="bold"),
        Column("subject"),
        Column("role"),
        Column("issuer", spare=True),
        Column("audience", spare=True),
        Column("claims", spare=True),
    )
    rows = [
        (
            str(each.id),
            each.subject,
            str(each.role),
            each.issuer,
            each.audience,
            ", ".join(f"{name}={value}" for name, value in each.claims),
        )
        for each in trusts
    ]
    screen.table(columns, rows) if rows else screen.line("It trusts no jobs.")
