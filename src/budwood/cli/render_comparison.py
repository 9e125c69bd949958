"""Two versions' metrics side by side, with what may be said of the difference."""

from typing import TYPE_CHECKING, Final

from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from budwood.domain.evaluation.compare import Compared, Comparison
    from budwood.domain.policy.evidence import Interval

_METHODS: Final = {
    "paired-bootstrap": "each example with itself, bootstrap",
    "paired-normal": "each example with itself",
    "intervals": "from both intervals",
    "": "nothing says how sure it is",
}


def draw_comparison(screen: Screen, found: "Comparison") -> None:
    """One line a metric."""
    columns = (
        Column("metric", style="bold"),
        Column("champion", right=True),
        Column("candidate", right=True),
        Column("difference", right=True),
        Column("95 % interval"),
        Column("verdict", style="bold"),
        Column("by", style="dim", spare=True),
    )
    screen.line(f"{found.candidate} against {found.champion}")
    if found.rows:
        screen.table(columns, [_row(each) for each in found.rows])
    else:
        screen.line("They have no metric in common.")
    if found.missing:
        screen.line(f"Only one of them has: {', '.join(found.missing)}", "dim")


def shown_interval(interval: "Interval | None") -> str:
    """0.91 to 0.95 (wilson)"""
    if interval is None:
        return ""
    method = f" ({interval.method})" if interval.method else ""
    return f"{interval.low:.4g} to {interval.high:.4g}{method}"


def _row(each: "Compared") -> tuple[str, ...]:
    bounds = "" if each.low is None or each.high is None else f"{each.low:+.4g} to {each.high:+.4g}"
    better = "more is better" if each.more_is_better else "less is better"
    how = f"{_METHODS.get(each.method, each.method)}; {better}"
    return (
        each.metric,
        f"{each.champion:.4g}",
        f"{each.candidate:.4g}",
        f"{each.difference:+.4g}",
        bounds,
        str(each.verdict),
        how,
    )
