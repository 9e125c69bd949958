"""budwood promotion: asking that a guarded stage or alias may point at a version, and saying yes or no."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import minute_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budwood.domain.policy.records import Promotion, PromotionDetail

app = typer.Typer(
    rich_markup_mode=None,
    help="Promotions: a request that a guarded stage or alias may point at a version, and what comes of it.",
    epilog=examples(
        "budwood promotion request encoder@v2 production --reason 'Better on the holdout'",
        "budwood promotion show 1",
        "budwood promotion approve 1",
        "budwood promotion apply 1",
    ),
)

Number = Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="As 'budwood promotion list' shows it.")]
Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Where it was asked.")]
Pointer = Annotated[str, typer.Argument(metavar="STAGE|ALIAS", help="production, or an alias.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who read it later.")]


@app.command(
    cls=Command, epilog=examples("budwood promotion request encoder@v2 production --reason 'Better on the holdout'")
)
def request(ctx: typer.Context, ref: Ref, pointer: Pointer, reason: Reason = "", json: Json = False) -> None:
    """Ask that a guarded stage or alias may point at a version."""
    with opened(ctx) as registry:
        asked = registry.gates.request(ref, pointer, reason)
        detail = registry.gates.show(asked.id, asked.namespace)
    answer(detail, lambda screen: draw_promotion(screen, detail), json=json)


@app.command("list", cls=Command, epilog=examples("budwood promotion list", "budwood promotion list --state open"))
def list_(
    ctx: typer.Context,
    namespace: Place = "default",
    state: Annotated[str, typer.Option(metavar="STATE", help="open, applied, rejected or withdrawn.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    before: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only those below this one.")] = 0,
    json: Json = False,
) -> None:
    """List promotions, newest first. Those past the gates that nobody has looked at, or not in time, are marked."""
    with opened(ctx) as registry:
        page = registry.gates.promotions(namespace, state=state, before=before, limit=limit)
    answer(
        {"promotions": page.promotions, "before": page.cursor},
        lambda screen: draw_promotions(screen, page.promotions),
        json=json,
    )


@app.command(cls=Command, epilog=examples("budwood promotion show 1", "budwood promotion show 1 --json"))
def show(ctx: typer.Context, number: Number, namespace: Place = "default", json: Json = False) -> None:
    """Show what each gate says, what it looked at, and who reviewed."""
    with opened(ctx) as registry:
        detail = registry.gates.show(number, namespace)
    answer(detail, lambda screen: draw_promotion(screen, detail), json=json)


@app.command(cls=Command, epilog=examples("budwood promotion approve 1 --reason 'Read the fairness report'"))
def approve(
    ctx: typer.Context, number: Number, namespace: Place = "default", reason: Reason = "", json: Json = False
) -> None:
    """Say yes to a promotion as it is now. Evidence or policies that change later void it."""
    with opened(ctx) as registry:
        seen = registry.gates.show(number, namespace)
        registry.gates.approve(number, namespace, reason=reason, binds=seen.binds)
        detail = registry.gates.show(number, namespace)
    answer(detail, lambda screen: draw_promotion(screen, detail), json=json)


@app.command(cls=Command, epilog=examples("budwood promotion reject 1 --reason 'Worse for new customers'"))
def reject(
    ctx: typer.Context, number: Number, namespace: Place = "default", reason: Reason = "", json: Json = False
) -> None:
    """Say no to a promotion. That ends it."""
    with opened(ctx) as registry:
        registry.gates.reject(number, namespace, reason=reason)
        detail = registry.gates.show(number, namespace)
    answer(detail, lambda screen: draw_promotion(screen, detail), json=json)


@app.command(cls=Command, epilog=examples("budwood promotion apply 1"))
def apply(ctx: typer.Context, number: Number, namespace: Place = "default", json: Json = False) -> None:
    """Point the stage or alias there, if every gate is open at this moment."""
    with opened(ctx) as registry:
        detail = registry.gates.apply(number, namespace)
    answer(detail, lambda screen: draw_promotion(screen, detail), json=json)


@app.command(cls=Command, epilog=examples("budwood promotion withdraw 1"))
def withdraw(ctx: typer.Context, number: Number, namespace: Place = "default", json: Json = False) -> None:
    """Take a request back."""
    with opened(ctx) as registry:
        withdrawn = registry.gates.withdraw(number, namespace)
    answer(withdrawn, lambda screen: draw_promotions(screen, [withdrawn]), json=json)


@app.command(
    "break-glass",
    cls=Command,
    epilog=examples("budwood promotion break-glass encoder@v2 production --reason 'v3 refuses every payment'"),
)
def break_glass(
    ctx: typer.Context,
    ref: Ref,
    pointer: Pointer,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What happened; others will judge it.")],
    json: Json = False,
) -> None:
    """In an emergency, point it there past every gate.

    It takes the role of a responder, is flagged, and somebody else must look at it within a day; before they did, it
    cannot be done again.
    """
    with opened(ctx) as registry:
        broken = registry.gates.break_glass(ref, pointer, reason)
    answer(broken, lambda screen: draw_promotions(screen, [broken]), json=json)


@app.command(cls=Command, epilog=examples("budwood promotion look 1"))
def look(ctx: typer.Context, number: Number, namespace: Place = "default", json: Json = False) -> None:
    """Say that you have looked at a promotion past the gates."""
    with opened(ctx) as registry:
        looked = registry.gates.look(number, namespace)
    answer(looked, lambda screen: draw_promotions(screen, [looked]), json=json)


def draw_promotions(screen: Screen, promotions: "Sequence[Promotion]") -> None:
    columns = (
        Column("number", right=True),
        Column("version", style="bold"),
        Column("to"),
        Column("state"),
        Column("asked by"),
        Column("reason", elastic=True),
        Column("asked", style="dim"),
    )
    rows = [
        (
            str(each.id),
            f"{each.model}@v{each.version_number}",
            each.pointer.removeprefix("stage:"),
            _state_text(screen, each),
            each.requester,
            each.reason,
            screen.moment(each.requested_ms),
        )
        for each in promotions
    ]
    screen.table(columns, rows) if rows else screen.line("Nothing was asked for.")


def draw_promotion(screen: Screen, detail: "PromotionDetail") -> None:
    promotion = detail.promotion
    to = promotion.pointer.removeprefix("stage:")
    screen.line(f"{promotion.id}: {detail.reference} to {to}, {_state_text(screen, promotion)}", "bold")
    screen.pairs(
        [
            ("asked by", f"{promotion.requester}, {screen.moment(promotion.requested_ms)}"),
            ("reason", promotion.reason),
            (
                "decided",
                f"{promotion.decided_by}, {screen.moment(promotion.decided_ms)}" if promotion.decided_ms else "",
            ),
        ],
        indent="  ",
    )
    marks = {"passed": "ok", "failed": "no", "undecided": "?"}
    rows = [(marks[str(check.state)], check.policy, check.name, check.why) for check in detail.checks]
    if rows:
        screen.heading("Gates")
        screen.table((Column(""), Column("policy"), Column("asks for"), Column("why not", elastic=True)), rows, "  ")
    said = [
        (each.person, "yes" if each.approves else "no", each.reason, screen.moment(each.at_ms))
        for each in detail.reviews
    ]
    if said:
        screen.heading("Reviews")
        screen.table((Column("person"), Column("says"), Column("reason", elastic=True), Column("when")), said, "  ")


def _state_text(screen: Screen, promotion: "Promotion") -> str:
    if not promotion.broke_glass:
        return str(promotion.state)
    if promotion.looked_by:
        late = ", too late" if promotion.overdue_ms else ""
        return f"past the gates, looked at by {promotion.looked_by}{late}"
    due = minute_text(promotion.due_ms)
    if screen.is_past(promotion.due_ms):
        return f"past the gates, OVERDUE: nobody looked at it by {due}"
    return f"past the gates, to look at by {due}"
