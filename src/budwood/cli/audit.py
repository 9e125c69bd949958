"""budwood audit: the ledger for those who trust nobody: checkpoints, checking, proofs, bundles, erasing."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.ledger import draw_entries
from budwood.cli.plain import plain
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count
from budwood.errors import Invalid, LedgerDamaged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.asks_audit import Erased, LedgerVerified, ProvenLeaf, SignedCheckpoint, Witnessed

app = typer.Typer(
    rich_markup_mode=None,
    help="The ledger, signed: nobody rewrites it unnoticed, and anybody can check.",
    epilog=examples("budwood audit verify", "budwood audit export audit/"),
)

New = Annotated[str, typer.Argument(metavar="FOLDER", help="A new or empty folder.")]


@app.command(cls=Command, epilog=examples("budwood audit log", "budwood audit log --after 100 --json"))
def log(
    ctx: typer.Context,
    limit: Limit = 100,
    after: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Only entries behind this one.")] = 0,
    json: Json = False,
) -> None:
    """Show the entries, oldest first, and how many of them are signed."""
    with opened(ctx) as registry:
        entries = registry.ledger(after=after, limit=limit)
        signed = registry.audit.checkpoint().size if entries else 0
    answer({"entries": entries, "signed": signed}, lambda screen: draw_entries(screen, entries), json=json)
    if entries and not json:
        note(f"Signed up to entry {signed}.")


@app.command(cls=Command, epilog=examples("budwood audit checkpoint", "budwood audit checkpoint --json"))
def checkpoint(
    ctx: typer.Context,
    forget: Annotated[
        bool, typer.Option("--forget", help="Do not compare it with the last one seen: the registry was made anew.")
    ] = False,
    witnessed: Annotated[bool, typer.Option("--witnessed", help="The newest that a witness signed, too.")] = False,
    json: Json = False,
) -> None:
    """Print the newest signed state, once it was compared with the last one seen. Keep it somewhere else."""
    with opened(ctx) as registry:
        found = registry.audit.checkpoint(forget=forget, witnessed=witnessed)
    answer(found, lambda screen: _draw_checkpoint(screen, found), json=json)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood audit witness witness.key --name auditors.example/one", "budwood audit witness witness.key"
    ),
)
def witness(
    ctx: typer.Context,
    key_file: Annotated[str, typer.Argument(metavar="FILE", help="Where the witness's key is; its own, and secret.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Make the key, under this name, and print it.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Only print the key's public half, for an admin.")] = False,
    json: Json = False,
) -> None:
    """Sign the newest checkpoint as a witness, once it continues the last one that this key signed.

    For another machine than the registry's. An admin names the witness first: budwood audit witnesses --add KEY.
    """
    from budwood.client.witness import open_witness

    if name or public:
        key = open_witness(key_file, name).key.text
        answer({"key": key}, lambda screen: screen.lines(key), json=json)
        return
    with opened(ctx) as registry:
        found = registry.audit.witness(key_file, int(time.time()))
    told = f"{found.key.partition('+')[0]} signed {_entries(found.size)}; it had signed {found.before:,}."
    answer(found, lambda screen: screen.line(told), json=json)


@app.command(cls=Command, epilog=examples("budwood audit witnesses", "budwood audit witnesses --add KEY"))
def witnesses(
    ctx: typer.Context,
    add: Annotated[str, typer.Option(metavar="KEY", help="Keep the lines of this witness.")] = "",
    remove: Annotated[str, typer.Option(metavar="KEY", help="Take no more lines of this one.")] = "",
    json: Json = False,
) -> None:
    """List the witnesses of the ledger, and how much of it each has signed."""
    with opened(ctx) as registry:
        if remove:
            registry.audit.remove_witness(remove)
        found = registry.audit.add_witness(add) if add else registry.audit.witnesses()
    answer({"witnesses": found}, lambda screen: _draw_witnesses(screen, found), json=json)


@app.command(cls=Command, epilog=examples("budwood audit verify", "budwood audit verify --json"))
def verify(ctx: typer.Context, json: Json = False) -> None:
    """Compute the whole ledger again from its rows. When something was changed: exit code 6, and the first index."""
    with opened(ctx) as registry:
        found = registry.audit.verify()
    answer(found, lambda screen: _draw_verified(screen, found), json=json)
    if found.problems:
        raise typer.Exit(LedgerDamaged.exit_code)


@app.command(cls=Command, epilog=examples("budwood audit prove 7", "budwood audit prove 7 proof/"))
def prove(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="An entry, as 'budwood ledger' numbers it.", min=1)],
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="Where to write entry and proof.")] = "",
    json: Json = False,
) -> None:
    """Prove that one entry is in the signed ledger; with a folder, for anybody to check with budwood_verify.py."""
    with opened(ctx) as registry:
        found = registry.audit.prove(number, folder or None)
    answer(found, lambda screen: _draw_proven(screen, found), json=json)


@app.command(cls=Command, epilog=examples("budwood audit export audit/", "budwood audit export audit/ --no-openings"))
def export(
    ctx: typer.Context,
    folder: New,
    openings: Annotated[bool, typer.Option(help="With or without what names people.")] = True,
    json: Json = False,
) -> None:
    """Write the whole ledger as a bundle that budwood_verify.py checks where there is no registry."""
    with opened(ctx) as registry:
        files = registry.audit.export(folder, openings=openings)
    told = f"{count(files, 'file')} in {folder}. Check them: python budwood_verify.py {folder} --key KEY"
    answer({"folder": folder, "files": files}, lambda screen: screen.line(told), json=json)


@app.command(cls=Command, epilog=examples("budwood audit erase mara --account --also mara@example.com"))
def erase(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Their name, as the ledger has it.")],
    also: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Another word for them; repeatable.")] = None,
    account: Annotated[
        bool, typer.Option("--account", help="Disable their account, too, and forget its address and log-in.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where nobody can answer.")] = False,
    json: Json = False,
) -> None:
    """Forget what the ledger says of a person. It cannot be brought back; every proof goes on holding."""
    _ask(f"Forget {person} in every entry of the ledger, for ever?", yes=yes)
    with opened(ctx) as registry:
        found = registry.audit.erase(person, also or (), account=account)
    answer(found, lambda screen: screen.line(_erased_text(found)), json=json)


def _ask(question: str, *, yes: bool) -> None:
    """Raises Invalid where nobody can answer; ends the command when the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Invalid("Erasing asks first, and nobody can answer here.", hint="Give --yes if you mean it.")
    if not typer.confirm(plain(question), err=True):
        note("Nothing was forgotten.")
        raise typer.Exit(1)


def _draw_checkpoint(screen: Screen, found: "SignedCheckpoint") -> None:
    screen.lines(found.note)
    screen.line(f"key {found.key}")


def _draw_verified(screen: Screen, found: "LedgerVerified") -> None:
    looked_at = f"{_entries(found.entries)}, {count(found.checkpoints, 'checkpoint')}"
    erased = f", {count(found.erased, 'field')} forgotten" if found.erased else ""
    verdict = "all is well" if not found.problems else f"{count(len(found.problems), 'problem')} found"
    screen.line(f"{looked_at}{erased}: {verdict}")
    if found.first_bad >= 0:
        upto = f", or up to {found.last_bad}" if found.last_bad != found.first_bad else ""
        screen.line(f"First bad entry: index {found.first_bad}{upto} (entry {found.first_bad + 1}).", "bold red")
    for problem in found.problems:
        screen.line(f"- {problem}")
    for each in found.witnesses:
        name, seen = each.key.partition("+")[0], screen.moment(each.at_s * 1000)
        screen.line(f"{name} signed {_entries(each.size)}, {seen}." if each.size else f"{name} signed nothing yet.")


def _draw_witnesses(screen: Screen, found: "Sequence[Witnessed]") -> None:
    columns = (Column("witness", style="bold"), Column("signed", right=True), Column("at", style="dim"), Column("key"))
    rows = [
        (
            each.key.partition("+")[0],
            f"{each.size:,}",
            screen.moment(each.at_s * 1000) if each.size else "",
            each.key,
        )
        for each in found
    ]
    screen.table(columns, rows) if rows else screen.line("There are no witnesses: budwood audit witnesses --add KEY")


def _draw_proven(screen: Screen, found: "ProvenLeaf") -> None:
    screen.line(found.leaf)
    screen.line(f"is entry {found.index + 1} of {found.checkpoint.size}, by {_hashes(len(found.hashes))}.")


def _erased_text(found: "Erased") -> str:
    account = " The account is disabled and empty." if found.account else ""
    return f"{count(found.fields, 'field')} forgotten in {_entries(found.entries)}.{account}"


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def _hashes(number: int) -> str:
    return f"{number} {'hash' if number == 1 else 'hashes'}"
