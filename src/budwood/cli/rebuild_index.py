"""budwood rebuild-index: find every block again from the packs alone."""

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.words import count

EPILOG = examples("budwood rebuild-index", "budwood rebuild-index && budwood verify")


def rebuild_index(ctx: typer.Context, json: Json = False) -> None:
    """Make the block index anew from the packs.

    For when the catalog's index was lost or damaged; the packs alone say where each block lies.
    """
    with opened(ctx) as registry:
        blocks = registry.rebuild_index()
    answer({"blocks": blocks}, lambda screen: screen.line(f"{count(blocks, 'block')} found in the packs"), json=json)
