"""budwood usage: what namespaces hold, and what they may."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, opened
from budwood.cli.help import examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import share_text, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import NamespaceUsage

EPILOG = examples("budwood usage", "budwood usage risk --json | jq .usage[0].bytes")


def usage(
    ctx: typer.Context,
    namespace: Annotated[
        str, typer.Argument(metavar="[NAMESPACE]", help="One of them; by default all you may read.")
    ] = "",
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """Say what namespaces hold now, beside their quotas.

    Bytes are those a namespace sent, compressed, whoever else has them too; staged ones belong to pushes under way.
    """
    with opened(ctx) as registry:
        namespaces = registry.admin.namespaces
        names = [namespace] if namespace else [record.name for record in islice(namespaces, limit)]
        held = [namespaces.usage(name) for name in names]
    answer({"usage": held}, lambda screen: draw_usage(screen, held), json=json)


def draw_usage(screen: Screen, held: "Sequence[NamespaceUsage]") -> None:
    columns = (
        Column("namespace", style="bold"),
        Column("stored", right=True),
        Column("of", right=True),
        Column("used", right=True),
        Column("versions", right=True),
        Column("of", right=True),
        Column("staged", right=True),
        Column("pushes", right=True),
    )
    rows = [
        (
            each.namespace,
            size_text(each.bytes),
            size_text(each.quota.bytes) if each.quota.bytes else "",
            share_text(each.bytes, each.quota.bytes) if each.quota.bytes else "",
            f"{each.versions:,}",
            f"{each.quota.versions:,}" if each.quota.versions else "",
            size_text(each.staged_bytes) if each.staged_bytes else "",
            f"{each.open_uploads}" if each.open_uploads else "",
        )
        for each in held
    ]
    screen.table(columns, rows) if rows else screen.line("There are no namespaces that you may read.")
