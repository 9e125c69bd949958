"""Importing a registry: models and prompts, versions under their numbers, then aliases and stages.

A version's files are those of a run or a logged model that was brought before, or lie elsewhere and are brought for it
alone. An alias or stage that points elsewhere here is left: somebody moved it since.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.files import Files
from budwood.client.carrying.ours import Ours, path_at
from budwood.client.carrying.reader import VERSION, Reader, Root
from budwood.client.carrying.refusing import refusals
from budwood.domain.carrying import compare
from budwood.domain.carrying.records import CAME_FROM, CarriedFile, CarriedModel, CarriedVersion
from budwood.domain.listing import PROMPT_MARK, name_from
from budwood.errors import BudwoodError

NO_STAGE: Final = "None"


@dataclass(slots=True)
class Registry:
    """``roots`` says of each folder of artifacts there where it lies here."""

    reader: Reader
    ours: Ours
    files: Files
    counts: Counts
    roots: Mapping[str, str]
    with_files: bool

    def all(self, models: Sequence[CarriedModel]) -> None:
        """Raises Unavailable."""
        here = {each.title: each for each in self.ours.models()}
        for each in models:
            self.counts.found("models")
            self._model(each, here.get(each.title))
        after = {each.title: each for each in self.ours.models()}
        for each in models:
            there = after.get(each.title)
            told = compare.model_told(there) if there else None
            self.counts.compare("models", each.title, compare.model_told(each), told)
            self._aliases(each, there.aliases if there else {})
        last = {each.title: each for each in self.ours.models()}
        for each in models:
            self._check_aliases(each, last[each.title].aliases if each.title in last else {})

    def _model(self, model: CarriedModel, there: CarriedModel | None) -> None:
        if there is not None and compare.model_told(there) == compare.model_told(model):
            self.counts.kept("models")
        else:
            with refusals(self.counts, "models", model.title):
                self.ours.take_model(model)
                self.counts.brought("models")
        here = {each.number: each for each in self.ours.versions(model.title)}
        wanted = list(self.reader.versions(model.title))
        self.counts.found("versions", len(wanted))
        files = {each.number: self._version(each, here.get(each.number)) for each in wanted}
        after = {each.number: each for each in self.ours.versions(model.title)}
        for each in wanted:
            name = f"{each.title}/{each.number}"
            there_now = after.get(each.number)
            told = compare.version_told(there_now) if there_now else None
            self.counts.compare("versions", name, compare.version_told(each), told)
            if there_now is not None:
                self._check_files(name, there_now, files[each.number])
                self._stage(each, there_now)

    # Versions

    def _version(self, version: CarriedVersion, there: CarriedVersion | None) -> Sequence[CarriedFile]:
        """Its files as they lie here, by which the version is to be known."""
        name = f"{version.title}/{version.number}"
        files: Sequence[CarriedFile] = ()
        with refusals(self.counts, "versions", name):
            place = self._place(version)
            files = self.ours.files_at(place) if place else ()
            came = there is not None and there.tags.get(CAME_FROM)
            if there is not None and came and compare.version_told(there) == compare.version_told(version):
                self.counts.kept("versions")
            else:
                source = self._here(version.source) or version.source
                self.ours.take_version(replace(version, source=source), place if files else "")
                self.counts.brought("versions")
        return files

    def _place(self, version: CarriedVersion) -> str:
        """Where its files lie here; empty where it has none, or they cannot be reached."""
        if version.tags.get(PROMPT_MARK, "").lower() == "true" or not self.with_files:
            return ""
        for location in (version.location, version.source):
            if here := self._here(location):
                return path_at(here)
        location = version.location or version.source
        if not location or location.startswith(("models:", "runs:")):
            return ""
        mark = hashlib.sha256(version.title.encode()).hexdigest()[:8]
        target = f"imported/{name_from(version.title)}-{mark}/{version.number}"
        self.files.bring(Root(VERSION, str(version.number), location, version.title), target)
        return target

    def _here(self, location: str) -> str:
        """The same place here, where it is one that was brought."""
        parts = location.rstrip("/").split("/")
        for end in range(len(parts), 0, -1):
            above = "/".join(parts[:end])
            if above in self.roots:
                return "/".join((f"mlflow-artifacts:/{self.roots[above]}", *parts[end:]))
        return ""

    def _check_files(self, name: str, version: CarriedVersion, files: Sequence[CarriedFile]) -> None:
        """That the version here is made of those files, and of no others."""
        if not files:
            return
        there = {each.path: each.sha256 for each in files}
        with refusals(self.counts, "versions", name):
            kept = self.ours.files_at(path_at(version.location)) if version.location else ()
            here = {each.path: each.sha256 for each in kept}
            self.counts.compare("versions", f"{name} files", there, here)

    # Aliases and stages

    def _aliases(self, model: CarriedModel, here: Mapping[str, int]) -> None:
        for alias, number in model.aliases.items():
            self.counts.found("aliases")
            if here.get(alias) == number:
                self.counts.kept("aliases")
            elif alias not in here:
                with refusals(self.counts, "aliases", f"{model.title}@{alias}"):
                    self.ours.point_alias(model.title, alias, number)
                    self.counts.brought("aliases")

    def _check_aliases(self, model: CarriedModel, here: Mapping[str, int]) -> None:
        for alias, number in model.aliases.items():
            name = f"{model.title}@{alias}"
            if here.get(alias) == number:
                self.counts.same("aliases", name, {"number": number})
            elif alias in here:
                reason = f"It points at version {here[alias]} here, at {number} there; somebody moved it since."
                self.counts.differs("aliases", name, reason)

    def _stage(self, version: CarriedVersion, there: CarriedVersion) -> None:
        if version.stage in ("", NO_STAGE):
            return
        name = f"{version.title}/{version.number}: {version.stage}"
        self.counts.found("stages")
        if there.stage == version.stage:
            self.counts.kept("stages")
        elif there.stage != NO_STAGE:
            self.counts.differs("stages", name, f"It is in {there.stage} here; somebody moved it since.")
            return
        else:
            try:
                self.ours.move_stage(version.title, version.number, version.stage)
            except BudwoodError as error:
                self.counts.differs("stages", name, error.message)
                return
            self.counts.brought("stages")
        self.counts.same("stages", name, {"stage": version.stage})
