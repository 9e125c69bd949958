"""budwood group: people who are given roles together."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import Group

app = typer.Typer(
    rich_markup_mode=None,
    help="Groups of people, for roles that many hold. Admins say who is in one.",
    epilog=examples("budwood group add data-science mara jon", "budwood grant give risk data-science reader --group"),
)

Name = Annotated[str, typer.Argument(metavar="GROUP", help="The group.")]


@app.command(cls=Command, epilog=examples("budwood group add data-science mara jon"))
def add(
    ctx: typer.Context,
    name: Name,
    members: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Who is in it.")] = None,
    json: Json = False,
) -> None:
    """Make a group."""
    with opened(ctx) as registry:
        added = registry.admin.groups.add(name, members or ())
    answer(added, lambda screen: draw_groups(screen, [added]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood group list", "budwood group list --json"))
def list_(
    ctx: typer.Context,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(metavar="GROUP", help="Go on behind this one.")] = "",
    json: Json = False,
) -> None:
    """List the groups and who is in them."""
    with opened(ctx) as registry:
        page = registry.admin.groups.list(after=after, limit=limit)
    answer({"groups": page.groups, "after": page.cursor}, lambda screen: draw_groups(screen, page.groups), json=json)
    if page.cursor and not json:
        note(f"There may be more: budwood group list --after {page.cursor}")


@app.command(
    cls=Command, epilog=examples("budwood group change data-science --add eva", "budwood group change ops --remove jon")
)
def change(
    ctx: typer.Context,
    name: Name,
    add: Annotated[list[str] | None, typer.Option("--add", metavar="NAME", help="Who joins. Repeatable.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="NAME", help="Who leaves. Repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Let people join a group or leave it; with neither, show it."""
    with opened(ctx) as registry:
        groups = registry.admin.groups
        group = groups.change(name, add=add or (), remove=remove or ()) if add or remove else groups.get(name)
    answer(group, lambda screen: draw_groups(screen, [group]), json=json)


@app.command(cls=Command, epilog=examples("budwood group remove data-science"))
def remove(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Remove a group, and with it every role that was granted to it."""
    with opened(ctx) as registry:
        removed = registry.admin.groups.remove(name)
    answer(removed, lambda screen: screen.line(f"The group {removed.name} is removed."), json=json)


def draw_groups(screen: Screen, groups: "Sequence[Group]") -> None:
    columns = (Column("group", style="bold"), Column("members", elastic=True), Column("made", style="dim"))
    rows = [(group.name, ", ".join(group.members) or "nobody", screen.moment(group.created_ms)) for group in groups]
    screen.table(columns, rows) if rows else screen.line("There are no groups yet: budwood group add GROUP NAME...")
