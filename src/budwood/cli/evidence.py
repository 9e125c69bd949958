"""budwood evidence: recorded results about a version."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, key_values, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.policy.evidence import Evidence

app = typer.Typer(
    rich_markup_mode=None,
    help="Evidence: results about a version, by somebody, on some data. Added; never changed or removed.",
    epilog=examples("budwood evidence list encoder@v2"),
)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood evidence add encoder@v2 evaluation --metric accuracy=0.93 --dataset holdout --samples 2000",
        "budwood evidence add encoder@v2 fairness --outcome passed --summary 'Gap under 1 %'",
    ),
)
def add(
    ctx: typer.Context,
    ref: Ref,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="evaluation, fairness, robustness, ab-test, integration, scan or performance."
        ),
    ],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="K=V", help="A measured value. Repeatable.")
    ] = None,
    outcome: Annotated[str, typer.Option(metavar="WORD", help="passed or failed, where it comes to that.")] = "",
    dataset: Annotated[str, typer.Option(metavar="NAME", help="On which data: a version's digest, or a name.")] = "",
    samples: Annotated[int, typer.Option(min=0, metavar="N", help="On how many.")] = 0,
    summary: Annotated[str, typer.Option(metavar="TEXT", help="What it says, in words.")] = "",
    json: Json = False,
) -> None:
    """Record a result about a version. A policy asks for such results before a guarded stage or alias moves."""
    metrics = {name: _number(name, value) for name, value in key_values(metric or [], "metric").items()}
    with opened(ctx) as registry:
        added = registry.gates.add_evidence(
            ref, kind, outcome=outcome, metrics=metrics, dataset=dataset, samples=samples, summary=summary
        )
    answer(added, lambda screen: draw_evidence(screen, [added]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood evidence list encoder@v2"))
def list_(ctx: typer.Context, ref: Ref, json: Json = False) -> None:
    """List the results about a version, oldest first."""
    with opened(ctx) as registry:
        found = registry.gates.evidence(ref)
    answer({"evidence": found}, lambda screen: draw_evidence(screen, found), json=json)


def draw_evidence(screen: Screen, found: "Sequence[Evidence]") -> None:
    columns = (
        Column("digest"),
        Column("kind", style="bold"),
        Column("says", elastic=True),
        Column("on"),
        Column("samples", right=True),
        Column("by", spare=True),
        Column("given", style="dim"),
    )
    rows = []
    for each in found:
        metrics = ", ".join(f"{name} {value:g}" for name, value in each.metrics.items())
        says = ", ".join(word for word in (str(each.outcome), metrics, each.summary) if word)
        samples = f"{each.samples:,}" if each.samples else ""
        rows.append(
            (each.digest[:12], str(each.kind), says, each.dataset, samples, each.author, screen.moment(each.at_ms))
        )
    screen.table(columns, rows) if rows else screen.line("Nothing is recorded about it yet.")


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadValue(f"The metric {name!r} is {text!r}, not a number.", metric=name) from error
