"""budwood dataset: data as versions, by fingerprint or with files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Model, Ref, answer, exact, key_values, named, opened
from budwood.cli.help import Command, examples
from budwood.cli.progress import bar
from budwood.cli.screen import Column, Screen
from budwood.cli.sign import read_text
from budwood.cli.words import count, size_text
from budwood.domain.limits import PEM_BYTES, SQL_BYTES
from budwood.errors import BadValue, Damaged, Unsupported

if TYPE_CHECKING:
    from budwood.domain.dataset import Checked, DatasetChange, Fingerprint
    from budwood.domain.results import Pushed

app = typer.Typer(
    rich_markup_mode=None,
    help="Datasets: what data is, as versions that models point at.",
    epilog=examples("budwood dataset add tickets tickets.parquet --pointer", "budwood dataset check tickets"),
)

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Holds the database's password, on its first line."),
]
FILES_SHOWN = 20


@app.command(
    cls=Command,
    epilog=examples(
        "budwood dataset add tickets tickets.csv",
        "budwood dataset add tickets s3://lake/tickets.parquet --pointer",
        "budwood dataset add open-tickets --sql sqlite:///crm.db --query 'select * from tickets where is_open'",
        "budwood dataset add features features/ --parent tickets@v1 --relation derived-from",
    ),
)
def add(
    ctx: typer.Context,
    name: Model,
    source: Annotated[str, typer.Argument(metavar="[PATH|URL]", help="A file, a folder, or an address.")] = "",
    pointer: Annotated[bool, typer.Option("--pointer", help="Keep only where it lies and what it is.")] = False,
    form: Annotated[str, typer.Option("--as", metavar="FORM", help="parquet, csv or file; else its name says.")] = "",
    sql: Annotated[
        str, typer.Option(metavar="URL", help="A database, as SQLAlchemy writes it; always a pointer.")
    ] = "",
    query: Annotated[str, typer.Option(metavar="TEXT", help="What is asked of it: one SELECT.")] = "",
    query_file: Annotated[
        Path | None, typer.Option("--query-file", metavar="FILE", help="Holds what is asked of it.")
    ] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="The order of its rows counts.")] = False,
    password_file: PasswordFile = None,
    label: Annotated[str, typer.Option(metavar="VERSION", help="Its semantic version, such as 1.2.0.")] = "",
    bump: Annotated[str, typer.Option(metavar="STEP", help="The next label: major, minor, patch or auto.")] = "",
    parent: Annotated[list[str] | None, typer.Option(metavar="REF", help="A version it came from. Repeatable.")] = None,
    relation: Annotated[str, typer.Option(help="How it came from them: derived-from, built-by, ...")] = "",
    alias: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Point an alias at it. Repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A remark beside it. Repeatable.")] = None,
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="What is new, in words.")] = "",
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave out files that match. Repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Keep data as a new version of a dataset: its files, or a pointer with a fingerprint.

    Rows, columns and figures of parquet, CSV, folders and queries are read, not typed. When nothing changed, no
    version is made. Passwords are never kept.
    """
    if query and query_file:
        raise BadValue("Give the query as text or in a file, not both.")
    asked = read_text(query_file, SQL_BYTES, "SQL_BYTES") if query_file else query
    tags = key_values(tag or [], "tag")
    with opened(ctx, create=True) as registry:
        with bar(f"Reading {source or 'rows'}", None, json=json) as advance:
            pushed = registry.datasets.add(
                name,
                source,
                pointer=pointer,
                form=form,
                sql=sql,
                query=asked,
                ordered=ordered,
                password=_password(password_file),
                label=label,
                bump=bump,
                parents=parent or (),
                relation=relation,
                aliases=alias or (),
                tags=tags,
                message=message,
                exclude=exclude or (),
                progress=advance,
            )
        held = registry.datasets.show(exact(pushed.version))
    value = {"pushed": pushed, "fingerprint": held}
    answer(value, lambda screen: _draw_added(screen, pushed, held), json=json)


@app.command(cls=Command, epilog=examples("budwood dataset show tickets", "budwood dataset show tickets@v1 --json"))
def show(ctx: typer.Context, ref: Ref, json: Json = False) -> None:
    """Show what a dataset version says of its data: where it lies, rows, columns, figures."""
    with opened(ctx) as registry:
        reference = registry.get(ref).reference
        held = registry.datasets.show(ref)
    value = {"reference": reference, "fingerprint": held}
    answer(value, lambda screen: draw_fingerprint(screen, reference, held), json=json)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood dataset check tickets",
        "budwood dataset check tickets@v1 --at /lake/tickets.parquet",
        "budwood dataset check open-tickets --sql sqlite:///crm.db",
    ),
)
def check(
    ctx: typer.Context,
    ref: Ref,
    at: Annotated[str, typer.Option("--at", metavar="PATH|URL", help="Where it lies now, if not where it did.")] = "",
    sql: Annotated[str, typer.Option(metavar="URL", help="The database to ask; a query is run nowhere else.")] = "",
    password_file: PasswordFile = None,
    json: Json = False,
) -> None:
    """Read the data again: is it still what the version says?

    Exit code 6 when it changed or is missing, 8 when it could not be looked at.
    """
    from budwood.domain.dataset import State

    with opened(ctx) as registry, bar("Reading", None, json=json) as advance:
        found = registry.datasets.check(ref, at=at, sql=sql, password=_password(password_file), progress=advance)
    answer(found, lambda screen: draw_checked(screen, found), json=json)
    if found.state is not State.SAME:
        raise typer.Exit(Unsupported.exit_code if found.state is State.UNCHECKED else Damaged.exit_code)


@app.command(cls=Command, epilog=examples("budwood dataset diff tickets@v1 tickets@v2"))
def diff(
    ctx: typer.Context,
    before: Annotated[str, typer.Argument(metavar="REF", help="A version of a dataset.")],
    after: Annotated[str, typer.Argument(metavar="REF", help="Another, of the same or of another dataset.")],
    json: Json = False,
) -> None:
    """Show how two dataset versions differ: rows, columns, figures, files."""
    with opened(ctx) as registry:
        change = registry.datasets.diff(before, after)
    answer(change, lambda screen: draw_change(screen, change), json=json)


def draw_fingerprint(screen: Screen, reference: str, held: "Fingerprint") -> None:
    screen.pairs(
        [
            ("dataset", reference),
            ("form", f"{held.form.value}, a pointer" if held.pointer else held.form.value),
            ("source", held.source),
            ("query", held.query),
            ("order", ("counts" if held.ordered else "does not count") if held.query else ""),
            ("rows", "" if held.rows is None else str(held.rows)),
            ("size", "" if held.size_bytes is None else size_text(held.size_bytes)),
            ("sha256", held.sha256),
        ]
    )
    if held.columns:
        screen.line()
        screen.table(_COLUMNS, _column_rows(held))
    for file in held.files[:FILES_SHOWN]:
        screen.lines(f"{file.path}  {size_text(file.size)}  {file.sha256[:12]}", "dim")
    if len(held.files) > FILES_SHOWN:
        screen.line(f"{len(held.files) - FILES_SHOWN} more files; --json lists them.", "dim")


def draw_checked(screen: Screen, found: "Checked") -> None:
    screen.line(f"{found.reference}: {found.state.value}. {found.why}", "bold" if found.state == "same" else "")
    if found.source:
        screen.line(found.source, "dim")
    if found.change is not None:
        _draw_tables(screen, found.change)


def draw_change(screen: Screen, change: "DatasetChange") -> None:
    words = change.words
    screen.line("The content is the same." if change.same else "The content differs.")
    for each in words:
        screen.line(f"  {each}")
    _draw_tables(screen, change)


def _draw_added(screen: Screen, pushed: "Pushed", held: "Fingerprint") -> None:
    parts = [
        "unchanged; no new version" if not pushed.created else "a pointer" if held.pointer else "with its files",
        "" if held.rows is None else f"{count(held.rows, 'row')} of {count(len(held.columns), 'column')}",
        "" if held.size_bytes is None else size_text(held.size_bytes),
        f"sha256 {held.sha256[:12]}",
    ]
    screen.line(f"{named(pushed.version)}: {', '.join(part for part in parts if part)}")


def _draw_tables(screen: Screen, change: "DatasetChange") -> None:
    if change.statistics:
        columns = (Column("column", style="bold"), Column("figure"), Column("before"), Column("after"))
        screen.line()
        screen.table(columns, [(each.column, each.figure, each.before, each.after) for each in change.statistics])


def _column_rows(held: "Fingerprint") -> list[tuple[str, ...]]:
    figures = {each.name: each for each in held.statistics}
    rows = []
    for column in held.columns:
        each = figures.get(column.name)
        numbers = (each.count, each.nulls, each.distinct) if each else (None, None, None)
        texts = ["" if number is None else str(number) for number in numbers]
        mean = f"{each.mean:.6g}" if each and each.mean is not None else ""
        word = column.type + ("?" if column.nullable else "")
        rows.append((column.name, word, *texts, each.least if each else "", each.most if each else "", mean))
    return rows


def _password(path: Path | None) -> str:
    return "".join(read_text(path, PEM_BYTES, "PEM_BYTES").splitlines()[:1]) if path else ""


_COLUMNS = (
    Column("column", style="bold", elastic=True),
    Column("type"),
    Column("values", right=True),
    Column("nulls", right=True),
    Column("distinct", right=True),
    Column("least", right=True, spare=True),
    Column("most", right=True, spare=True),
    Column("mean", right=True, spare=True),
)
