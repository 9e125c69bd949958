"""budwood sweep: free what no version needs."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.screen import Screen
from budwood.cli.words import count, size_text

if TYPE_CHECKING:
    from budwood.domain.results import Swept

EPILOG = examples("budwood sweep --dry-run", "budwood sweep", "budwood sweep --grace 0")


def sweep(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    grace: Annotated[
        float | None,
        typer.Option(metavar="HOURS", min=0, help="How long what is condemned waits; else as settings say."),
    ] = None,
    json: Json = False,
) -> None:
    """Free what no version needs.

    In two steps: it is condemned now, and freed by a later sweep once it has waited. Safe beside pushes.
    """
    with opened(ctx) as registry:
        swept = registry.sweep(dry_run=dry_run, grace_s=None if grace is None else grace * 3600)
    answer(swept, lambda screen: draw_swept(screen, swept), json=json)


def draw_swept(screen: Screen, swept: "Swept") -> None:
    would = "Would condemn" if swept.dry_run else "Condemned"
    frees = "would free" if swept.dry_run else "freed"
    screen.line(
        f"{would} {count(swept.condemned_blocks, 'block')} ({size_text(swept.condemned_bytes)}), "
        f"{frees} {count(swept.freed_blocks, 'block')} ({size_text(swept.freed_bytes)})."
    )
    if swept.deleted_packs or swept.rewritten_packs:
        screen.line(f"{count(swept.deleted_packs, 'pack')} deleted, {swept.rewritten_packs} written anew.")
    if swept.waiting_blocks:
        screen.line(f"Waiting out the grace: {count(swept.waiting_blocks, 'block')}; a later sweep frees what waits.")
    if swept.live_leases:
        screen.line(f"In progress and left alone: {swept.live_leases} pushing.")
