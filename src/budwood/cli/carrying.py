"""budwood import and budwood export: bundles of ours, and all that an MLflow server holds.

The word behind ``import`` or ``export`` is a bundle's file, or a version, unless it is ``mlflow``: so both are groups
that read their first word themselves.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from budwood.cli import emit, export, import_bundle
from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.progress import counting
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, size_text
from budwood.errors import Damaged

if TYPE_CHECKING:
    from budwood.domain.carrying.report import Carried

_HELP: Final = frozenset({"-h", "--help"})


class WithBundles(TyperGroup):
    """``budwood import encoder.budwood`` is ``budwood import bundle encoder.budwood``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in _HELP and args[0] not in self.commands:
            args = ["bundle", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


import_app = typer.Typer(
    cls=WithBundles,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Take in versions: a bundle from another registry, or all that an MLflow server holds.",
    epilog=examples("budwood import encoder.budwood", "budwood import mlflow http://mlflow:5000 --namespace risk"),
)
export_app = typer.Typer(
    cls=WithBundles,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Write versions: as one file for another registry, as manifests for systems that serve them, or all of a "
    "namespace into an MLflow server.",
    epilog=examples(
        "budwood export encoder@v1 --output encoder.budwood",
        "budwood export manifests kserve fraud-detector@v2 --serving serving.yaml",
        "budwood export mlflow http://mlflow:5000 --namespace risk",
    ),
)
import_app.command("bundle", cls=Command, epilog=import_bundle.EPILOG)(import_bundle.import_bundle)
export_app.command("bundle", cls=Command, epilog=export.EPILOG)(export.export)
export_app.command("manifests", cls=Command, epilog=emit.EPILOG)(emit.emit)

Namespace = Annotated[str, typer.Option("--namespace", metavar="NAME", help="The namespace here.")]
Files = Annotated[bool, typer.Option("--files/--no-files", help="With artifacts, or records alone.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List what would come, and write nothing.")]
Workspace = Annotated[str, typer.Option("--workspace", metavar="NAME", help="One of the MLflow server's workspaces.")]


@import_app.command(
    "mlflow",
    cls=Command,
    epilog=examples(
        "budwood import mlflow http://mlflow:5000 --dry-run",
        "budwood import mlflow http://mlflow:5000 --namespace risk",
        "budwood import mlflow sqlite:///mlflow.db --artifacts mlartifacts/",
        "budwood import mlflow postgresql://reader@db/mlflow --artifacts s3://team/mlflow",
        "budwood import mlflow mlruns/",
    ),
)
def import_mlflow(
    ctx: typer.Context,
    uri: Annotated[
        str, typer.Argument(metavar="URI", help="A server's address, sqlite:///…, postgresql://…, or an mlruns folder.")
    ],
    namespace: Namespace = "default",
    artifacts: Annotated[
        list[str] | None,
        typer.Option("--artifacts", metavar="PLACE", help="A folder, or s3://…, where files may be read. Repeatable."),
    ] = None,
    workspace: Workspace = "",
    files: Files = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Bring over experiments, runs, models, versions, artifacts, traces, evaluation datasets and scorers.

    Run it again to go on, or for what is new. Everything is compared afterwards: exit code 6 when something differs.
    Passwords are read from MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    with opened(ctx, create=True) as registry, counting("Importing", json=json) as tell:
        carried = registry.import_mlflow(
            uri,
            namespace,
            artifacts=artifacts or (),
            workspace=workspace,
            with_files=files,
            dry_run=dry_run,
            tell=tell,
        )
    told(carried, json=json)


@export_app.command(
    "mlflow",
    cls=Command,
    epilog=examples(
        "budwood export mlflow http://mlflow:5000 --namespace risk --dry-run",
        "budwood export mlflow http://mlflow:5000 --namespace risk",
    ),
)
def export_mlflow(
    ctx: typer.Context,
    uri: Annotated[str, typer.Argument(metavar="URI", help="The address of a running MLflow server.")],
    namespace: Namespace = "default",
    workspace: Workspace = "",
    files: Files = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write experiments, runs, models, versions, artifacts, traces and what judges them into an MLflow server.

    Run it again to go on. Everything is compared afterwards: exit code 6 when something differs.
    Passwords are read from MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    with opened(ctx) as registry, counting("Exporting", json=json) as tell:
        carried = registry.export_mlflow(
            uri, namespace, workspace=workspace, with_files=files, dry_run=dry_run, tell=tell
        )
    told(carried, json=json)


def told(carried: "Carried", *, json: bool) -> None:
    """The report, and the exit code that goes with it."""
    value = {"equal": carried.equal, **_fields(carried)} if json else carried
    answer(value, lambda screen: draw_carried(screen, carried), json=json)
    if not carried.equal:
        raise typer.Exit(Damaged.exit_code)


def draw_carried(screen: Screen, carried: "Carried") -> None:
    columns = (
        Column("", style="bold"),
        Column("there", right=True),
        Column("brought", right=True),
        Column("same already", right=True),
        Column("differ", right=True),
    )
    rows = [(each.kind, *map(_number, (each.found, each.brought, each.kept, each.differs))) for each in carried.tallies]
    screen.table(columns, rows)
    for note in carried.notes:
        screen.line(note)
    for each in carried.differences:
        screen.line(f"{each.kind} {each.name}: {each.reason}", "red")
    if carried.differing > len(carried.differences):
        screen.line(f"… and {carried.differing - len(carried.differences):,} more")
    if carried.dry:
        screen.line(f"Nothing was written. {size_text(carried.bytes)} of files would come.")
        return
    verdict = "everything is the same on both sides" if carried.equal else f"{count(carried.differing, 'thing')} differ"
    screen.line(f"{size_text(carried.bytes)} of files read; {verdict}. sha256:{carried.digest}")


def _number(number: int) -> str:
    return f"{number:,}" if number else "-"


def _fields(carried: "Carried") -> dict[str, object]:
    import dataclasses

    return {field.name: getattr(carried, field.name) for field in dataclasses.fields(carried)}
