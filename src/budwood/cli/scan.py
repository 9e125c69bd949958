"""budwood scan: may this be loaded, or would loading it run something else?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, note, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar, bytes_below
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count
from budwood.errors import Damaged, Forbidden, Refused

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.scan.report import Report

EPILOG = examples("budwood scan downloads/model.pt", "budwood scan encoder/", "budwood scan encoder@champion --json")


def scan(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="FILE|FOLDER|REF", help="What lies at this path; else a version of the registry.")
    ],
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="Leave out files like this; repeat.")] = None,
    json: Json = False,
) -> None:
    """Look for code that loading would run, without running anything.

    Of a version the registry keeps what it finds itself, as evidence that a policy may ask for. Exit code 5 when
    something is blocked, 6 when something could not be looked at to its end.
    """
    from budwood.scan.report import Verdict

    report = _report(ctx, what, exclude or [], json=json)
    answer(_value(report) if json else None, lambda screen: draw_report(screen, report), json=json)
    if report.verdict is not Verdict.CLEAN:
        raise typer.Exit(Refused.exit_code if report.verdict is Verdict.BLOCKED else Damaged.exit_code)


def draw_report(screen: Screen, report: "Report") -> None:
    columns = (
        Column("file", style="bold"),
        Column("verdict"),
        Column("rule"),
        Column("inside", elastic=True, spare=True),
        Column("at", right=True, spare=True),
        Column("what", elastic=True),
    )
    rows = [
        (file.file, file.verdict.value, each.rule, each.inner, str(each.offset) if each.offset >= 0 else "", each.what)
        for file in report.files
        for each in file.findings
    ]
    if rows:
        screen.table(columns, rows)
        screen.line()
    for fix in dict.fromkeys(each.fix for each in report.findings if each.severity != "note"):
        screen.line(fix, "dim")
    verdicts = [file.verdict.value for file in report.files]
    counted = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    screen.line(f"{count(len(report.files), 'file')}: {counted or 'nothing to look at'}")


def _report(ctx: typer.Context, what: str, exclude: list[str], *, json: bool) -> "Report":
    path = Path(what)
    if path.exists() or path.is_symlink():
        from budwood.scan.files import scan_files

        with bar("Scanning", lambda: bytes_below([path]), json=json) as advance:
            return scan_files(path, exclude=exclude, progress=advance)
    with opened(ctx) as registry:
        with bar("Scanning", None, json=json) as advance:
            report = registry.scan(what, progress=advance)
        _record(registry, what)
    return report


def _record(registry: "Registry", reference: str) -> None:
    """A reader may look; what is kept, who may push or release asks for."""
    try:
        kept = registry.gates.scan(reference)
    except Forbidden as error:
        note(f"Not recorded: {error.message}")
    else:
        note(f"Recorded as evidence {kept.digest[:12]}: {kept.outcome}.")


def _value(report: "Report") -> dict[str, object]:
    return {
        "verdict": report.verdict,
        "files": [
            {
                "file": file.file,
                "format": file.format,
                "verdict": file.verdict,
                "findings": [
                    {
                        "inner": each.inner,
                        "offset": each.offset,
                        "rule": each.rule,
                        "severity": each.severity,
                        "what": each.what,
                        "fix": each.fix,
                    }
                    for each in file.findings
                ],
            }
            for file in report.files
        ],
    }
