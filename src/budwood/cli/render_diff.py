"""Draws a change: the summary, then a section for each kind of change there is, then the label it deserves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, shape_text
from budwood.domain.canon import Json, dumps
from budwood.domain.change import Change, ConfigChange, FileChanges, NumberChange, TensorChanges, TextChange, What
from budwood.domain.facts import Field
from budwood.domain.label import Level
from budwood.domain.summary import percent

ROWS_SHOWN: Final = 20
NONE: Final = "—"
Rows = Sequence[Sequence[str]]

_SIGNS: Final = {What.ADDED: "+", What.REMOVED: "-", What.CHANGED: "~", What.LEFT_OUT: "…"}
_SIDES: Final = (Column("name", style="bold"), Column("before", elastic=True), Column("after", elastic=True))


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    columns: tuple[Column, ...]
    rows: Rows


def draw_change(screen: Screen, change: Change, *, every_row: bool) -> None:
    screen.line(f"{change.before} → {change.after}", "bold")
    screen.line(change.summary)
    if change.computed:
        screen.line(change.computed)
    for section in sections(change):
        if section.rows:
            _draw(screen, section, len(section.rows) if every_row else ROWS_SHOWN)
    screen.line()
    screen.line(suggested(change), "bold")


def suggested(change: Change) -> str:
    """The step of the label, and why."""
    if change.bump.level is Level.NONE:
        return "Suggested label: none needed — nothing changed."
    why = "; ".join(change.bump.reasons) or "something changed"
    return f"Suggested label: {change.bump.level.value} — because {why}"


def sections(change: Change) -> Iterator[Section]:
    """Most telling first."""
    yield _tensors("Tensors", change.tensors)
    yield Section("Identity", _SIDES, _texts(change.identity))
    yield Section("Schema", _SCHEMA, _schema(change))
    yield Section("Metrics", (*_SIDES, Column("difference", right=True)), [_metric(each) for each in change.metrics])
    yield Section("Parameters", _SIDES, _texts(change.params))
    yield Section("Configuration", _CONFIG, [_config(each) for each in change.config])
    yield Section("Adapter", _CONFIG, [_config(each) for each in change.adapter])
    yield Section(
        "Data", (Column(""), Column("", style="bold")), _names(change.datasets.added, change.datasets.removed)
    )
    yield Section("Files", (Column(""), Column("", style="bold")), _files(change.files))
    yield Section("Code", _SIDES, _code(change))
    yield Section("Environment", _SIDES, _texts((*change.environment.surroundings, *change.environment.packages)))


_SCHEMA: Final = (Column(""), Column("", style="bold"), Column("before"), Column("after"), Column("", style="red"))
_CONFIG: Final = (
    Column(""),
    Column("file", style="dim"),
    Column("key", style="bold"),
    Column("before", elastic=True),
    Column("after", elastic=True),
)


def _draw(screen: Screen, section: Section, limit: int) -> None:
    screen.heading(f"{section.title} ({len(section.rows)})")
    screen.table(section.columns, section.rows[:limit], indent="  ")
    if len(section.rows) > limit:
        screen.line(f"  … and {count(len(section.rows) - limit, 'more row')}; --all shows them", "dim")


def _tensors(title: str, tensors: TensorChanges) -> Section:
    """Changed ones first, those that moved farthest on top."""
    moved = sorted(tensors.changed, key=lambda t: (-(t.relative_l2 or 0.0), t.name))
    rows = [("~", t.name, _type(t.dtype, t.shape), _share(t.relative_l2), _share(t.changed_share), "") for t in moved]
    rows += [
        ("~", t.name, t.dtype, "", "", _reshaped(t.before, t.after, t.appended_rows, t.note)) for t in tensors.reshaped
    ]
    rows += [("~", t.name, "", "", "", f"{t.before} → {t.after}") for t in tensors.retyped]
    rows += [("~", t.before, "", "", "", f"renamed to {t.after}") for t in tensors.renamed]
    rows += [("-", t.name, _type(t.dtype, t.shape), "", "", "removed") for t in tensors.removed]
    rows += [("+", t.name, _type(t.dtype, t.shape), "", "", "added") for t in tensors.added]
    columns = (
        Column(""),
        Column("tensor", style="bold", elastic=True),
        Column("type", style="dim", spare=True),
        Column("moved by", right=True),
        Column("values changed", right=True),
        Column("", elastic=True),
    )
    return Section(title, columns, rows)


def _reshaped(before: tuple[int, ...] | None, after: tuple[int, ...] | None, appended: int, note: str) -> str:
    told = f"{shape_text(before) or NONE} → {shape_text(after) or NONE}"
    if appended:
        return f"{told}, {count(appended, 'row')} appended"
    return f"{told}, {note}" if note else told


def _schema(change: Change) -> Rows:
    return [
        (
            _SIGNS[each.what],
            f"{each.side} {each.name}",
            _field(each.before),
            _field(each.after),
            "breaks callers" if each.breaks else "",
        )
        for each in change.schema
    ]


def _metric(number: NumberChange) -> Sequence[str]:
    difference = "" if number.difference is None else f"{number.difference:+.4g}"
    return (number.name, _number(number.before), _number(number.after), difference)


def _config(each: ConfigChange) -> Sequence[str]:
    if each.what is What.LEFT_OUT:
        return (_SIGNS[each.what], each.file, "", "", f"{_json(each.after)} more")
    before = NONE if each.what is What.ADDED else _json(each.before)
    after = NONE if each.what is What.REMOVED else _json(each.after)
    return (_SIGNS[each.what], each.file, each.key or "(the whole file)", before, after)


def _files(files: FileChanges) -> Rows:
    rows = [("~", path) for path in files.changed]
    rows += _names(files.added, files.removed)
    rows += [(">", f"{move.before} → {move.after}") for move in files.moved]
    return rows


def _code(change: Change) -> Rows:
    code = change.code
    if code is None:
        return []
    rows = [("commit", code.before or NONE, code.after or NONE)] if code.before != code.after else []
    return [*rows, ("work tree", "", "with changes that are in no commit")] if code.dirty else rows


def _texts(texts: Sequence[TextChange]) -> Rows:
    return [(each.name, each.before or NONE, each.after or NONE) for each in texts]


def _names(added: Sequence[str], removed: Sequence[str]) -> list[tuple[str, str]]:
    return [*(("+", name) for name in added), *(("-", name) for name in removed)]


def _type(dtype: str, shape: tuple[int, ...] | None) -> str:
    return f"{dtype} {shape_text(shape)}".strip()


def _share(share: float | None) -> str:
    return "" if share is None else percent(share)


def _field(field: Field | None) -> str:
    return NONE if field is None else _type(field.dtype, field.shape) or "of any type"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.6g}"


def _json(value: Json) -> str:
    return dumps(value).decode("utf-8", "replace")
