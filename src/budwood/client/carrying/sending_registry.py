"""The registry of an export: models and prompts, versions under their numbers, aliases, stages.

A server counts its versions itself and forgets the highest when it is deleted. So where numbers are missing here, it is
given versions to count, which go once the one behind them is there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.numbers import numbers_before
from budwood.client.carrying.ours import Ours
from budwood.client.carrying.reader import RUN, VERSION, Root
from budwood.client.carrying.refusing import refusals
from budwood.client.carrying.sending_files import SendingFiles
from budwood.client.carrying.stock_writer import FILLER, StockWriter, marked
from budwood.domain.carrying import compare
from budwood.domain.carrying.records import (
    WENT_FROM,
    CarriedExperiment,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    unmarked,
)

CARRIER: Final = "budwood versions"
"""The experiment whose runs hold the files of versions that no run there holds."""
NO_STAGE: Final = "None"
MARK: Final = "budwood"
_COPY: Final = re.compile(r"models:/([^/@]+)/[0-9]+")


@dataclass(slots=True)
class SendingRegistry:
    """``runs`` and ``logged``: ids there by ids here. ``roots``: folders there by folders here."""

    ours: Ours
    there: StockWriter
    files: SendingFiles
    counts: Counts
    runs: Mapping[str, str]
    logged: Mapping[str, str]
    roots: Mapping[str, str]
    with_files: bool
    carriers: dict[str, str] | None = None
    carrier: str = ""

    def all(self, models: Sequence[CarriedModel]) -> None:
        """Raises Unavailable."""
        there = {each.title: each for each in self.there.reader.models()}
        for model in self._in_order(models):
            self.counts.found("models")
            with refusals(self.counts, "models", model.title):
                self._model(model, there.get(model.title))
        after = {each.title: each for each in self.there.reader.models()}
        for model in models:
            self._check(model, after.get(model.title))

    def _in_order(self, models: Sequence[CarriedModel]) -> Iterator[CarriedModel]:
        """Those whose versions are copies of others' versions behind those, where that can be."""
        titles = frozenset(each.title for each in models)
        needs = {each.title: self._copied_from(each.title) & titles - {each.title} for each in models}
        left, done = list(models), set[str]()
        while left:
            free = [each for each in left if needs[each.title] <= done] or left[:1]
            for each in free:
                left.remove(each)
                done.add(each.title)
                yield each

    def _copied_from(self, title: str) -> frozenset[str]:
        found = (_COPY.fullmatch(each.source) for each in self.ours.versions(title))
        return frozenset(match[1] for match in found if match)

    def _model(self, model: CarriedModel, there: CarriedModel | None) -> None:
        if there is None:
            self.there.make_model(model, MARK)
            self.counts.brought("models")
        else:
            if compare.model_told(there) != compare.model_told(model):
                self.there.change_model(model)
            self.counts.kept("models")
        versions = {each.number: each for each in self.there.reader.versions(model.title)}
        for version in self.ours.versions(model.title):
            self.counts.found("versions")
            with refusals(self.counts, "versions", f"{version.title}/{version.number}"):
                self._version(version, versions)
        for number, each in versions.items():
            if FILLER in each.tags:
                self.there.delete_version(model.title, number)
        self._point(model, there.aliases if there else {})

    # Versions

    def _version(self, version: CarriedVersion, there: dict[int, CarriedVersion]) -> None:
        made = there.get(version.number)
        if made is not None and FILLER not in made.tags:
            if compare.version_told(made) != compare.version_told(self._as_there(version, made.source)):
                self.there.change_version(self._as_there(version, made.source))
            self.counts.kept("versions")
        else:
            wanted = self._made_from(version)
            for _ in numbers_before(version.number, max(there, default=0)):
                number = self.there.make_version(wanted, {FILLER: "true"})
                there[number] = replace(wanted, number=number, tags={FILLER: "true"})
            tags = {**unmarked(version.tags), WENT_FROM: MARK}
            number = self.there.make_version(wanted, tags)
            there[number] = replace(wanted, number=number, tags=tags)
            self.counts.brought("versions")
        self._stage(version, made)

    def _as_there(self, version: CarriedVersion, source: str) -> CarriedVersion:
        return replace(
            version,
            source=source,
            run=self.runs.get(version.run, ""),
            logged=self.logged.get(version.logged, ""),
            tags=unmarked(version.tags),
        )

    def _made_from(self, version: CarriedVersion) -> CarriedVersion:
        """With where its files lie there, or are sent to now."""
        if version.logged in self.logged:
            return self._as_there(version, f"models:/{self.logged[version.logged]}")
        parts = version.source.rstrip("/").split("/")
        for end in range(len(parts), 0, -1):
            if above := self.roots.get("/".join(parts[:end])):
                return self._as_there(version, "/".join((above, *parts[end:])))
        root = Root(VERSION, str(version.number), version.location, version.title)
        if _COPY.fullmatch(version.source) or not self.with_files or not self.ours.files(root):
            return self._as_there(version, version.source)
        run = self._carried(f"{version.title}/{version.number}")
        self.files.send(root, Root(RUN, run.run, run.location), "model/")
        return replace(self._as_there(version, f"{run.location.rstrip('/')}/model"), run=run.run)

    def _carried(self, name: str) -> CarriedRun:
        """A run for files that belong to none there."""
        if self.carriers is None:
            known = {each.name: each.id for each in self.there.reader.experiments()}
            experiment = CarriedExperiment("", CARRIER)
            self.carrier = known.get(CARRIER) or self.there.make_experiment(experiment, MARK)
            self.carriers = marked(self.there.reader.runs(self.carrier))
        if name not in self.carriers:
            run = CarriedRun(name, "", name, "", "FINISHED", 0)
            self.carriers[name] = self.there.make_run(run, self.carrier).run
            self.there.end_run(self.carriers[name], run)
        return self.there.run(self.carriers[name])

    # Aliases and stages

    def _point(self, model: CarriedModel, there: Mapping[str, int]) -> None:
        for alias, number in model.aliases.items():
            self.counts.found("aliases")
            if there.get(alias) == number:
                self.counts.kept("aliases")
            elif alias not in there:
                with refusals(self.counts, "aliases", f"{model.title}@{alias}"):
                    self.there.point_alias(model.title, alias, number)
                    self.counts.brought("aliases")

    def _stage(self, version: CarriedVersion, made: CarriedVersion | None) -> None:
        if version.stage in ("", NO_STAGE):
            return
        self.counts.found("stages")
        now = made.stage if made else NO_STAGE
        if now == version.stage:
            self.counts.kept("stages")
        elif now == NO_STAGE:
            self.there.move_stage(version.title, version.number, version.stage)
            self.counts.brought("stages")

    def _check(self, model: CarriedModel, there: CarriedModel | None) -> None:
        told = compare.model_told(there) if there else None
        self.counts.compare("models", model.title, compare.model_told(model), told)
        aliases = there.aliases if there else {}
        for alias, number in model.aliases.items():
            name = f"{model.title}@{alias}"
            here = {"number": number}
            self.counts.compare("aliases", name, here, {"number": aliases[alias]} if alias in aliases else None)
        after = {each.number: each for each in self.there.reader.versions(model.title)}
        for version in self.ours.versions(model.title):
            name = f"{version.title}/{version.number}"
            now = after.get(version.number)
            if now is None:
                self.counts.differs("versions", name, "It is not there.")
                continue
            wanted = replace(self._as_there(version, now.source), logged=now.logged)
            # One that no run made has the run that holds its files there.
            wanted = wanted if wanted.run else replace(wanted, run=now.run)
            self.counts.compare("versions", name, compare.version_told(wanted), compare.version_told(now))
            if version.stage not in ("", NO_STAGE):
                self.counts.compare("stages", name, {"stage": version.stage}, {"stage": now.stage})
