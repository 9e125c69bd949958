"""budwood webhook: where the ledger entries of a namespace are sent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.errors import BadValue, SourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.people import Delivery, Webhook

app = typer.Typer(
    rich_markup_mode=None,
    help="Webhooks: a server sends the ledger entries of a namespace to an address, signed.",
    epilog=examples("budwood webhook add risk https://ci.example.com/budwood", "budwood webhook deliveries risk 3"),
)

Place = Annotated[str, typer.Argument(metavar="NAMESPACE", help="Whose ledger entries.")]
Url = Annotated[str, typer.Argument(metavar="URL", help="Where to: https://HOST[:PORT]/PATH.")]
Id = Annotated[int, typer.Argument(metavar="ID", help="As 'budwood webhook list' shows it.", min=1)]
DeliveryId = Annotated[int, typer.Argument(metavar="DELIVERY", help="As 'deliveries' shows it.", min=1)]
Actions = Annotated[
    list[str] | None,
    typer.Option("--action", metavar="ACTION", help="version.pushed, 'alias.*', ... Repeatable; none: all."),
]


@app.command(
    cls=Command,
    epilog=examples(
        "budwood webhook add risk https://ci.example.com/budwood",
        "budwood webhook add risk https://ci.example.com/budwood --action version.pushed --action 'alias.*'",
    ),
)
def add(
    ctx: typer.Context,
    namespace: Place,
    url: Url,
    action: Actions = None,
    openlineage: Annotated[
        bool, typer.Option("--openlineage", help="Send OpenLineage events of what is pushed and released instead.")
    ] = False,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="The key that its receiver asks for.")
    ] = None,
    json: Json = False,
) -> None:
    """Send ledger entries to an address. The secret that signs them is shown this once.

    Actions are those that 'budwood ledger' shows: version.pushed, version.staged, alias.set; '*' may end one.
    docs/webhooks.md says how a receiver checks a signature.
    """
    with opened(ctx) as registry:
        kind = "openlineage" if openlineage else "ledger"
        made = registry.admin.webhooks.add(namespace, url, action or (), kind=kind, key=_key(key_file))
    told = made.secret or f"Webhook {made.webhook.id} tells {url} what is pushed and released."
    answer(made, lambda screen: screen.line(told), json=json)
    if not json and made.secret:
        note(f"It signs what webhook {made.webhook.id} sends. It is not shown again.")


@app.command("list", cls=Command, epilog=examples("budwood webhook list risk", "budwood webhook list risk --json"))
def list_(ctx: typer.Context, namespace: Place, json: Json = False) -> None:
    """List the webhooks of a namespace."""
    with opened(ctx) as registry:
        webhooks = registry.admin.webhooks.list(namespace)
    answer({"webhooks": webhooks}, lambda screen: draw_webhooks(screen, webhooks), json=json)


@app.command(cls=Command, epilog=examples("budwood webhook show risk 3"))
def show(ctx: typer.Context, namespace: Place, webhook: Id, json: Json = False) -> None:
    """Show one webhook, without its secret."""
    with opened(ctx) as registry:
        found = registry.admin.webhooks.get(namespace, webhook)
    answer(found, lambda screen: draw_webhooks(screen, [found]), json=json)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood webhook change risk 3 --off", "budwood webhook change risk 3 --action version.pushed --on"
    ),
)
def change(
    ctx: typer.Context,
    namespace: Place,
    webhook: Id,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Send to this address instead.")] = None,
    action: Actions = None,
    every_action: Annotated[bool, typer.Option("--every-action", help="Send all entries.")] = False,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether anything is sent.")] = None,
    json: Json = False,
) -> None:
    """Change where it goes, what is sent, and whether. The secret stays.

    While it is off, nothing new is kept for it; what waits already goes out when it is on again.
    """
    if action and every_action:
        raise BadValue("--action and --every-action exclude each other.")
    actions = [] if every_action else action or None
    if url is None and actions is None and on is None:
        raise BadValue("There is nothing to change.", hint="Give --url, --action, --every-action, --on or --off.")
    with opened(ctx) as registry:
        changed = registry.admin.webhooks.change(namespace, webhook, url=url, actions=actions, active=on)
    answer(changed, lambda screen: draw_webhooks(screen, [changed]), json=json)


@app.command(cls=Command, epilog=examples("budwood webhook remove risk 3"))
def remove(ctx: typer.Context, namespace: Place, webhook: Id, json: Json = False) -> None:
    """Remove a webhook, with what was still to be sent to it."""
    with opened(ctx) as registry:
        removed = registry.admin.webhooks.remove(namespace, webhook)
    answer(removed, lambda screen: screen.line(f"The webhook {removed.id} is removed."), json=json)


@app.command(
    cls=Command,
    epilog=examples("budwood webhook deliveries risk 3", "budwood webhook deliveries risk 3 --before 1200 --json"),
)
def deliveries(
    ctx: typer.Context,
    namespace: Place,
    webhook: Id,
    limit: Limit = 100,
    before: Annotated[int, typer.Option(min=0, metavar="DELIVERY", help="Only those older than this one.")] = 0,
    json: Json = False,
) -> None:
    """Show what was sent and what came of it, newest first. What is dead was given up; it can be sent again."""
    with opened(ctx) as registry:
        page = registry.admin.webhooks.deliveries(namespace, webhook, before=before, limit=limit)
    answer(
        {"deliveries": page.deliveries, "before": page.cursor},
        lambda screen: draw_deliveries(screen, page.deliveries),
        json=json,
    )
    if page.cursor and not json:
        note(f"There may be more: budwood webhook deliveries {namespace} {webhook} --before {page.cursor}")


@app.command(cls=Command, epilog=examples("budwood webhook redeliver risk 3 1187"))
def redeliver(ctx: typer.Context, namespace: Place, webhook: Id, delivery: DeliveryId, json: Json = False) -> None:
    """Send something again, as if it had never been tried."""
    with opened(ctx) as registry:
        again = registry.admin.webhooks.redeliver(namespace, webhook, delivery)
    answer(again, lambda screen: draw_deliveries(screen, [again]), json=json)


@app.command("test", cls=Command, epilog=examples("budwood webhook test risk 3"))
def send_test(ctx: typer.Context, namespace: Place, webhook: Id, json: Json = False) -> None:
    """Send a test, whatever actions the webhook asked for."""
    with opened(ctx) as registry:
        sent = registry.admin.webhooks.test(namespace, webhook)
    answer(sent, lambda screen: draw_deliveries(screen, [sent]), json=json)
    if not json:
        note(f"A server sends it within seconds: budwood webhook deliveries {namespace} {webhook}")


def _key(file: Path | None) -> str:
    """Raises SourceNotFound."""
    try:
        return file.read_text("utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SourceNotFound(f"{file} cannot be read.") from error


def draw_webhooks(screen: Screen, webhooks: "Sequence[Webhook]") -> None:
    columns = (
        Column("id", right=True),
        Column("to", style="bold", elastic=True),
        Column("kind"),
        Column("actions", elastic=True),
        Column("state"),
        Column("added by", spare=True),
    )
    rows = [
        (
            str(each.id),
            each.url,
            str(each.kind),
            ", ".join(each.actions) or "all",
            "on" if each.active else "off",
            each.created_by,
        )
        for each in webhooks
    ]
    screen.table(columns, rows) if rows else screen.line("There are no webhooks: budwood webhook add NAMESPACE URL")


def draw_deliveries(screen: Screen, deliveries: "Sequence[Delivery]") -> None:
    columns = (
        Column("id", right=True),
        Column("entry", right=True),
        Column("state", style="bold"),
        Column("tries", right=True),
        Column("answer", elastic=True),
        Column("next try", style="dim"),
        Column("made", style="dim", spare=True),
    )
    rows = [
        (
            str(each.id),
            str(each.sequence),
            str(each.state),
            str(each.attempts),
            each.error or (str(each.status) if each.status else ""),
            screen.moment(each.next_ms) if each.next_ms else "",
            screen.moment(each.at_ms),
        )
        for each in deliveries
    ]
    screen.table(columns, rows) if rows else screen.line("Nothing was sent there yet.")
