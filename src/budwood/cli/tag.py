"""budwood tag: remarks beside a version."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, exact, key_values, opened
from budwood.cli.help import examples
from budwood.cli.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.records import Tag, VersionRecord

EPILOG = examples(
    "budwood tag encoder@v2 team=risk reviewed=yes",
    "budwood tag encoder@v2 --remove reviewed",
    "budwood tag encoder@v2",
)


def tag(
    ctx: typer.Context,
    ref: Ref,
    put: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Tags to put; none: list them.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Take a tag away. Repeatable.")] = None,
    json: Json = False,
) -> None:
    """Put tags beside a version, or take them away.

    All that it has afterwards are printed. The version itself never changes.
    """
    wanted = key_values(put or [], "tag")
    with opened(ctx) as registry:
        version = registry.get(ref)
        changes = bool(wanted or remove)
        tags = registry.tag(exact(version.record), wanted, remove or ()) if changes else version.detail().tags
    answer({"version": version.record, "tags": tags}, lambda screen: _draw(screen, version.record, tags), json=json)


def _draw(screen: Screen, version: "VersionRecord", tags: "Sequence[Tag]") -> None:
    screen.line(version.reference if tags else f"{version.reference} has no tags.", "bold" if tags else "")
    screen.pairs([(each.key, each.value or '""') for each in tags], indent="  ")
