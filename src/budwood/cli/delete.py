"""budwood delete: remove a version for ever, after asking."""

import sys
from typing import Annotated

import typer

from budwood.cli.face import Json, answer, exact, named, note, opened
from budwood.cli.help import examples
from budwood.cli.plain import plain
from budwood.cli.words import size_text
from budwood.errors import Invalid

EPILOG = examples("budwood delete encoder@v1", "budwood delete encoder@v1 --yes", "budwood delete --model old --yes")
KEPT = 1


def delete(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="An exact version; with --model, the model.")],
    model: Annotated[bool, typer.Option("--model", help="Delete a model that has no versions left.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where nobody can answer.")] = False,
    json: Json = False,
) -> None:
    """Remove a version for ever.

    Refused while an alias, a stage or a child points to it. Its number and label are never used again, and
    'budwood sweep' frees the bytes that no other version needs.
    """
    with opened(ctx) as registry:
        if model:
            _ask(f"Delete the empty model {ref} for ever?", yes)
            record = registry.delete_model(ref)
            answer({"model": record}, lambda screen: screen.line(f"{record.path} is deleted"), json=json)
            return
        version = registry.get(ref).record
        _ask(f"Delete {named(version)}, {size_text(version.size_bytes)}, for ever?", yes)
        deleted = registry.delete(exact(version) if "@" in ref else ref)
    answer({"version": deleted}, lambda screen: screen.line(f"{named(deleted)} is deleted"), json=json)


def _ask(question: str, yes: bool) -> None:
    """Raises Invalid where nobody can answer; ends the command when the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Invalid("Deleting asks first, and nobody can answer here.", hint="Give --yes if you mean it.")
    if not typer.confirm(plain(question), err=True):
        note("Nothing was deleted.")
        raise typer.Exit(KEPT)
