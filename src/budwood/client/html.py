"""What a notebook shows of versions, models and changes: plain tables, without scripts, in the notebook's own colours.

Names, messages, tags and metrics were typed by somebody, so every text goes through ``_text``: escaped, without
control characters, and inside ``<bdi>`` so that right-to-left marks cannot reorder what stands beside it.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json, dumps
from budwood.domain.change import Change, FileChanges, NumberChange, TensorChange, TensorChanges
from budwood.domain.facts import Facts, Field
from budwood.domain.moment import moment_text
from budwood.domain.records import Move, VersionRecord
from budwood.domain.results import ModelSummary, VersionDetail

ROWS_SHOWN: Final = 200
TEXT_CHARS_SHOWN: Final = 500

Cell = str | int | float
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LEFT: Final = "text-align:left;vertical-align:top"
_RIGHT: Final = "text-align:right;vertical-align:top;font-variant-numeric:tabular-nums"
_STEPS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


def version_html(version: VersionRecord, detail: VersionDetail | None = None, facts: Facts | None = None) -> str:
    """One version: who it is, where it stands, and what is known about it."""
    rows: list[tuple[str, Cell]] = [
        ("version", f"v{version.number}"),
        ("label", version.label),
        ("stage", version.stage.value),
        ("aliases", ", ".join(detail.aliases) if detail else ""),
        ("retired", _retired(version)),
        ("bytes let go", f"{_moment(version.gone_ms)} {version.gone_reason}" if version.gone_ms else ""),
        ("kind", version.kind.value),
        ("size", size_text(version.size_bytes)),
        ("author", version.author),
        ("created", _moment(version.created_ms)),
        ("message", version.message),
        ("from", ", ".join(parent.reference for parent in detail.parents) if detail else ""),
        ("digest", f"sha256:{version.digest}"),
    ]
    if detail is not None:
        rows += [(f"tag {tag.key}", tag.value) for tag in detail.tags]
    if facts is not None:
        rows += _fact_rows(facts)
    return _titled(version.reference, _pairs(rows))


def versions_html(versions: Sequence[VersionRecord]) -> str:
    """A list of versions, in the order given."""
    rows = [
        (v.reference, v.label, _standing(v), size_text(v.size_bytes), v.author, _moment(v.created_ms), v.message)
        for v in versions[:ROWS_SHOWN]
    ]
    return _table(("version", "label", "stage", "size", "author", "created", "message"), rows, of=len(versions))


def models_html(models: Sequence[ModelSummary]) -> str:
    """A list of models, each with its newest version and where its aliases and stages point."""
    rows = [
        (m.model.path, m.model.kind.value, m.versions, m.newest.reference if m.newest else "", _pointing(m.pointers))
        for m in models[:ROWS_SHOWN]
    ]
    return _table(("model", "kind", "versions", "newest", "points"), rows, of=len(models))


def change_html(change: Change) -> str:
    """What changed between two versions: the summary first, then a table for each kind of change there is."""
    label = f"Suggested label step: {change.bump.level.value}"
    if change.bump.reasons:
        label += f" ({'; '.join(change.bump.reasons)})"
    parts = [f"<p>{_text(change.summary)}</p><p>{_text(label)}</p>"]
    for title, headers, rows in _change_tables(change):
        if rows:
            drawn = _table(headers, rows[:ROWS_SHOWN], of=len(rows))
            parts.append(f"<details open><summary>{_text(title)}</summary>{drawn}</details>")
    return _titled(f"{change.before} → {change.after}", "".join(parts))


def size_text(size_bytes: int) -> str:
    """1536 as ``1.5 KiB``."""
    size, step = float(size_bytes), 0
    while size >= 1024 and step < len(_STEPS) - 1:
        size, step = size / 1024, step + 1
    return f"{size_bytes} bytes" if step == 0 else f"{size:.1f} {_STEPS[step]}"


def _fact_rows(facts: Facts) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = [
        ("architecture", facts.architecture),
        ("parameters", f"{facts.parameters:,}" if facts.parameters else ""),
        ("base model", facts.base_model),
        ("formats", ", ".join(facts.formats)),
        ("frameworks", _joined(facts.frameworks)),
        ("dtypes", _joined({name: f"{count:,}" for name, count in facts.dtypes.items()})),
    ]
    if facts.code is not None:
        dirty = ", with uncommitted changes" if facts.code.dirty else ""
        branch = f" on {facts.code.branch}" if facts.code.branch else ""
        rows.append(("code", f"{facts.code.commit[:12]}{branch}{dirty}"))
    rows += [("dataset", dataset) for dataset in facts.datasets]
    rows += [(f"metric {name}", f"{value:.6g}") for name, value in sorted(facts.metrics.items())]
    rows += [(f"param {name}", value) for name, value in sorted(facts.params.items())]
    rows += [(f"⚠ {flag.code}", f"{flag.path}: {flag.detail}") for flag in facts.flags]
    return rows


def _change_tables(change: Change) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[Cell]]]]:
    sides = ("", "before", "after")
    yield "files", ("change", "path"), _file_rows(change.files)
    yield "tensors", ("change", "tensor", "details"), _tensor_rows(change.tensors)
    yield (
        "schema",
        ("change", "name", "before", "after", "breaks callers"),
        [
            (f"{s.side} {s.what.value}", s.name, _field(s.before), _field(s.after), "yes" if s.breaks else "no")
            for s in change.schema
        ],
    )
    yield (
        "configuration",
        ("file", *sides),
        [(c.file, c.key, _json(c.before), _json(c.after)) for c in (*change.config, *change.adapter)],
    )
    yield "metrics", (*sides, "difference"), [_metric_row(number) for number in change.metrics]
    environment = change.environment
    texts = (*change.identity, *change.params, *environment.surroundings, *environment.packages)
    yield "facts", sides, [(text.name, text.before, text.after) for text in texts]
    yield "datasets", ("change", "dataset"), _added_and_removed(change.datasets.added, change.datasets.removed)
    if change.code is not None:
        dirty = "with uncommitted changes" if change.code.dirty else ""
        yield "code", ("before", "after", ""), [(change.code.before, change.code.after, dirty)]


def _file_rows(files: FileChanges) -> list[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = [("changed", path) for path in files.changed]
    rows += _added_and_removed(files.added, files.removed)
    rows += [("moved", f"{move.before} → {move.after}") for move in files.moved]
    return rows


def _tensor_rows(tensors: TensorChanges) -> list[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = [("changed", t.name, _measure(t)) for t in tensors.changed]
    rows += [("added", t.name, _kind_text(t.dtype, t.shape)) for t in tensors.added]
    rows += [("removed", t.name, _kind_text(t.dtype, t.shape)) for t in tensors.removed]
    rows += [("renamed", t.before, f"now {t.after}") for t in tensors.renamed]
    rows += [("retyped", t.name, f"{t.before} → {t.after}") for t in tensors.retyped]
    for t in tensors.reshaped:
        appended = f", {t.appended_rows} rows appended" if t.appended_rows else ""
        rows.append(("reshaped", t.name, f"{_shape(t.before)} → {_shape(t.after)}{appended}"))
    return rows


def _measure(tensor: TensorChange) -> str:
    measured = [_kind_text(tensor.dtype, tensor.shape)]
    if tensor.relative_l2 is not None:
        measured.append(f"relative L2 {tensor.relative_l2:.3g}")
    if tensor.changed_share is not None:
        measured.append(f"{tensor.changed_share:.1%} of values")
    return ", ".join(measured)


def _metric_row(number: NumberChange) -> Sequence[Cell]:
    values = (number.before, number.after, number.difference)
    return (number.name, *("" if value is None else f"{value:.6g}" for value in values))


def _added_and_removed(added: Sequence[str], removed: Sequence[str]) -> list[Sequence[Cell]]:
    return [*(("added", name) for name in added), *(("removed", name) for name in removed)]


def _kind_text(dtype: str, shape: tuple[int, ...] | None) -> str:
    return f"{dtype} {_shape(shape)}".strip()


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else f"[{', '.join('?' if n == -1 else str(n) for n in shape)}]"


def _field(field: Field | None) -> str:
    return "" if field is None else _kind_text(field.dtype, field.shape)


def _json(value: Json) -> str:
    return "" if value is None else dumps(value).decode("utf-8", "replace")


def _pairs(rows: Sequence[tuple[str, Cell]]) -> str:
    """A table of names and values; rows without a value are left out."""
    filled = [row for row in rows if row[1] != ""]
    lines = [f'<tr><th style="{_LEFT}">{_text(name)}</th>{_cell(value)}</tr>' for name, value in filled[:ROWS_SHOWN]]
    return f"<table><tbody>{''.join(lines)}</tbody></table>{_rest(len(filled))}"


def _table(headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, of: int) -> str:
    head = "".join(f'<th style="{_LEFT}">{_text(header)}</th>' for header in headers)
    lines = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    if not lines:
        return "<p>none</p>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{_rest(of)}"


def _titled(title: str, body: str) -> str:
    return f"<div><strong>{_text(title)}</strong>{body}</div>"


def _rest(count: int) -> str:
    return f"<p>and {count - ROWS_SHOWN} more</p>" if count > ROWS_SHOWN else ""


def _cell(value: Cell) -> str:
    if isinstance(value, int | float):
        return f'<td style="{_RIGHT}">{value:,}</td>'
    return f'<td style="{_LEFT}">{_text(value)}</td>'


def _text(value: str) -> str:
    shown = value if len(value) <= TEXT_CHARS_SHOWN else value[: TEXT_CHARS_SHOWN - 1] + "…"
    plain = _CONTROL.sub(" ", shown).encode("utf-8", "replace").decode()
    return f"<bdi>{html.escape(plain)}</bdi>"


def _standing(version: VersionRecord) -> str:
    return f"{version.stage.value}, retired" if version.retired_ms else version.stage.value


def _retired(version: VersionRecord) -> str:
    if not version.retired_ms:
        return ""
    return f"{_moment(version.retired_ms)} {version.retired_reason}".strip()


def _pointing(pointers: Sequence[Move]) -> str:
    return ", ".join(f"{move.pointer.removeprefix('stage:')} → v{move.version_number}" for move in pointers)


def _joined(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def _moment(at_ms: int) -> str:
    return moment_text(at_ms - at_ms % 60_000) if at_ms else ""
