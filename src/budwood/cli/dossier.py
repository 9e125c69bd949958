"""budwood dossier: all that is known of a version, in one signed folder; or check such a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.screen import Screen
from budwood.cli.words import count, minute_text
from budwood.errors import BadValue, Damaged

if TYPE_CHECKING:
    from budwood.domain.dossier.signed import DossierChecked

EPILOG = examples(
    "budwood dossier encoder@1.2.0 --out dossier/",
    "budwood dossier --check dossier/",
    "budwood dossier --check dossier/ --key 'budwood/5f3a…+0a1b2c3d+Ab…'",
)


def dossier(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="[REF]", help="The version it is about.")] = "",
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="A new folder; else dossier-MODEL-vN here.")] = "",
    check: Annotated[str, typer.Option("--check", metavar="DIR", help="Check this folder instead, offline.")] = "",
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY", help="The registry's key as you know it from elsewhere.")
    ] = None,
    json: Json = False,
) -> None:
    """Write all that is known of a version as one signed folder of pages and JSON, for somebody who was not there.

    With --check it is the folder that is looked at: every file that was changed, removed or added is named. What is
    not known is listed as gaps. It is no legal advice.
    """
    if bool(ref) == bool(check):
        raise BadValue("Name a version, or a folder with --check.", hint="budwood dossier encoder@v1 --out dossier/")
    if check:
        from budwood.client.dossier import check_dossier

        checked = check_dossier(Path(check), *(key or ()))
        answer(_value(checked, check), lambda screen: _draw(screen, checked), json=json)
        if not checked.good:
            raise typer.Exit(Damaged.exit_code)
        return
    with opened(ctx) as registry:
        version = registry.get(ref).record
        folder = out or f"dossier-{version.model}-v{version.number}"
        written = registry.dossier(f"{version.namespace}/{version.model}@v{version.number}", folder)
    answer(_value(written, folder), lambda screen: _draw_written(screen, written, folder), json=json)


def _value(checked: "DossierChecked", folder: str) -> dict[str, object]:
    return {"folder": folder, "good": checked.good, "dossier": checked}


def _draw_written(screen: Screen, written: "DossierChecked", folder: str) -> None:
    screen.line(f"Wrote {count(written.files, 'file')} about {written.reference} to {folder}, signed by {written.key}.")
    screen.line(f"Open {folder}/index.html; check it with: budwood dossier --check {folder}")


def _draw(screen: Screen, checked: "DossierChecked") -> None:
    made = minute_text(checked.made_ms)
    if checked.good:
        screen.line(f"{count(checked.files, 'file')} about {checked.reference}, made {made}: all as they were signed.")
    elif not checked.signed:
        screen.line("The list of its files is not signed by the key it should be.")
    for what, paths in (("changed", checked.changed), ("missing", checked.missing), ("added", checked.added)):
        for path in paths:
            screen.line(f"{what}: {path}")
    if checked.trusted:
        screen.line(f"Signed by {checked.key}.")
    else:
        screen.line(f"The key came with the folder: whoever made one could make the other. Compare it: {checked.key}")
