"""budwood namespace: the rooms of a registry that several teams share."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import NamespaceRecord, Quota

app = typer.Typer(
    rich_markup_mode=None,
    help="Namespaces: made and removed by admins, each with a quota.",
    epilog=examples("budwood namespace add risk", "budwood namespace list"),
)

Name = Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace.")]
Bytes = Annotated[
    int | None, typer.Option("--bytes", min=0, metavar="N", help="How many bytes it may store; 0: no bound.")
]
Versions = Annotated[
    int | None, typer.Option("--versions", min=0, metavar="N", help="How many versions it may hold; 0: no bound.")
]
Uploads = Annotated[
    int | None, typer.Option("--uploads", min=0, metavar="N", help="How many pushes may be under way; 0: no bound.")
]
Requests = Annotated[
    int | None, typer.Option("--requests", min=0, metavar="N", help="How many requests a second; 0: no bound.")
]


@app.command(cls=Command, epilog=examples("budwood namespace add risk", "budwood namespace add lab --versions 1000"))
def add(
    ctx: typer.Context,
    name: Name,
    bytes_: Bytes = None,
    versions: Versions = None,
    uploads: Uploads = None,
    requests: Requests = None,
    json: Json = False,
) -> None:
    """Make a namespace. Its models are NAMESPACE/MODEL; nobody sees it until a role is granted in it."""
    with opened(ctx) as registry:
        added = registry.admin.namespaces.add(
            name, bytes=bytes_ or 0, versions=versions or 0, uploads=uploads or 0, requests=requests or 0
        )
    answer(added, lambda screen: draw_namespaces(screen, [added]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood namespace list", "budwood namespace list --after risk"))
def list_(
    ctx: typer.Context,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(metavar="NAMESPACE", help="Go on behind this one.")] = "",
    json: Json = False,
) -> None:
    """List the namespaces you may read, and their quotas."""
    with opened(ctx) as registry:
        page = registry.admin.namespaces.list(after=after, limit=limit)
    answer(
        {"namespaces": page.namespaces, "after": page.cursor},
        lambda screen: draw_namespaces(screen, page.namespaces),
        json=json,
    )
    if page.cursor and not json:
        note(f"There may be more: budwood namespace list --after {page.cursor}")


@app.command(
    cls=Command,
    epilog=examples("budwood namespace quota risk --bytes 500000000000", "budwood namespace quota risk --requests 0"),
)
def quota(
    ctx: typer.Context,
    name: Name,
    bytes_: Bytes = None,
    versions: Versions = None,
    uploads: Uploads = None,
    requests: Requests = None,
    json: Json = False,
) -> None:
    """Show what a namespace may hold, or change it. What it holds already stays, also above a new bound."""
    changes = {"bytes": bytes_, "versions": versions, "uploads": uploads, "requests": requests}
    with opened(ctx) as registry:
        namespaces = registry.admin.namespaces
        asked = any(value is not None for value in changes.values())
        record = namespaces.set_quota(name, **changes) if asked else namespaces.get(name)
    answer(record, lambda screen: draw_namespaces(screen, [record]), json=json)


@app.command(cls=Command, epilog=examples("budwood namespace remove risk"))
def remove(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Remove a namespace that has no models left, with what is granted in it."""
    with opened(ctx) as registry:
        removed = registry.admin.namespaces.remove(name)
    answer(removed, lambda screen: screen.line(f"The namespace {removed.name} is removed."), json=json)


def draw_namespaces(screen: Screen, records: "Sequence[NamespaceRecord]") -> None:
    columns = (Column("namespace", style="bold"), Column("may hold", elastic=True), Column("made", style="dim"))
    rows = [
        (record.name, quota_text(record.quota), screen.moment(record.created_ms) if record.created_ms else "")
        for record in records
    ]
    screen.table(columns, rows) if rows else screen.line("There are no namespaces that you may read.")


def quota_text(quota: "Quota") -> str:
    """500.0 GB, 1,000 versions; what has no bound is left out."""
    parts = [
        size_text(quota.bytes) if quota.bytes else "",
        f"{quota.versions:,} versions" if quota.versions else "",
        f"{quota.uploads:,} pushes at once" if quota.uploads else "",
        f"{quota.requests:,} requests a second" if quota.requests else "",
    ]
    return ", ".join(part for part in parts if part) or "no bound"
