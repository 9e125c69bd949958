"""budwood reproduce: all it takes to make a version again, in one folder, and whether it is all there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.screen import Column, Screen
from budwood.errors import Damaged, Unsupported

if TYPE_CHECKING:
    from budwood.domain.reproduction import Reproduced

EPILOG = examples(
    "budwood reproduce encoder@v2",
    "budwood reproduce encoder@champion --out again/ --code ~/src/encoder",
    "budwood reproduce encoder@v2 --no-data --json | jq .reproducible",
)


def reproduce(
    ctx: typer.Context,
    ref: Ref,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Into this folder, new or empty; else reproduce-NAME-vN."),
    ] = None,
    code: Annotated[
        Path | None, typer.Option("--code", metavar="DIR", help="A git repository with the commit; else the one here.")
    ] = None,
    no_data: Annotated[bool, typer.Option("--no-data", help="Do not write the files of data versions.")] = False,
    json: Json = False,
) -> None:
    """Write all it takes to make a version again, and check what can be checked of it. Nothing of it is run.

    Says "reproducible" only when every check is ok. Exit code 6 when something differs, 8 when something cannot be
    checked.
    """
    from budwood.domain.reproduction import Outcome

    with opened(ctx) as registry:
        version = registry.get(ref)
        folder = out or Path(f"reproduce-{version.record.model}-v{version.number}")
        exact = f"{version.record.namespace}/{version.record.model}@v{version.number}"
        with bar(f"Writing {folder}", None, json=json) as advance:
            made = registry.reproduce(exact, folder, code=code or "", with_data=not no_data, progress=advance)
    value = {"reproducible": made.reproducible, "result": made}
    answer(value, lambda screen: draw_reproduced(screen, made), json=json)
    if not made.reproducible:
        differs = any(check.outcome is Outcome.DIFFERS for check in made.checks)
        raise typer.Exit(Damaged.exit_code if differs else Unsupported.exit_code)


def draw_reproduced(screen: Screen, made: "Reproduced") -> None:
    screen.line(f"{made.reference}: how it was made is in {made.folder}")
    screen.line()
    columns = (Column("what", style="bold"), Column("outcome"), Column("why", elastic=True))
    screen.table(columns, [(check.what, check.outcome.value, check.why) for check in made.checks])
    screen.line()
    if made.reproducible:
        screen.line(f"{made.reference} is reproducible: all {len(made.checks)} checks hold.")
    else:
        held = sum(check.outcome == "ok" for check in made.checks)
        screen.line(f"{made.reference} is not known to be reproducible: {held} of {len(made.checks)} checks hold.")
