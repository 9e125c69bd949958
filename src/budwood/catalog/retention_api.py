"""The part of the catalog's port that speaks of retention: rules, classes, bytes that went, and legal holds.

Rules have editions, which stay; a hold changes once, when it is lifted. Nothing here is ever removed but a class that
was said of a model or a version.
"""

from collections.abc import Sequence
from typing import Protocol

from budwood.domain.records import VersionRecord
from budwood.domain.retention import ClassSaid, Gone, Hold, RulesRecord, Service


class RetentionView(Protocol):
    """What can be read about retention."""

    def retention_rules(self, namespace: str) -> RulesRecord | None:
        """The edition in force."""

    def retention_editions(self, namespace: str) -> Sequence[RulesRecord]:
        """Newest first."""

    def class_said(self, model_id: int, version_id: int = 0) -> ClassSaid | None:
        """Of a version, or of the model itself."""

    def services(self, version_id: int) -> Sequence[Service]:
        """When which pointer pointed at a version, oldest first."""

    def versions_in(self, namespace: str, *, after_id: int = 0, limit: int = 1000) -> Sequence[VersionRecord]:
        """A namespace's versions by id, those above ``after_id``."""

    def gone(self, version_id: int) -> Gone | None:
        """When a version's bytes went, if they did."""

    def hold(self, hold_id: int) -> Hold | None: ...
    def holds(self, namespace: str, *, every: bool = False, before: int = 0, limit: int = 100) -> Sequence[Hold]:
        """Newest first, with ids below ``before`` when it is not 0; ``every``: lifted ones too."""

    def holds_on(self, namespace: str, model_id: int = 0, version_id: int = 0) -> Sequence[Hold]:
        """Those in force on a namespace, and on a model and a version of it where one is given, oldest first."""

    def held_versions(self, hold_id: int, *, after_id: int = 0, limit: int = 1000) -> Sequence[int]:
        """The versions that a hold names one by one, by id."""

    def holds_anywhere(self) -> int:
        """How many holds are in force in the whole registry."""


class RetentionTransaction(Protocol):
    """What can be changed about retention."""

    def add_rules(self, rules: RulesRecord) -> RulesRecord:
        """The rules with their number; they are in force from now on."""

    def say_class(self, said: ClassSaid) -> None: ...
    def unsay_class(self, model_id: int, version_id: int = 0) -> None: ...
    def let_go(self, version_id: int, gone: Gone) -> None:
        """From now on no sweep keeps the version's bytes for its sake; its record and manifest stay."""

    def add_hold(self, hold: Hold, versions: Sequence[int] = ()) -> Hold:
        """The hold with its id; ``versions`` are those it names one by one."""

    def lift_hold(self, hold: Hold) -> None:
        """Who lifted it, when and why."""
