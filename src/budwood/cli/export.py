"""budwood export: versions, and all they need, as one verifiable file."""

from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.words import count, size_text
from budwood.errors import TargetDiffers

EPILOG = examples(
    "budwood export encoder@v1 encoder@v2 --output encoder.budwood", "budwood export bundle mlflow@v1 -o mlflow.budwood"
)


def export(
    ctx: typer.Context,
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="The versions.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    json: Json = False,
) -> None:
    """Write versions as one file for another registry.

    It holds every block they need, and can be verified without either registry.
    """
    if output.exists() and not overwrite:
        raise TargetDiffers(f"{output} exists.", hint="Choose another name, or give --overwrite.", path=str(output))
    with opened(ctx) as registry, bar("Exporting", None, json=json) as advance:
        exported = registry.export(refs, output, progress=advance)
    told = (
        f"{exported.path}: {count(exported.versions, 'version')}, {count(exported.blocks, 'block')}, "
        f"{size_text(exported.size)}, sha256:{exported.sha256}"
    )
    answer(exported, lambda screen: screen.line(told), json=json)
