"""budwood person: people and service accounts."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import Principal

app = typer.Typer(
    rich_markup_mode=None,
    help="People and service accounts: added, changed and disabled by admins; never removed.",
    epilog=examples("budwood person add mara --email mara@example.com", "budwood person list"),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The person or account.")]


@app.command(
    cls=Command,
    epilog=examples(
        "budwood person add mara --email mara@example.com", "budwood person add nightly-ci --service --owner mara"
    ),
)
def add(
    ctx: typer.Context,
    name: Name,
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="By which single sign-on finds them.")] = "",
    service: Annotated[bool, typer.Option("--service", help="An account for a program, not for a person.")] = False,
    owner: Annotated[str, typer.Option(metavar="PERSON", help="The person whom a service account answers to.")] = "",
    json: Json = False,
) -> None:
    """Add somebody. They may do nothing until a role is granted to them: budwood grant give."""
    with opened(ctx) as registry:
        added = registry.admin.people.add(name, kind="service" if service else "person", email=email, owner=owner)
    answer(added, lambda screen: draw_people(screen, [added]), json=json)
    if service and not owner and not json:
        note(f"It answers to nobody yet, so what it makes waits at gates: budwood person change {name} --owner PERSON")


@app.command("list", cls=Command, epilog=examples("budwood person list", "budwood person list --json"))
def list_(
    ctx: typer.Context,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(metavar="NAME", help="Go on behind this one.")] = "",
    json: Json = False,
) -> None:
    """List people, service accounts and workloads, by name."""
    with opened(ctx) as registry:
        page = registry.admin.people.list(after=after, limit=limit)
    answer({"people": page.people, "after": page.cursor}, lambda screen: draw_people(screen, page.people), json=json)
    if page.cursor and not json:
        note(f"There may be more: budwood person list --after {page.cursor}")


@app.command(
    cls=Command,
    epilog=examples("budwood person change mara --admin", "budwood person change nightly-ci --owner jon"),
)
def change(
    ctx: typer.Context,
    name: Name,
    admin: Annotated[
        bool | None, typer.Option("--admin/--no-admin", help="May do everything everywhere; or no longer.")
    ] = None,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help="May do nothing from this moment on; or again.")
    ] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help='Another address; "" for none.')] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="PERSON", help="Whom an account of a program answers to from now on.")
    ] = None,
    json: Json = False,
) -> None:
    """Disable or enable somebody, make them an admin or no longer one, set their address, say whom one answers to.

    Whoever is disabled keeps roles and tokens, but may use none. The last admin stays one.
    """
    with opened(ctx) as registry:
        people = registry.admin.people
        asked = (admin, disable, email, owner) != (None, None, None, None)
        person = (
            people.change(name, email=email, is_admin=admin, disabled=disable, owner=owner)
            if asked
            else people.get(name)
        )
    answer(person, lambda screen: draw_people(screen, [person]), json=json)


def draw_people(screen: Screen, people: "Sequence[Principal]") -> None:
    columns = (
        Column("name", style="bold"),
        Column("is"),
        Column("answers to"),
        Column("email", elastic=True),
        Column("signs in as", elastic=True, spare=True),
        Column("added", style="dim"),
    )
    rows = []
    for person in people:
        words = ["admin" if person.is_admin else str(person.kind), "disabled" if person.disabled_ms else ""]
        signs_in = f"{person.subject} at {person.issuer}" if person.issuer else ""
        rows.append(
            (
                person.name,
                ", ".join(word for word in words if word),
                _behind(person),
                person.email,
                signs_in,
                screen.moment(person.created_ms),
            )
        )
    screen.table(columns, rows) if rows else screen.line("Nobody is known here yet: budwood person add NAME")


def _behind(person: "Principal") -> str:
    """Whom an account answers to; nothing for a person."""
    if str(person.kind) == "person":
        return ""
    return person.owner or "nobody"
