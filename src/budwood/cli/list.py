"""budwood list: the models of the registry."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import size_text

if TYPE_CHECKING:
    from budwood.domain.records import Move
    from budwood.domain.results import ModelSummary

EPILOG = examples("budwood list", "budwood list --json | jq -r '.models[].model.path'")


def list_models(
    ctx: typer.Context,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(metavar="MODEL", help="Go on behind this one.")] = "",
    json: Json = False,
) -> None:
    """List the models, their newest versions and pointers."""
    with opened(ctx) as registry:
        models = registry.list(after=after, limit=limit)
    last = models[-1].model if len(models) == limit else None
    following = f"{last.namespace}/{last.name}" if last else ""
    answer({"models": models, "after": following}, lambda screen: draw_models(screen, models), json=json)
    if following and not json:
        note(f"There may be more: budwood list --after {following}")


def draw_models(screen: Screen, models: "Sequence[ModelSummary]") -> None:
    if not models:
        screen.line("There are no models here yet. Push one: budwood push FOLDER MODEL")
        return
    columns = (
        Column("model", style="bold"),
        Column("kind", spare=True, style="dim"),
        Column("versions", right=True),
        Column("newest"),
        Column("size", right=True),
        Column("pushed", style="dim"),
        Column("points", elastic=True),
    )
    rows = []
    for summary in models:
        newest = summary.newest
        rows.append(
            (
                summary.model.path,
                summary.model.kind.value,
                f"{summary.versions:,}",
                (newest.label or f"v{newest.number}") if newest else "",
                size_text(newest.size_bytes) if newest else "",
                screen.moment(newest.created_ms) if newest else "",
                ", ".join(
                    f"{pointer_name(move)} → v{move.version_number}" for move in summary.pointers if pointed(move)
                ),
            )
        )
    screen.table(columns, rows)


def pointer_name(move: "Move") -> str:
    """An alias, or a stage without the mark that keeps them apart."""
    return move.pointer.removeprefix("stage:")


def pointed(move: "Move") -> bool:
    """Whether it points at a version, and says more than that it is new."""
    return move.version_number > 0 and move.pointer != "stage:development"
