"""budwood stats: what the registry holds, what it takes, and what shares with what."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, share_text, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.results import GroupUsage, Usage

EPILOG = examples(
    "budwood stats", "budwood stats --by tier", "budwood stats --json | jq '.stored_bytes / .logical_bytes'"
)


class By(StrEnum):
    """What bytes are told by."""

    MODEL = "model"
    TIER = "tier"
    KIND = "kind"


def stats(
    ctx: typer.Context,
    by: Annotated[By, typer.Option("--by", help="Tell bytes by model, storage tier or kind.")] = By.MODEL,
    json: Json = False,
) -> None:
    """Say what the registry holds and what it takes.

    Bytes as pushed and as stored, by model and by encoding, and which models share what.
    """
    with opened(ctx) as registry:
        usage = registry.stats()
        place = registry.place
    answer(usage, lambda screen: draw_usage(screen, usage, place, by), json=json)


def draw_usage(screen: Screen, usage: "Usage", place: str, by: By = By.MODEL) -> None:
    screen.line(place, "bold")
    is_smaller = 0 < usage.stored_bytes < usage.logical_bytes
    ratio = f", {usage.logical_bytes / usage.stored_bytes:.1f} times smaller" if is_smaller else ""
    share = share_text(usage.stored_bytes, usage.logical_bytes)
    screen.pairs(
        [
            ("holds", f"{count(usage.versions, 'version')} of {count(usage.models, 'model')}"),
            ("as pushed", size_text(usage.logical_bytes)),
            ("different bytes", f"{size_text(usage.unique_bytes)} in {count(usage.blocks, 'block')}"),
            ("stored", f"{size_text(usage.stored_bytes)} in {count(usage.packs, 'pack')} ({share}{ratio})"),
            (
                "besides",
                f"{size_text(usage.waste_bytes)} of indexes and of what nothing needs" if usage.waste_bytes else "",
            ),
        ],
        indent="  ",
    )
    if by is By.MODEL:
        _draw_models(screen, usage)
    else:
        _draw_groups(screen, by, usage.by_tier if by is By.TIER else usage.by_kind)
    _draw_encodings(screen, usage)
    _draw_shared(screen, usage)


def _draw_models(screen: Screen, usage: "Usage") -> None:
    if not usage.by_model:
        return
    screen.heading("By model")
    columns = (
        Column("model", style="bold"),
        Column("versions", right=True),
        Column("as pushed", right=True),
        Column("stored", right=True),
        Column("share", right=True),
        Column("its own", right=True),
    )
    rows = [
        (
            model.model,
            f"{model.versions:,}",
            size_text(model.logical_bytes),
            size_text(model.stored_bytes),
            share_text(model.stored_bytes, model.logical_bytes),
            size_text(model.own_bytes),
        )
        for model in usage.by_model
    ]
    screen.table(columns, rows, indent="  ")


def _draw_groups(screen: Screen, by: By, groups: "Sequence[GroupUsage]") -> None:
    if not groups:
        return
    screen.heading(f"By {by}")
    columns = (
        Column(str(by), style="bold"),
        Column("versions", right=True),
        Column("as pushed", right=True),
        Column("stored", right=True),
        Column("its own", right=True),
    )
    rows = [
        (
            group.name,
            f"{group.versions:,}",
            size_text(group.logical_bytes),
            size_text(group.stored_bytes),
            size_text(group.own_bytes),
        )
        for group in groups
    ]
    screen.table(columns, rows, indent="  ")


def _draw_encodings(screen: Screen, usage: "Usage") -> None:
    if not usage.by_encoding:
        return
    screen.heading("By encoding")
    columns = (Column("encoding", style="bold"), Column("stored", right=True), Column("share", right=True))
    ordered = sorted(usage.by_encoding.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, size_text(size), share_text(size, usage.stored_bytes)) for name, size in ordered]
    screen.table(columns, rows, indent="  ")


def _draw_shared(screen: Screen, usage: "Usage") -> None:
    if not usage.shared:
        return
    screen.heading("Shared between models")
    columns = (Column("", style="bold"), Column("", style="bold"), Column("equal bytes", right=True))
    screen.table(
        columns, [(each.model, each.other, size_text(each.shared_bytes)) for each in usage.shared], indent="  "
    )
