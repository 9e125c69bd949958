"""Draws one version: its record, its facts, its files, its tensors."""

from collections.abc import Mapping, Sequence

from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, duration_text, shape_text, size_text
from budwood.domain.canon import Json, dumps
from budwood.domain.facts import Code, Facts, Hardware, Schema, Training
from budwood.domain.fields import missing_fields, words_of
from budwood.domain.manifest import FileEntry, Manifest
from budwood.domain.results import VersionDetail


def draw_version(screen: Screen, detail: VersionDetail, manifest: Manifest) -> None:
    """Who it is, where it stands, what stands beside it."""
    version = detail.version
    tensors = sum(len(entry.tensors) for entry in manifest.files)
    held = f"{size_text(version.size_bytes)} in {count(len(manifest.files), 'file')}"
    screen.line(version.reference, "bold")
    screen.pairs(
        [
            ("number", f"v{version.number}"),
            ("label", version.label),
            ("stage", version.stage.value),
            ("aliases", ", ".join(detail.aliases)),
            ("retired", _retired(screen, detail)),
            ("bytes", _gone(screen, detail)),
            ("kind", version.kind.value),
            ("holds", held + (f", {count(tensors, 'tensor')}" if tensors else "")),
            ("author", version.author),
            ("pushed", screen.moment(version.created_ms)),
            ("message", version.message),
            ("computed", " ".join(detail.computed)),
            ("parents", ", ".join(parent.reference for parent in detail.parents)),
            ("children", ", ".join(child.reference for child in detail.children)),
            ("falls short", f"of the standard: {', '.join(detail.short_of)}" if detail.short_of else ""),
            ("digest", f"sha256:{version.digest}"),
            *((f"tag {tag.key}", tag.value) for tag in detail.tags),
        ],
        indent="  ",
    )


def draw_facts(screen: Screen, facts: Facts) -> None:
    """What was declared and captured, in short."""
    rows = [
        ("architecture", facts.architecture),
        ("parameters", f"{facts.parameters:,}" if facts.parameters else ""),
        ("dtypes", ", ".join(f"{dtype} {held:,}" for dtype, held in sorted(facts.dtypes.items()))),
        ("base model", facts.base_model),
        ("formats", ", ".join(facts.formats)),
        ("frameworks", _joined(facts.frameworks)),
        ("datasets", ", ".join(facts.datasets)),
        ("code", _code(facts.code)),
        *_training_rows(facts.training),
        *((f"resource {name}", f"{value:,.6g}") for name, value in sorted(facts.resources.items())),
        *_schema_rows(facts.schema),
        *((f"metric {name}", f"{value:.6g}") for name, value in sorted(facts.metrics.items())),
        *((f"param {name}", value) for name, value in sorted(facts.params.items())),
    ]
    if any(value for _, value in rows):
        screen.heading("Facts")
        screen.pairs(rows, indent="  ")
    if missing := missing_fields(facts):
        screen.heading("Missing")
        screen.pairs([(name, words_of(name)) for name in missing], indent="  ")
    if facts.flags:
        screen.heading("Mind")
        screen.table(
            (Column("", style="yellow"), Column("", style="bold"), Column("", elastic=True)),
            [(flag.code, flag.path, flag.detail) for flag in facts.flags],
            indent="  ",
        )


def draw_more_facts(screen: Screen, facts: Facts) -> None:
    """Surroundings of the push, in full."""
    if facts.adapter:
        screen.heading("Adapter")
        screen.pairs([(key, _json(value)) for key, value in sorted(facts.adapter.items())], indent="  ")
    for path, settings in sorted(facts.settings.items()):
        said = dict(settings) if isinstance(settings, Mapping) else {"": settings}
        screen.heading(f"Settings of {path}")
        screen.pairs([(key, _json(value)) for key, value in sorted(said.items())], indent="  ")
    for heading, told in (("Statistics", facts.statistics), ("Search", facts.search), ("Fairness", facts.fairness)):
        if told:
            screen.heading(heading)
            screen.pairs([(key, _json(value)) for key, value in sorted(told.items())], indent="  ")
    if facts.hardware is not None:
        screen.heading("Hardware")
        screen.pairs(_hardware_rows(facts.hardware), indent="  ")
    if facts.training is not None and facts.training.hardware is not None:
        screen.heading("Trained on")
        screen.pairs(_hardware_rows(facts.training.hardware), indent="  ")
    if (environment := facts.environment) is not None:
        screen.heading("Environment")
        lock = f"{environment.lock} sha256:{environment.lock_sha256}" if environment.lock else ""
        screen.pairs([("python", environment.python), ("platform", environment.platform), ("lock", lock)], indent="  ")
        if environment.packages:
            screen.heading(f"Packages ({len(environment.packages)})")
            screen.pairs(sorted(environment.packages.items()), indent="  ")


def draw_files(screen: Screen, files: Sequence[FileEntry]) -> None:
    screen.heading(f"Files ({len(files)})")
    columns = (
        Column("path", style="bold"),
        Column("size", right=True),
        Column("format"),
        Column("tensors", right=True),
        Column("sha256", elastic=True, style="dim"),
    )
    rows = [
        (
            entry.path + ("*" if entry.executable else ""),
            size_text(entry.size),
            entry.format,
            f"{len(entry.tensors):,}" if entry.tensors else "",
            entry.sha256,
        )
        for entry in files
    ]
    screen.table(columns, rows, indent="  ")


def draw_tensors(screen: Screen, files: Sequence[FileEntry]) -> None:
    rows = [
        (span.name, span.dtype, shape_text(span.shape), size_text(span.length), entry.path)
        for entry in files
        for span in entry.tensors
    ]
    screen.heading(f"Tensors ({len(rows)})")
    columns = (
        Column("name", style="bold"),
        Column("dtype"),
        Column("shape"),
        Column("size", right=True),
        Column("file", style="dim", spare=True),
    )
    screen.table(columns, rows, indent="  ")


def _gone(screen: Screen, detail: VersionDetail) -> str:
    version = detail.version
    return f"let go {screen.moment(version.gone_ms)}: {version.gone_reason}" if version.gone_ms else ""


def _retired(screen: Screen, detail: VersionDetail) -> str:
    version = detail.version
    if not version.retired_ms:
        return ""
    return f"{screen.moment(version.retired_ms)}: {version.retired_reason or 'no reason given'}"


def _hardware_rows(hardware: Hardware) -> list[tuple[str, str]]:
    return [
        ("machine", hardware.machine),
        ("processor", hardware.processor),
        ("cores", str(hardware.cores or "")),
        ("memory", size_text(hardware.memory_bytes) if hardware.memory_bytes else ""),
        ("accelerators", ", ".join(hardware.accelerators)),
    ]


def _training_rows(training: Training | None) -> list[tuple[str, str]]:
    if training is None:
        return []
    took = duration_text(training.seconds) if training.seconds is not None else ""
    hardware = training.hardware or Hardware()
    machine = ", ".join(hardware.accelerators) or hardware.processor or hardware.machine
    return [("trained in", took), ("trained on", machine), ("command", training.command), ("run by", training.run_by)]


def _code(code: Code | None) -> str:
    if code is None:
        return ""
    branch = f" on {code.branch}" if code.branch else ""
    return f"{code.commit}{branch}{_changes(code) if code.dirty else ''}"


def _changes(code: Code) -> str:
    kept = {
        "": f", with uncommitted changes ({size_text(len(code.diff.encode()))} kept)" if code.diff else "",
        "rest": f", with uncommitted changes (the first {size_text(len(code.diff.encode()))} kept, the rest cut off)",
        "bytes": ", with uncommitted changes (kept, but for bytes that are no text)",
    }
    return kept.get(code.diff_lacks) or ", with uncommitted changes"


def _schema_rows(schema: Schema | None) -> list[tuple[str, str]]:
    if schema is None:
        return []
    sides = (("input", schema.inputs), ("output", schema.outputs))
    return [
        (f"{side} {field.name}", f"{field.dtype} {shape_text(field.shape)}".strip() or "of any type")
        for side, fields in sides
        for field in fields
    ]


def _joined(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}".strip() for name, value in sorted(values.items()))


def _json(value: Json) -> str:
    return value if isinstance(value, str) else dumps(value).decode()
