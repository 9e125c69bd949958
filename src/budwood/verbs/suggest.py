"""Which label comes next, and why: the meaning of a change as a semantic version."""

from typing import Final

from budwood.catalog.api import View
from budwood.domain.bump import next_label, suggest
from budwood.domain.change import Suggestion
from budwood.domain.compare import compare
from budwood.domain.label import Label, Level
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.manifest import Manifest
from budwood.domain.records import ModelRecord, VersionRecord
from budwood.verbs.manifests import load_manifest
from budwood.verbs.workplace import Reads

BUMPS: Final = ("major", "minor", "patch", "auto")


def suggestion(place: Reads, earlier: VersionRecord | None, manifest: Manifest) -> Suggestion:
    """What the difference from ``earlier`` asks for; the first version of a model is 1.0.0."""
    if earlier is None:
        return suggest(None)
    held = load_manifest(place, earlier)
    return compare(earlier.reference, "this push", held, manifest, measures={}, configs={}).bump


def next_free_label(view: View, model: ModelRecord, level: str) -> str:
    """The label ``level`` above the highest one the model has; those of deleted versions are passed over.

    A level of none still needs a label: patch.
    """
    before, highest = 0, None
    while page := view.versions(model.id, before=before, limit=PAGE_ROWS):
        labels = [Label.parse(version.label) for version in page if version.label]
        highest = max([*labels, highest] if highest else labels, default=None)
        before = page[-1].number
    step = Level.PATCH if Level(level) is Level.NONE else Level(level)
    following = next_label(highest, step)
    while view.removed_label(model.namespace, model.name, str(following)) is not None:
        following = next_label(following, step)
    return str(following)
