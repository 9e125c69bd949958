"""budwood diff: what changed between two versions, and what the label should therefore be."""

from typing import Annotated

import typer

from budwood.cli.face import Json, answer, exact, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar

EPILOG = examples(
    "budwood diff encoder@v1 encoder@v2",
    "budwood diff encoder@production encoder --no-measure",
    "budwood diff encoder@v1 encoder@v2 --json | jq -r .bump.level",
)


def diff(
    ctx: typer.Context,
    before: Annotated[str, typer.Argument(metavar="A", help="The version before.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The version after.")],
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Leave out how far tensors moved; reads no weights.")
    ] = False,
    every_row: Annotated[bool, typer.Option("--all", help="Every row of every section.")] = False,
    json: Json = False,
) -> None:
    """Say what changed between two versions.

    A summary, then a section for each kind of change there is (tensors, schema, metrics, parameters, configuration,
    data, files, code, environment), then the step of the label with its reasons. "Moved by" is the norm of the
    difference by the norm before (relative L2).
    """
    with opened(ctx) as registry:
        a, b = registry.get(before).record, registry.get(after).record
        total = 0 if no_measure else b.size_bytes
        with bar("Comparing", total, json=json or no_measure) as advance:
            change = registry.diff(exact(a), exact(b), measure=not no_measure, progress=advance)

    from budwood.cli.render_diff import draw_change

    answer(change, lambda screen: draw_change(screen, change, every_row=every_row), json=json)
