"""budwood db: the schema of the database, shown and brought up to date."""

from typing import TYPE_CHECKING

import typer

from budwood.cli.face import Json, Typed, answer
from budwood.cli.help import Command, examples
from budwood.cli.screen import Screen

if TYPE_CHECKING:
    from budwood.domain.results import SchemaState

app = typer.Typer(
    rich_markup_mode=None,
    help="Show the database's schema, or bring it to the one this release needs.",
    epilog=examples("budwood db status", "budwood db upgrade"),
)


@app.command(cls=Command, epilog=examples("budwood db upgrade", "budwood db upgrade --json | jq -r .revision"))
def upgrade(ctx: typer.Context, json: Json = False) -> None:
    """Bring the database to the schema that this release needs.

    Run it once before the first server of a new release starts. It changes all or nothing, may be run again at any
    time, and waits for another one that is under way. There is no way back but a backup.
    """
    from budwood.wiring import upgrade_schema

    state = upgrade_schema((ctx.find_object(Typed) or Typed()).registry)
    answer(state, lambda screen: draw_upgraded(screen, state), json=json)


@app.command(cls=Command, epilog=examples("budwood db status", "budwood db status --json | jq -r .revision"))
def status(ctx: typer.Context, json: Json = False) -> None:
    """Say which schema the database has, and which this release needs. Nothing is changed."""
    from budwood.wiring import schema_state

    state = schema_state((ctx.find_object(Typed) or Typed()).registry)
    answer(state, lambda screen: draw_state(screen, state), json=json)


def draw_upgraded(screen: Screen, state: "SchemaState") -> None:
    if state.before == state.revision:
        screen.line(f"{state.place} has schema {state.revision} already; nothing to do.")
    else:
        was = f"{state.before} → " if state.before else ""
        screen.line(f"{state.place}: schema {was}{state.revision}")


def draw_state(screen: Screen, state: "SchemaState") -> None:
    if state.revision == state.newest:
        screen.line(f"{state.place} has schema {state.revision}, the newest.")
    elif state.revision:
        screen.line(f"{state.place} has schema {state.revision}; this release needs {state.newest}: budwood db upgrade")
    else:
        screen.line(f"{state.place} holds no catalog yet: budwood db upgrade makes it.")
