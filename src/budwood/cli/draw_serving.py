"""Drawing what served and what stood behind it."""

from typing import TYPE_CHECKING

from budwood.cli.screen import Screen

if TYPE_CHECKING:
    from budwood.domain.asks_serving import Behind, Serving


def draw_serving(screen: Screen, found: "Serving") -> None:
    """The split first, then each version with what stood behind it."""
    parts = ", ".join(f"{points / 100:g} % {arm}" for arm, points in found.split.items())
    screen.heading(f"{found.endpoint} served {parts}")
    since = f"generation {found.generation}, since {screen.moment(found.since_ms)}, by {found.actor}"
    screen.line(since + (f": {found.reason}" if found.reason else ""))
    if found.killed:
        screen.line("sent back: the baseline answered everything")
    for each in found.arms:
        screen.line("")
        screen.line(f"{each.version}  {each.points / 100:g} % as {each.arm}", style="bold")
        draw_behind(screen, each)


def draw_behind(screen: Screen, behind: "Behind") -> None:
    """Bytes, maker, lineage, approvals."""
    said = [
        f"{'approved' if each.approves else 'refused'} by {each.person} for {each.pointer}, {screen.moment(each.at_ms)}"
        for each in behind.approvals
    ]
    if behind.past_gates:
        said.append(f"taken past the gates by {behind.past_gates}")
    made = f"{behind.author}, {screen.moment(behind.made_ms)}" if behind.made_ms else "not kept any more"
    screen.pairs(
        (
            ("digest", behind.digest),
            ("made by", made),
            ("made from", ", ".join(behind.made_from) or "nothing that is recorded"),
            ("data", ", ".join(behind.datasets) or "none that is recorded"),
            ("approvals", "; ".join(said) or "none"),
        )
    )
