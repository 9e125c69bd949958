"""budwood card and bom: documents about a version, made from what is recorded."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.endpoint import written as written_in
from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import examples
from budwood.errors import TargetDiffers

CARD_EPILOG = examples(
    "budwood card encoder@champion",
    "budwood card encoder@v2 --output README.md",
    "budwood card encoder@v2 --edit use.md",
)
BOM_EPILOG = examples("budwood bom encoder@v2 --output encoder.cdx.json", "budwood bom encoder@v2 --format 1.7")

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; else it is printed.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]


def card(
    ctx: typer.Context,
    ref: Ref,
    edit: Annotated[
        str, typer.Option("--edit", metavar="FILE", help="First put these words of your own into it; - reads input.")
    ] = "",
    output: Output = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a model card from what is recorded; what nobody said is listed as missing.

    Markdown with the front matter that model hubs read. With --edit your own words stand first; the words before them
    stay as evidence.
    """
    check_free(output, overwrite)
    own = written_in(edit) if edit else ""
    with opened(ctx) as registry:
        if edit:
            registry.edit_card(ref, own)
        written = registry.card(ref)
    _give(written, {"card": written}, output, json=json)


def bom(
    ctx: typer.Context,
    ref: Ref,
    form: Annotated[str, typer.Option("--format", metavar="1.6|1.7", help="Which CycloneDX.")] = "1.6",
    output: Output = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a bill of materials: files, packages, data, parents and the model card, in the JSON of CycloneDX.

    The same version with the same evidence gives the same bytes.
    """
    check_free(output, overwrite)
    with opened(ctx) as registry:
        written = registry.bom(ref, form=form)
    _give(written, {"bom": written}, output, json=json)


def check_free(output: Path | None, overwrite: bool) -> None:
    """Raises TargetDiffers where something stands there already."""
    if output is not None and output.exists() and not overwrite:
        raise TargetDiffers(f"{output} exists.", hint="Choose another name, or give --overwrite.", path=str(output))


def _give(written: str, document: dict[str, str], output: Path | None, *, json: bool) -> None:
    if output is not None:
        output.write_text(written, "utf-8")
        answer(document | {"path": str(output)}, lambda screen: screen.line(f"Wrote {output}."), json=json)
    else:
        answer(document, lambda _: _print(written), json=json)


def _print(written: str) -> None:
    # As it is: cards and bills hold no character that is not seen as itself, and lines must not be broken.
    sys.stdout.write(written)
