"""The command line: what people type. It asks one verb, prints the answer and exits; nothing else happens here.

Commands lie in one file each and are listed in ``COMMANDS`` below. ``main`` turns whatever happens into an exit
code (failures.py); how answers look is decided in screen.py and the render_* files.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer
from typer.main import get_command

from budwood import __version__
from budwood.cli import (
    alias,
    audit,
    backup,
    cache,
    card,
    carrying,
    dataset,
    db,
    delete,
    diff,
    dossier,
    endpoint,
    evaluate,
    evidence,
    gateway,
    grant,
    group,
    hold,
    key,
    ledger,
    lineage,
    log,
    login,
    namespace,
    observing,
    person,
    policy,
    promotion,
    pull,
    push,
    rebuild_index,
    reproduce,
    restore,
    retention,
    retire,
    roll_back,
    rollout,
    scan,
    search,
    serve,
    serve_model,
    show,
    sign,
    stage,
    standard,
    stats,
    sweep,
    tag,
    tier,
    token,
    trace,
    trust,
    usage,
    verify,
    webhook,
)
from budwood.cli import list as list_command
from budwood.cli.face import Typed
from budwood.cli.failures import PIPE_CLOSED, STOPPED, broken, fail, misused, stopped
from budwood.cli.help import Command
from budwood.cli.overview import Overview
from budwood.errors import BudwoodError, StorageFailed, StorageFull

OVERVIEW: Final = f"""\
Budwood {__version__}: every version of every model, immutable, stored once, compared,
released and taken back.

A first day:
  budwood push encoder/ encoder           keep a folder as a new version
  budwood log encoder                     its versions, as a family tree
  budwood diff encoder@v1 encoder@v2      what changed, and what that deserves
  budwood stage encoder@v2 production     release it
  budwood roll-back encoder production    take it back
  budwood pull encoder@production out/    get it back, bit for bit

A version is MODEL@1.2.0, @v7, @champion, @production, @sha256:…, @git:…, or
@2026-11-05T14:30Z. 'budwood --help' lists every command, and 'budwood COMMAND
--help' says what it takes.
"""

app = typer.Typer(
    name="budwood",
    cls=Overview,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: Final[Sequence[tuple[str, Callable[..., None], str]]] = (
    ("push", push.push, push.EPILOG),
    ("pull", pull.pull, pull.EPILOG),
    ("list", list_command.list_models, list_command.EPILOG),
    ("search", search.search, search.EPILOG),
    ("show", show.show, show.EPILOG),
    ("log", log.log, log.EPILOG),
    ("diff", diff.diff, diff.EPILOG),
    ("trace", trace.trace, trace.TRACE_EPILOG),
    ("impact", trace.impact, trace.IMPACT_EPILOG),
    ("reproduce", reproduce.reproduce, reproduce.EPILOG),
    ("tag", tag.tag, tag.EPILOG),
    ("alias", alias.alias, alias.EPILOG),
    ("stage", stage.stage, stage.EPILOG),
    ("roll-back", roll_back.roll_back, roll_back.EPILOG),
    ("retire", retire.retire, retire.EPILOG),
    ("delete", delete.delete, delete.EPILOG),
    ("verify", verify.verify, verify.EPILOG),
    ("scan", scan.scan, scan.EPILOG),
    ("evaluate", evaluate.evaluate, evaluate.EPILOG),
    ("card", card.card, card.CARD_EPILOG),
    ("bom", card.bom, card.BOM_EPILOG),
    ("dossier", dossier.dossier, dossier.EPILOG),
    ("sign", sign.sign, sign.SIGN_EPILOG),
    ("verify-signature", sign.verify_signature, sign.VERIFY_EPILOG),
    ("sweep", sweep.sweep, sweep.EPILOG),
    ("stats", stats.stats, stats.EPILOG),
    ("usage", usage.usage, usage.EPILOG),
    ("rebuild-index", rebuild_index.rebuild_index, rebuild_index.EPILOG),
    ("backup", backup.backup, backup.EPILOG),
    ("restore", restore.restore, restore.EPILOG),
    ("ledger", ledger.ledger, ledger.EPILOG),
    ("login", login.login, login.LOGIN_EPILOG),
    ("logout", login.logout, login.LOGOUT_EPILOG),
    ("whoami", login.whoami, login.WHOAMI_EPILOG),
    ("which", endpoint.which, endpoint.WHICH_EPILOG),
    ("serving", endpoint.serving, endpoint.SERVING_EPILOG),
    ("serve", serve.serve, serve.EPILOG),
    ("serve-model", serve_model.serve_model, serve_model.EPILOG),
)

for _name, _command, _epilog in COMMANDS:
    app.command(_name, cls=Command, epilog=_epilog, help=search.HELP if _name == "search" else None)(_command)

observing.add_to(endpoint.app, rollout.app)
for _name, _commands in (
    ("import", carrying.import_app),
    ("export", carrying.export_app),
    ("db", db.app),
    ("dataset", dataset.app),
    ("audit", audit.app),
    ("lineage", lineage.app),
    ("policy", policy.app),
    ("standard", standard.app),
    ("evidence", evidence.app),
    ("promotion", promotion.app),
    ("key", key.app),
    ("endpoint", endpoint.app),
    ("rollout", rollout.app),
    ("gateway", gateway.app),
    ("retention", retention.app),
    ("hold", hold.app),
    ("tier", tier.app),
    ("cache", cache.app),
    ("namespace", namespace.app),
    ("person", person.app),
    ("group", group.app),
    ("grant", grant.app),
    ("token", token.app),
    ("trust", trust.app),
    ("webhook", webhook.app),
):
    app.add_typer(_commands, name=_name)


@app.callback(invoke_without_command=True)
def budwood(
    ctx: typer.Context,
    registry: Annotated[
        str,
        typer.Option(
            "--registry",
            metavar="PATH|URL",
            help="The registry's folder, or a server; else BUDWOOD_REGISTRY, or the nearest .budwood.",
        ),
    ] = "",
    debug: Annotated[bool, typer.Option("--debug", help="When something fails, print the traceback too.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Every version of every model: immutable, stored once, compared, released and taken back."""
    typed = ctx.ensure_object(Typed)
    typed.registry, typed.debug = registry, debug
    if version:
        sys.stdout.write(f"budwood {__version__}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        sys.stdout.write(OVERVIEW)


def main() -> None:
    """What the ``budwood`` program does."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show an arrow shows a question mark; that is no reason to fail.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Never raises."""
    typed, as_json = Typed(), "--json" in arguments
    try:
        code = _run(arguments, typed, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        code = PIPE_CLOSED
    except Exception as error:
        code = broken(error, as_json=as_json, debug=typed.debug)
    if code == PIPE_CLOSED:
        # What is still buffered has nowhere to go, and must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(arguments: Sequence[str], typed: Typed, *, as_json: bool) -> int:
    try:
        code = get_command(app).main(list(arguments), prog_name="budwood", standalone_mode=False, obj=typed)
    except BudwoodError as error:
        return fail(error, as_json=as_json, debug=typed.debug)
    except typer.TyperException as error:
        return _misused(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return stopped(as_json=as_json)
    except SystemExit as ended:
        # Shell completion ends so, and --help whose reader has gone.
        return ended.code if isinstance(ended.code, int) else 0
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(_failed(error), as_json=as_json, debug=typed.debug)
    return stopped(as_json=as_json) if code == STOPPED else int(code or 0)


def _failed(error: OSError) -> BudwoodError:
    """The system said no, at a place that no verb foresaw: a folder without permission, a disk that went away."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    kind = StorageFull if full else StorageFailed
    place = f": {error.filename}" if error.filename else ""
    return kind(f"{error.strerror or error}{place}.")


def _misused(error: typer.TyperException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "budwood"
    usage = context.get_usage() if context is not None else ""
    return misused(error.format_message(), usage, command, as_json=as_json)
