"""budwood evaluate: measure a version with one's own entry point, and keep what it says."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.evidence import SignKey
from budwood.cli.face import Json, Ref, answer, note, opened
from budwood.cli.help import examples
from budwood.cli.render_comparison import draw_comparison, shown_interval
from budwood.cli.screen import Column, Screen
from budwood.cli.sign import read_text
from budwood.domain.limits import MIB, PEM_BYTES
from budwood.errors import EvaluationFailed, Refused

if TYPE_CHECKING:
    from budwood.client.evaluating.evaluate import Evaluated

EPILOG = examples(
    "budwood evaluate ranker@v7 --entry bench.py --dataset holdout@v3",
    "budwood evaluate ranker@v7 --entry bench:accuracy --dataset holdout@v3 --champion @champion",
    "budwood evaluate ranker@v7 --entry bench.py --dataset holdout --python .venv/bin/python --time 600 --json",
)


def evaluate(
    ctx: typer.Context,
    ref: Ref,
    entry: Annotated[str, typer.Option("--entry", metavar="ENTRY", help="A script, or module:function.")],
    dataset: Annotated[str, typer.Option("--dataset", metavar="REF", help="The version of a dataset to measure on.")],
    champion: Annotated[
        str,
        typer.Option("--champion", metavar="REF", help="Compare with this version; @champion is of the same model."),
    ] = "",
    python: Annotated[str, typer.Option("--python", metavar="FILE", help="The interpreter; else this one.")] = "",
    time: Annotated[float, typer.Option("--time", metavar="SECONDS", help="End it after so long.")] = 3600,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MIB", help="End it when it holds more, with all it started.")
    ] = 16_384,
    less: Annotated[
        list[str] | None, typer.Option("--less-is-better", metavar="METRIC", help="Of this metric. Repeatable.")
    ] = None,
    margin: Annotated[float, typer.Option("--margin", metavar="X", help="A difference within it is the same.")] = 0.0,
    sign: SignKey = None,
    json: Json = False,
) -> None:
    """Run your evaluation of a version here, and keep what it measured as evidence.

    The entry is given the folder of the model and that of the data, and says JSON lines. Exit code 5 when a metric is
    worse than the champion's.
    """
    key = read_text(sign, PEM_BYTES, "PEM_BYTES") if sign else ""
    with opened(ctx) as registry:
        try:
            found = registry.evaluate(
                ref,
                entry,
                dataset,
                champion=champion,
                python=python,
                time_s=time,
                memory_bytes=memory * MIB,
                less_is_better=less or (),
                margin=margin,
                key=key,
                say=(lambda _: None) if json else note,
            )
        except EvaluationFailed as error:
            _show_log(str(error.facts.get("log", "")))
            raise
    answer(_value(found) if json else None, lambda screen: _draw(screen, found), json=json)
    if found.comparison is not None and found.comparison.outcome == "failed":
        raise typer.Exit(Refused.exit_code)


def _draw(screen: Screen, found: "Evaluated") -> None:
    evidence = found.evidence
    columns = (
        Column("metric", style="bold"),
        Column("value", right=True),
        Column("95 % interval"),
    )
    rows = [
        (name, f"{value:.4g}", shown_interval(evidence.intervals.get(name))) for name, value in evidence.metrics.items()
    ]
    screen.table(columns, rows)
    screen.line(f"{evidence.summary} Kept as evidence {evidence.digest[:12]}.")
    if found.comparison is not None:
        screen.line()
        draw_comparison(screen, found.comparison)


def _value(found: "Evaluated") -> dict[str, object]:
    return {"evidence": found.evidence, "comparison": found.comparison, "seconds": found.seconds}


def _show_log(log: str) -> None:
    for line in log.splitlines()[-20:]:
        note(f"  {line}")
