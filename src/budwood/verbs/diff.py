"""diff: what changed between two versions, in words and numbers, and what the label should therefore be."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.change import Change
from budwood.domain.compare import Measure, compare, pair_tensors
from budwood.domain.limits import CONFIG_BYTES
from budwood.domain.manifest import FileEntry, Manifest, files_by_path
from budwood.domain.records import VersionRecord
from budwood.store.api import Progress
from budwood.store.formats.yamls import parse_yaml
from budwood.store.measure import measure
from budwood.store.read import read_file
from budwood.verbs.browse import get
from budwood.verbs.derived import proofs
from budwood.verbs.describe import SETTINGS_FILES
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest


def diff(
    house: House, before: str, after: str, *, measured: bool = True, progress: Progress = lambda _: None
) -> Change:
    """``measured`` False leaves out how far tensors moved, and reads no weights. Raises NotFound, Damaged."""
    old, new = get(house, before), get(house, after)
    held, holds = load_manifest(house, old), load_manifest(house, new)
    # Manifests stay; what takes bytes is left out where they were let go.
    here = not (old.gone_ms or new.gone_ms)
    change = compare(
        old.reference,
        new.reference,
        held,
        holds,
        measures=_measures(house, held, holds, progress) if measured and here else {},
        configs=changed_settings(house, held, holds) if here else {},
    )
    return replace(change, computed=_computed(house, old, new))


def _computed(house: House, old: VersionRecord, new: VersionRecord) -> str:
    """What is proved of the two, whichever was pushed first."""
    with house.catalog.read() as view:
        for one, other in ((new, old), (old, new)):
            for proof in proofs(view, one):
                if proof.details.get("source") == other.digest:
                    return f"{one.reference} is computed: {proof.summary}"
    return ""


def changed_settings(house: House, old: Manifest, new: Manifest) -> Mapping[str, tuple[Json, Json]]:
    """Settings that differ in files both versions have: JSON and YAML parsed, and what others say of themselves."""
    before, after = files_by_path(old), files_by_path(new)
    changed: dict[str, tuple[Json, Json]] = {}
    for path in before.keys() & after.keys():
        a, b = before[path], after[path]
        if path.endswith(SETTINGS_FILES) and a.sha256 != b.sha256 and max(a.size, b.size) <= CONFIG_BYTES:
            one, other = _parsed(house, a), _parsed(house, b)
            if one is not None and other is not None:
                changed[path] = (one, other)
        elif old.facts.settings.get(path) != new.facts.settings.get(path):
            changed[path] = (old.facts.settings.get(path), new.facts.settings.get(path))
    return changed


def _parsed(house: House, entry: FileEntry) -> Json:
    text = read_file(house.reader(), entry)
    try:
        if entry.path.endswith(".json"):
            return canon.loads(text)
        # YAML knows dates and tuples; as text they compare just as well.
        return canon.loads(json.dumps(parse_yaml(text.decode()), default=str))
    except (ValueError, RecursionError, TypeError):
        # It only looks like a settings file; that it changed is said without saying where.
        return None


def _measures(house: House, old: Manifest, new: Manifest, progress: Progress) -> dict[str, Measure]:
    reader = house.reader()
    measures: dict[str, Measure] = {}
    with ThreadPoolExecutor(house.threads, "budwood-measure") as pool:
        for pair in pair_tensors(old, new).to_measure:
            moved = measure(reader, pair.before, pair.after, pool)
            if moved is not None:
                measures[pair.key] = Measure(
                    changed_share=moved.changed / max(1, moved.elements),
                    difference_squares=moved.difference_squares,
                    before_squares=moved.before_squares,
                )
            progress(pair.after.length)
    return measures
