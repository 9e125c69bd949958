"""budwood rollout: move traffic to a version step by step, on evidence."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.endpoint import Name, Place, Reason, observed_lines, split_text, written
from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.asks_delivery import ArmFigures, RolloutShown
    from budwood.domain.rollout.records import Rollout

app = typer.Typer(
    rich_markup_mode=None,
    help="Rollouts: traffic moves to a version step by step, and goes back by itself when it does worse.",
    epilog=examples(
        "budwood rollout start fraud fraud-detector@v2 --plan careful.yaml --backend http://127.0.0.1:8082",
        "budwood rollout show fraud --watch",
        "budwood rollout abort fraud --reason 'Wrong data'",
    ),
)
WATCH_S: Final = 1.0
_SIGNS: Final = {"passes": "✔", "fails": "✘", "open": "·"}
_STATES: Final = {
    "promoted": "✔ promoted",
    "rolled-back": "✘ rolled back",
    "aborted": "✘ aborted",
    "running": "◐ running",
}


@app.command(
    cls=Command,
    epilog=examples(
        "budwood rollout start fraud fraud-detector@v2 --plan careful.yaml --backend http://127.0.0.1:8082",
        "budwood rollout start fraud fraud-detector@v2 --canary 1%,10%,50% --hold 5m --alias champion",
    ),
)
def start(
    ctx: typer.Context,
    endpoint: Name,
    candidate: Annotated[str, typer.Argument(metavar="REF", help="The version: fraud-detector@v2.")],
    plan: Annotated[str, typer.Option("--plan", metavar="FILE", help="What to do, in YAML.")] = "",
    canary: Annotated[str, typer.Option(metavar="PERCENT,...", help="Instead of a plan: its steps.")] = "",
    hold: Annotated[str, typer.Option(metavar="TIME", help="With --canary: how long each step lasts.")] = "5m",
    drift: Annotated[
        str, typer.Option(metavar="METRIC[=PSI]", help="With --canary: go back where its values fall elsewhere.")
    ] = "",
    backend: Annotated[
        list[str] | None, typer.Option("--backend", metavar="URL", help="A server of the version; may be repeated.")
    ] = None,
    alias: Annotated[str, typer.Option(metavar="ALIAS", help="Moves to the version when it is promoted.")] = "",
    namespace: Place = "default",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Start a rollout. The version gets its first part of the traffic now."""
    text = plan_text(plan, canary, hold, drift)
    with opened(ctx) as registry:
        shown = registry.rollouts.start(
            endpoint, candidate, text, backends=backend or (), alias=alias, reason=reason, namespace=namespace
        )
    answer(shown, lambda screen: draw_rollout(screen, shown), json=json)


@app.command(cls=Command, epilog=examples("budwood rollout show fraud", "budwood rollout show fraud --watch"))
def show(
    ctx: typer.Context,
    endpoint: Name,
    number: Annotated[int, typer.Option("--number", min=0, help="One of them; else the newest.")] = 0,
    watch: Annotated[bool, typer.Option("--watch", help="Draw it again each second, until it ends.")] = False,
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Show a rollout: its steps, versions, guardrails and decisions."""
    with opened(ctx) as registry:
        shown = registry.rollouts.show(endpoint, number, namespace=namespace)
        while watch and not json and shown.rollout.state == "running":
            _draw_over(shown)
            time.sleep(WATCH_S)
            shown = registry.rollouts.show(endpoint, shown.rollout.id, namespace=namespace)
    answer(shown, lambda screen: draw_rollout(screen, shown), json=json)


@app.command("list", cls=Command, epilog=examples("budwood rollout list fraud"))
def list_(
    ctx: typer.Context,
    endpoint: Name,
    namespace: Place = "default",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    before: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only those below this one.")] = 0,
    json: Json = False,
) -> None:
    """List the rollouts of an endpoint, newest first."""
    with opened(ctx) as registry:
        page = registry.rollouts.list(endpoint, before=before, limit=limit, namespace=namespace)
    answer(page, lambda screen: draw_rollouts(screen, page.rollouts), json=json)


def _steering(act: str, done: str) -> None:
    @app.command(
        act, cls=Command, help=done, epilog=examples(f"budwood rollout {act} fraud --reason 'The figures are clear'")
    )
    def steer(
        ctx: typer.Context, endpoint: Name, namespace: Place = "default", reason: Reason = "", json: Json = False
    ) -> None:
        with opened(ctx) as registry:
            shown = getattr(registry.rollouts, act)(endpoint, reason, namespace=namespace)
        answer(shown, lambda screen: draw_rollout(screen, shown), json=json)


_steering("pause", "Go no further for now. A version that does worse still goes back by itself.")
_steering("resume", "Go on after a pause.")
_steering("promote", "Let the version answer everything from now on. Policies may forbid it.")
_steering("abort", "Let the baseline answer everything again.")


def plan_text(path: str, canary: str, hold: str, drift: str = "") -> str:
    """The plan of a file, or one made of a few words. Raises BadPlan."""
    import json

    from budwood.errors import BadPlan

    if bool(path) == bool(canary):
        raise BadPlan("Say what to do.", hint="Give --plan FILE, or --canary 1%,10%,50%.", field="plan")
    if path and drift:
        raise BadPlan("A plan says itself what it watches.", hint="Add to it: watch: drift.", field="drift")
    if path:
        return written(path)
    steps = [{"canary": part.strip(), "hold": hold} for part in canary.split(",")]
    document = {
        "apiVersion": "budwood.dev/v1",
        "kind": "Rollout",
        "metadata": {"name": "canary"},
        "spec": {"steps": steps, **({"guardrails": _watching(drift)} if drift else {})},
    }
    return json.dumps(document)


def _watching(drift: str) -> "list[dict[str, str | float]]":
    """What every plan watches that says nothing of it, and a drift. Raises BadPlan."""
    from budwood.errors import BadPlan

    metric, is_limited, limit = drift.partition("=")
    rail: dict[str, str | float] = {"watch": "drift", "metric": metric}
    if is_limited:
        try:
            rail["limit"] = float(limit)
        except ValueError:
            raise BadPlan(
                f"--drift {drift[:80]!r} has no number.", hint="For example --drift score=0.2.", field="drift"
            ) from None
    return [{"watch": "errors"}, {"watch": "latency"}, {"watch": "sample-ratio"}, rail]


def draw_rollouts(screen: Screen, found: "Sequence[Rollout]") -> None:
    """One line each."""
    if not found:
        screen.line("There was no rollout yet.")
        return
    columns = (
        *(Column("NUMBER", right=True), Column("PLAN"), Column("VERSION"), Column("STATE"), Column("STARTED")),
        *(Column("BY", spare=True), Column("WHY", elastic=True)),
    )
    rows = [
        (
            str(each.id),
            each.name,
            f"v{each.candidate_number}",
            _STATES[each.state],
            screen.moment(each.started_ms),
            each.author,
            each.ended_why,
        )
        for each in found
    ]
    screen.table(columns, rows)


def draw_rollout(screen: Screen, shown: "RolloutShown") -> None:
    """A tree: where it stands, its steps, the two versions, the guardrails, what happened."""
    rollout = shown.rollout
    state = "paused" if rollout.state == "running" and rollout.progress.paused else _STATES[rollout.state]
    screen.heading(f"{rollout.endpoint}: v{rollout.candidate_number} by {rollout.name}  {state}")
    screen.line(f"traffic  {split_text(shown.split)}")
    for line in observed_lines(shown.observed):
        screen.line(f"         {line}")
    if rollout.ended_why:
        screen.line(f"because  {rollout.ended_why}")
    screen.line("├─ steps")
    for number, step in enumerate(shown.steps):
        done = rollout.state == "promoted" or number < rollout.progress.step
        here = number == rollout.progress.step and rollout.state == "running"
        screen.line(f"│  {'✔' if done else '◐' if here else '○'} {number + 1}  {step}")
    screen.line("├─ versions")
    columns = (
        *(Column("VERSION"), Column("REQUESTS", right=True), Column("FAILED", right=True)),
        *(Column("P50", right=True), Column("P95", right=True), Column("P99", right=True)),
    )
    rows = [
        _figures(f"v{rollout.candidate_number} candidate", shown.candidate),
        _figures(f"v{rollout.baseline_number} baseline", shown.baseline),
    ]
    screen.table(columns, rows, indent="│  ")
    screen.line("├─ guardrails")
    for each in shown.verdicts:
        weak = " (a fixed limit)" if each.weak else ""
        screen.line(f"│  {_SIGNS[each.says]} {each.guardrail}{weak}: {each.detail}")
    screen.line("└─ what happened")
    for event in shown.events:
        said = f": {event.detail}" if event.detail else ""
        screen.line(f"   {screen.moment(event.at_ms)}  {event.kind} by {event.actor}{said}")


def _figures(name: str, figures: "ArmFigures") -> tuple[str, ...]:
    failed = f"{figures.failed} ({figures.failed / figures.requests:.2%})" if figures.requests else "0"
    times = (f"{each / 1_000:.1f} ms" if each else "–" for each in (figures.p50_us, figures.p95_us, figures.p99_us))
    return (name, f"{figures.requests:,}", failed, *times)


def _draw_over(shown: "RolloutShown") -> None:
    """In the place of what was drawn before, on a terminal."""
    screen = Screen()
    if screen.is_terminal:
        sys.stdout.write("\x1b[H\x1b[2J")
    draw_rollout(screen, shown)
    sys.stdout.flush()
