"""What an import would bring, listed without writing anything; and without reading a byte of any file."""

from collections.abc import Iterable
from dataclasses import dataclass

from budwood.client.carrying.bring_mcp import SERVERS, VERSIONS
from budwood.client.carrying.counts import Counts
from budwood.client.carrying.reader import LOGGED, RUN, Reader, Root
from budwood.client.carrying.refusing import refusals
from budwood.domain.carrying.compare_traced import judged_name


@dataclass(frozen=True, slots=True)
class Planning:
    reader: Reader
    counts: Counts
    with_files: bool

    def all(self) -> None:
        """Raises what the reader raises."""
        for experiment in self.reader.experiments():
            self.counts.found("experiments")
            runs = logged = 0
            for run in self.reader.runs(experiment.id):
                runs += 1
                self.counts.found("runs")
                self._files([Root(RUN, run.run, run.location)])
            for model in self.reader.logged(experiment.id):
                logged += 1
                self.counts.found("logged models")
                self._files([Root(LOGGED, model.model, model.location)])
            traces = self._traced(experiment.id)
            deleted = ", deleted" if experiment.deleted else ""
            self.counts.note(
                f"experiment {experiment.id} {experiment.name!r}{deleted}: {runs} runs, {logged} logged models,"
                f" {traces} traces"
            )
        self.counts.found("evaluation datasets", sum(1 for _ in self.reader.traced.datasets()))
        for server in self.reader.mcp.servers():
            self.counts.found(SERVERS)
            self.counts.found(VERSIONS, sum(1 for _ in self.reader.mcp.versions(server.name)))
        for each in self.reader.models():
            self.counts.found("models")
            self.counts.found("aliases", len(each.aliases))
            versions = list(self.reader.versions(each.title))
            self.counts.found("versions", len(versions))
            self.counts.found("stages", sum(version.stage not in ("", "None") for version in versions))
            aliases = "".join(f", {alias} at {number}" for alias, number in sorted(each.aliases.items()))
            self.counts.note(f"model {each.title!r}: {len(versions)} versions{aliases}")

    def _traced(self, experiment: str) -> int:
        """How many traces; what judges them is told, too."""
        for each in self.reader.traced.judging(experiment):
            self.counts.found(judged_name(each).kind)
        traces = sum(1 for _ in self.reader.traced.traces(experiment))
        self.counts.found("traces", traces)
        return traces

    def _files(self, roots: Iterable[Root]) -> None:
        if not self.with_files:
            return
        for root in roots:
            with refusals(self.counts, "files", root.location):
                files = self.reader.files(root)
                self.counts.found("files", len(files))
                self.counts.came(sum(each.size for each in files))
