"""budwood retention: how long bytes are kept, what may go, and letting it go."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, size_text
from budwood.domain.moment import moment_text
from budwood.errors import SourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.asks_retention import RetentionShown
    from budwood.domain.retention import Keeping, RetentionClass

app = typer.Typer(
    rich_markup_mode=None,
    help="Retention: how long the bytes of versions are kept. Their records, facts and evidence stay for ever.",
    epilog=examples(
        "budwood retention put retention.yaml",
        "budwood retention set encoder@v3 regulatory",
        "budwood retention due",
        "budwood retention apply --yes",
    ),
)

Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Where it holds.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; what shortens anything needs one.")]


@app.command(cls=Command, epilog=examples("budwood retention put retention.yaml"))
def put(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML document; - reads standard input.")],
    namespace: Place = "default",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Put a namespace's rules in force. Lengthening is free; shortening takes an admin, or an owner's reason."""
    text = sys.stdin.read() if file == "-" else _text(Path(file))
    with opened(ctx) as registry:
        shown = registry.retention.put_rules(text, namespace, reason=reason)
    answer(shown, lambda screen: _draw_rules(screen, shown), json=json)


@app.command(cls=Command, epilog=examples("budwood retention rules", "budwood retention rules --namespace risk"))
def rules(ctx: typer.Context, namespace: Place = "default", json: Json = False) -> None:
    """Print a namespace's rules as they were written, and the classes that can be named."""
    with opened(ctx) as registry:
        shown = registry.retention.rules(namespace)
    answer(shown, lambda screen: _draw_rules(screen, shown), json=json)


@app.command("set", cls=Command, epilog=examples("budwood retention set encoder@v3 regulatory"))
def set_(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="MODEL|REF", help="A model, or one version of it.")],
    name: Annotated[str, typer.Argument(metavar="CLASS", help="A class; '' takes back what was said.")],
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Give a model, or one version, a class. Of several that apply the longest counts."""
    with opened(ctx) as registry:
        said = registry.retention.set(reference, name, reason=reason)
    text = f"{reference} is {said.name} from now on." if said.name else f"Nothing is said of {reference} any more."
    answer(said, lambda screen: screen.line(text), json=json)


@app.command(cls=Command, epilog=examples("budwood retention show encoder@v3"))
def show(ctx: typer.Context, ref: Ref, json: Json = False) -> None:
    """Show how long a version's bytes are kept, and why."""
    with opened(ctx) as registry:
        found = registry.retention.show(ref)
    answer(found, lambda screen: screen.line(f"{found.reference}: {standing_text(found)}."), json=json)


@app.command(cls=Command, epilog=examples("budwood retention due", "budwood retention due --all --json"))
def due(
    ctx: typer.Context,
    namespace: Place = "default",
    every: Annotated[bool, typer.Option("--all", help="Also what may not go, and why.")] = False,
    json: Json = False,
) -> None:
    """List the versions whose bytes may go, and why."""
    with opened(ctx) as registry:
        found = registry.retention.due(namespace, every=every)
    answer({"versions": found}, lambda screen: _draw_due(screen, found), json=json)


@app.command(cls=Command, epilog=examples("budwood retention apply", "budwood retention apply --yes --namespace risk"))
def apply(
    ctx: typer.Context,
    namespace: Place = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
    json: Json = False,
) -> None:
    """Let the bytes of what is due go. Without --yes it shows what would; a sweep frees them after its grace.

    What serves, is held or kept is looked at again in the transaction, and stays. This cannot be undone.
    """
    with opened(ctx) as registry:
        found = registry.retention.due(namespace)
        gone = registry.retention.apply(found, namespace).rows if yes and found else ()
    shown = {"applied": yes, "versions": gone if yes else found}
    answer(shown, lambda screen: _draw_applied(screen, found, gone, yes=yes), json=json)


def standing_text(found: "Keeping") -> str:
    """Where its bytes stand, in a few words."""
    day = moment_text(found.until_ms)[:10] if found.until_ms else ""
    said = f"{found.name} ({found.why})" if found.name else ""
    words = {
        "unclassed": "nothing says how long; it stays until somebody deletes it",
        "forever": f"kept for ever by {said}",
        "serving": f"serves: {', '.join(found.serving)}{f'; then {said}' if said else ''}",
        "held": f"under hold {', '.join(map(str, found.holds))}",
        "kept": f"kept until {day} by {said}",
        "due": f"may go since {day} by {said}",
        "gone": f"its bytes were let go on {moment_text(found.gone.at_ms)[:10]} by {found.gone.author}"
        if found.gone
        else "",
    }
    return words[found.state]


def _draw_rules(screen: Screen, shown: "RetentionShown") -> None:
    if shown.rules is None:
        screen.line("No rules are in force: bytes stay until somebody deletes them.")
    else:
        screen.lines(shown.rules.text)
    screen.line()
    columns = (Column("class", style="bold"), Column("kept"), Column("since", elastic=True))
    screen.table(columns, [(each.name, _kept(each), str(each.clock)) for each in shown.classes])


def _kept(each: "RetentionClass") -> str:
    return count(each.keep_days, "day") if each.keep_days else "for ever"


def _draw_due(screen: Screen, found: "Sequence[Keeping]") -> None:
    columns = (Column("version", style="bold"), Column("bytes", right=True), Column("stands", elastic=True))
    rows = [(each.reference, size_text(each.size_bytes), standing_text(each)) for each in found]
    screen.table(columns, rows) if rows else screen.line("Nothing is due.")


def _draw_applied(screen: Screen, found: "Sequence[Keeping]", gone: "Sequence[Keeping]", *, yes: bool) -> None:
    if not yes:
        _draw_due(screen, found)
        if found:
            screen.line()
            screen.line(f"Nothing was done. To let {count(len(found), 'version')} go: budwood retention apply --yes")
        return
    size = size_text(sum(each.size_bytes for each in gone))
    screen.line(f"Let go of {count(len(gone), 'version')} ({size}); 'budwood sweep' frees what nothing else needs.")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
