"""budwood grant: who holds which role in a namespace."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.domain.access import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import Grant

ROLES: Final = ", ".join(Role)

app = typer.Typer(
    rich_markup_mode=None,
    help=f"Roles in a namespace: {ROLES}. Its owners and admins give and take them.",
    epilog=examples("budwood grant give risk mara writer", "budwood grant list risk"),
)

Place = Annotated[str, typer.Argument(metavar="NAMESPACE", help="Where.")]
To = Annotated[str, typer.Argument(metavar="NAME", help="A person or account; with --group, a group.")]
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help=f"One of {ROLES}.")]
IsGroup = Annotated[bool, typer.Option("--group", help="NAME is a group.")]


@app.command(
    cls=Command,
    epilog=examples("budwood grant give risk mara writer", "budwood grant give risk data-science reader --group"),
)
def give(
    ctx: typer.Context, namespace: Place, to: To, role: RoleName, group: IsGroup = False, json: Json = False
) -> None:
    """Give a role. Nobody gives one to themselves, nor to a group they are in."""
    with opened(ctx) as registry:
        grants = registry.admin.grants.give(namespace, to, role, group=group)
    answer({"grants": grants}, lambda screen: draw_grants(screen, grants), json=json)


@app.command(cls=Command, epilog=examples("budwood grant take risk mara writer"))
def take(
    ctx: typer.Context, namespace: Place, to: To, role: RoleName, group: IsGroup = False, json: Json = False
) -> None:
    """Take a role away, from this moment on."""
    with opened(ctx) as registry:
        grants = registry.admin.grants.take(namespace, to, role, group=group)
    answer({"grants": grants}, lambda screen: draw_grants(screen, grants), json=json)


@app.command("list", cls=Command, epilog=examples("budwood grant list risk", "budwood grant list risk --json"))
def list_(ctx: typer.Context, namespace: Place, json: Json = False) -> None:
    """List who holds which role, and who gave it."""
    with opened(ctx) as registry:
        grants = registry.admin.grants.list(namespace)
    answer({"grants": grants}, lambda screen: draw_grants(screen, grants), json=json)


def draw_grants(screen: Screen, grants: "Sequence[Grant]") -> None:
    columns = (
        Column("name", style="bold"),
        Column("role"),
        Column("given by", spare=True),
        Column("given", style="dim"),
    )
    rows = [
        (
            f"{each.to} (group)" if each.to_group else each.to,
            str(each.role),
            each.granted_by,
            screen.moment(each.granted_ms) if each.granted_ms else "",
        )
        for each in grants
    ]
    screen.table(columns, rows) if rows else screen.line("Nobody holds a role there; only admins see it.")
