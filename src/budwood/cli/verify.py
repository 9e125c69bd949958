"""budwood verify: is everything still here, and what it claims to be?"""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, duration_text, size_text
from budwood.errors import Damaged

if TYPE_CHECKING:
    from budwood.domain.results import Verified

EPILOG = examples("budwood verify", "budwood verify --read-data", "budwood verify --read-data --mend")


def verify(
    ctx: typer.Context,
    read_data: Annotated[bool, typer.Option("--read-data", help="Also decode and hash every block.")] = False,
    mend: Annotated[bool, typer.Option("--mend", help="Put right what can be had from another copy.")] = False,
    backup: Annotated[str, typer.Option("--from", metavar="FOLDER", help="A backup to mend from, too.")] = "",
    json: Json = False,
) -> None:
    """Check that everything is here and what it claims to be.

    The catalog, every manifest and every pack; with --read-data every byte. Exit code 6 when something is wrong.
    """
    with opened(ctx) as registry:
        total = (lambda: registry.stats().unique_bytes) if read_data else 0
        with bar("Verifying", total, json=json or not read_data) as advance:
            verified = registry.verify(read_data=read_data, mend=mend, backup=backup, progress=advance)
    value = verified if not json else _value(verified)
    answer(value, lambda screen: draw_verified(screen, verified, read_data=read_data), json=json)
    if verified.problems:
        raise typer.Exit(Damaged.exit_code)


def draw_verified(screen: Screen, verified: "Verified", *, read_data: bool) -> None:
    looked_at = (
        f"{count(verified.versions, 'version')}, {count(verified.blocks, 'block')} in {count(verified.packs, 'pack')}"
    )
    read = f", {size_text(verified.bytes_read)} read" if read_data else ""
    verdict = "all is well" if not verified.problems else f"{count(len(verified.problems), 'problem')} found"
    screen.line(f"{looked_at}{read}, {duration_text(verified.seconds)}: {verdict}")
    if verified.mended:
        screen.line(f"{count(len(verified.mended), 'block')} put right:")
        touched = (Column("what was wrong", elastic=True), Column("versions touched"))
        screen.table(touched, [(each.detail, ", ".join(each.versions)) for each in verified.mended])
    if verified.problems:
        columns = (Column("where", style="bold red"), Column("what is wrong", elastic=True), Column("versions touched"))
        screen.table(columns, [(each.code, each.detail, ", ".join(each.versions)) for each in verified.problems])
    elif not read_data:
        screen.line("Stored bytes were not read; --read-data checks every one.", "dim")


def _value(verified: "Verified") -> dict[str, object]:
    return {
        "ok": not verified.problems,
        "versions": verified.versions,
        "blocks": verified.blocks,
        "packs": verified.packs,
        "bytes_read": verified.bytes_read,
        "seconds": verified.seconds,
        "problems": verified.problems,
        "mended": verified.mended,
    }
