"""budwood evidence: recorded results about a version."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, key_values, opened
from budwood.cli.help import Command, examples
from budwood.cli.render_comparison import draw_comparison
from budwood.cli.screen import Column, Screen
from budwood.cli.sign import read_text
from budwood.cli.words import count
from budwood.domain.limits import PEM_BYTES
from budwood.errors import BadValue, StorageFailed, TargetDiffers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.asks_gates import Attached
    from budwood.domain.policy.evidence import Evidence

_NUMBER = "Write KEY=VALUE with a finite number: accuracy=0.91."
SignKey = Annotated[
    Path | None, typer.Option("--sign", metavar="FILE", help="Your private key, in PEM: sign what is recorded with it.")
]

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
        "budwood evidence add encoder@v2 robustness --outcome passed --file report.html --sign key.pem",
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
    outcome: Annotated[str, typer.Option(metavar="WORD", help="passed, failed or error, where it comes to that.")] = "",
    dataset: Annotated[str, typer.Option(metavar="NAME", help="On which data: a version's digest, or a name.")] = "",
    samples: Annotated[int, typer.Option(min=0, metavar="N", help="On how many.")] = 0,
    summary: Annotated[str, typer.Option(metavar="TEXT", help="What it says, in words.")] = "",
    detail: Annotated[
        list[str] | None, typer.Option("--detail", metavar="K=V", help="How it was found. Repeatable.")
    ] = None,
    file: Annotated[
        list[Path] | None, typer.Option("--file", metavar="FILE", help="Keep this file with it. Repeatable.")
    ] = None,
    sign: SignKey = None,
    json: Json = False,
) -> None:
    """Record a result about a version. A policy asks for such results before a guarded stage or alias moves."""
    metrics = {name: _number(name, value) for name, value in key_values(metric or [], "metric").items()}
    details, key = key_values(detail or [], "detail"), read_text(sign, PEM_BYTES, "PEM_BYTES") if sign else ""
    with opened(ctx) as registry:
        added = registry.gates.add_evidence(
            ref,
            kind,
            outcome=outcome,
            metrics=metrics,
            dataset=dataset,
            samples=samples,
            summary=summary,
            details=details,
            files=file or (),
            key=key,
        )
    answer(added, lambda screen: draw_evidence(screen, [added]), json=json)


@app.command("list", cls=Command, epilog=examples("budwood evidence list encoder@v2"))
def list_(ctx: typer.Context, ref: Ref, json: Json = False) -> None:
    """List the results about a version, oldest first."""
    with opened(ctx) as registry:
        found = registry.gates.evidence(ref)
    answer({"evidence": found}, lambda screen: draw_evidence(screen, found), json=json)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood evidence files encoder@v2 4f9c21aa",
        "budwood evidence files encoder@v2 4f9c21aa --output reports/",
    ),
)
def files(
    ctx: typer.Context,
    ref: Ref,
    evidence: Annotated[str, typer.Argument(metavar="DIGEST", help="The evidence: what begins its digest.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write them there; else they are listed.")
    ] = None,
    json: Json = False,
) -> None:
    """List the files of a piece of evidence, or get them back."""
    with opened(ctx) as registry:
        found = registry.gates.evidence_files(ref, evidence)
    if output is not None:
        _write(output, found)
    said = [{"name": each.name, "size": len(each.content)} for each in found]
    answer({"files": said}, lambda screen: _draw_files(screen, found, output), json=json)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood evidence compare encoder@champion encoder@v7",
        "budwood evidence compare encoder@v6 encoder@v7 --dataset default/holdout@v3 --json",
    ),
)
def compare(
    ctx: typer.Context,
    champion: Annotated[str, typer.Argument(metavar="REF", help="The version to beat.")],
    candidate: Annotated[str, typer.Argument(metavar="REF", help="The one that may replace it.")],
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="On these data; else on the newest that both were measured on.")
    ] = "",
    json: Json = False,
) -> None:
    """Compare what was measured of two versions, metric by metric."""
    with opened(ctx) as registry:
        found = registry.gates.compare(champion, candidate, dataset=dataset)
    answer(found, lambda screen: draw_comparison(screen, found), json=json)


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
        attached = count(len(each.files), "file") if each.files else ""
        signed = f"signed with {each.key[:12]}" if each.key else ""
        says = ", ".join(word for word in (str(each.outcome), metrics, each.summary, attached, signed) if word)
        on = each.details.get("dataset", "") or (each.dataset[:12] if len(each.dataset) == 64 else each.dataset)
        samples = f"{each.samples:,}" if each.samples else ""
        rows.append((each.digest[:12], str(each.kind), says, on, samples, each.author, screen.moment(each.at_ms)))
    screen.table(columns, rows) if rows else screen.line("Nothing is recorded about it yet.")


def _write(folder: Path, files: "Sequence[Attached]") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in files:
            path = folder / each.name
            if path.exists() and path.read_bytes() != each.content:
                raise TargetDiffers(f"{path} exists and holds something else.", path=str(path))
            path.write_bytes(each.content)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.", path=str(folder)) from error


def _draw_files(screen: Screen, files: "Sequence[Attached]", output: Path | None) -> None:
    if not files:
        screen.line("No files came with it.")
        return
    screen.table(
        (Column("file", style="bold"), Column("bytes", right=True)), [(f.name, f"{len(f.content):,}") for f in files]
    )
    if output is not None:
        screen.line(f"Written to {output}.")


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadValue(f"The metric {name!r} is {text!r}, not a number.", hint=_NUMBER, metric=name) from error
