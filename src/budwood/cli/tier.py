"""budwood tier: where the bytes of versions lie, bringing them to where they belong, and what that costs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, duration_text, size_text
from budwood.errors import SourceNotFound

if TYPE_CHECKING:
    from budwood.domain.storage_tiers.values import Costs, Placed, TieringRecord, TierPlan, TierRun

app = typer.Typer(
    rich_markup_mode=None,
    help="Storage tiers: hot is whole and near, warm is small and near, cold is smallest and in the cold store.",
    epilog=examples(
        "budwood tier put tiering.yaml",
        "budwood tier plan",
        "budwood tier run",
        "budwood tier costs",
    ),
)

Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Whose versions.")]


@app.command(cls=Command, epilog=examples("budwood tier put tiering.yaml", "budwood tier put --none"))
def put(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML document; - reads standard input.")] = "",
    none: Annotated[bool, typer.Option("--none", help="Take the policy away; what was moved stays there.")] = False,
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Put a namespace's tiering policy in force. Nothing moves before the next run."""
    if none == bool(file):
        raise typer.BadParameter("Give a file, or --none.")
    text = "" if none else sys.stdin.read() if file == "-" else _text(Path(file))
    with opened(ctx) as registry:
        record = registry.tiers.put_policy(text, namespace)
    answer(record, lambda screen: _draw_policy(screen, record), json=json)


@app.command(cls=Command, epilog=examples("budwood tier show", "budwood tier show --namespace risk"))
def show(ctx: typer.Context, namespace: Place = "default", json: Json = False) -> None:
    """Print a namespace's tiering policy as it was written."""
    with opened(ctx) as registry:
        record = registry.tiers.policy(namespace)
    answer(record, lambda screen: _draw_policy(screen, record), json=json)


@app.command(cls=Command, epilog=examples("budwood tier plan", "budwood tier plan --all --json"))
def plan(
    ctx: typer.Context,
    namespace: Place = "default",
    every: Annotated[bool, typer.Option("--all", help="Also what stays where it is, and why.")] = False,
    json: Json = False,
) -> None:
    """Say what a run would do now, and why. Nothing moves."""
    with opened(ctx) as registry:
        found = registry.tiers.plan(namespace)
    answer(found, lambda screen: _draw_plan(screen, found, every=every), json=json)


@app.command(
    cls=Command, epilog=examples("budwood tier run", "budwood tier run --seconds 300", "budwood tier run --prints")
)
def run(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Work so long at most; 0 until all is done.")] = 0,
    take_over: Annotated[bool, typer.Option("--take-over", help="End the work of another worker.")] = False,
    prints: Annotated[
        bool, typer.Option("--prints", help="Then make the prints that versions pushed long ago lack.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring versions of all namespaces to where they belong; a sweep frees what that leaves behind.

    It may be stopped at any time, and goes on where it was. A server does the same in the background.
    """
    with opened(ctx) as registry:
        done = registry.tiers.run(seconds=seconds, take_over=take_over, prints=prints)
    answer(done, lambda screen: _draw_run(screen, done), json=json)


@app.command(cls=Command, epilog=examples("budwood tier pause --reason 'a training run needs the disk'"))
def pause(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    json: Json = False,
) -> None:
    """Let the work on tiers rest, whoever does it, until it is resumed."""
    with opened(ctx) as registry:
        said = registry.tiers.pause(reason)
    answer({"paused": said}, lambda screen: screen.line(f"Paused by {said}."), json=json)


@app.command(cls=Command, epilog=examples("budwood tier resume"))
def resume(ctx: typer.Context, json: Json = False) -> None:
    """Let the work on tiers go on."""
    with opened(ctx) as registry:
        registry.tiers.resume()
    answer({"paused": ""}, lambda screen: screen.line("The work on tiers goes on."), json=json)


@app.command(cls=Command, epilog=examples("budwood tier costs", "budwood tier costs --json | jq .by_tier"))
def costs(ctx: typer.Context, namespace: Place = "default", json: Json = False) -> None:
    """Say what each version costs a month: bytes kept and pulls, by the policy's prices."""
    with opened(ctx) as registry:
        found = registry.tiers.costs(namespace)
    answer(found, lambda screen: _draw_costs(screen, found), json=json)


def _draw_policy(screen: Screen, record: "TieringRecord") -> None:
    if record.text:
        screen.lines(record.text)
    else:
        screen.line("No policy is in force: versions stay as they were pushed.")


def _draw_plan(screen: Screen, found: "TierPlan", *, every: bool) -> None:
    shown = [each for each in found.rows if every or each.moves]
    if shown:
        columns = (Column("version", style="bold"), Column("is"), Column("to"), Column("why", elastic=True))
        screen.table(columns, [(each.reference, _is(each), _to(each), each.why) for each in shown])
        screen.line()
    moving = sum(1 for each in found.rows if each.moves)
    if not moving:
        screen.line("Everything is where it belongs.")
    else:
        size = f"{size_text(found.stored_bytes)} stored ({size_text(found.raw_bytes)} raw)"
        screen.line(f"A run would move {count(moving, 'version')}, and look at {size}: budwood tier run")
    if found.kept_bytes:
        screen.line(f"{size_text(found.kept_bytes)} stay where they are: other versions need them there.")
    if not found.has_cold_store and any(each.to == "cold" for each in found.rows):
        screen.line("There is no cold store (setting cold_store): what is cold stays near, as small as it gets.", "dim")
    if found.paused:
        screen.line(f"Paused by {found.paused}.")
    if found.worker:
        screen.line(f"At work now: {found.worker}.")


def _is(each: "Placed") -> str:
    return str(each.is_in or "as pushed")


def _to(each: "Placed") -> str:
    return str(each.to) if each.moves else "stays"


def _draw_run(screen: Screen, done: "TierRun") -> None:
    if done.versions:
        columns = (Column("version", style="bold"), Column("to"), Column("blocks", right=True))
        sizes = (Column("before", right=True), Column("after", right=True))
        rows = [
            (
                each.reference,
                str(each.tier),
                f"{each.blocks:,}",
                size_text(each.bytes_before),
                size_text(each.bytes_after),
            )
            for each in done.versions
        ]
        screen.table((*columns, *sizes), rows)
    saved = f"; {size_text(done.saved_bytes)} less once 'budwood sweep' was here" if done.saved_bytes > 0 else ""
    screen.line(f"{count(len(done.versions), 'version')} brought, {duration_text(done.seconds)}{saved}.")
    if done.printed:
        screen.line(f"{count(done.printed, 'version')} got prints: copies of them are found from now on.")
    if done.stopped:
        screen.line(f"{count(done.left, 'version')} left: {done.stopped}.")


def _draw_costs(screen: Screen, found: "Costs") -> None:
    columns = (
        Column("version", style="bold"),
        Column("tier"),
        Column("stored", right=True),
        Column("pulls", right=True),
        Column("kept", right=True),
        Column("read", right=True),
        Column("a month", right=True),
    )
    rows = [
        (
            each.reference,
            str(each.tier),
            size_text(round(each.stored_bytes)),
            f"{each.reads:.0f}",
            _money(each.stored_cost),
            _money(each.read_cost),
            _money(each.total),
        )
        for each in found.rows
    ]
    if rows:
        screen.table(columns, rows)
        screen.line()
    parts = ", ".join(f"{tier} {_money(cost)}" for tier, cost in sorted(found.by_tier.items()))
    screen.line(f"{_money(found.total)} {found.currency} a month{f' ({parts})' if parts else ''}.")


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 or not amount else f"{amount:.6f}"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
