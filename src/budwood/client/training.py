"""Measuring a training run while it runs, so that its version knows how it came about.

with budwood.training_run() as run:
    run.param("lr", 1e-3)
    run.dataset("reviews", "data/reviews.parquet")
    model = train(...)
    run.metric("accuracy", 0.91)
    run.push(model, "encoder", registry=registry)

Duration, processor time, the most memory, the machine, its accelerators, the frameworks that are loaded and the command
are captured; the rest is what the program tells. Nothing is guessed: what was not measured or told is missing.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from budwood.client.capture.hardware import capture_hardware
from budwood.client.capture.measuring import Measured, Measuring
from budwood.client.models.written import versions
from budwood.domain.canon import Json
from budwood.domain.details import Details, read_details
from budwood.domain.facts import Relation, Training, relation_named
from budwood.domain.limits import VALUE_BYTES
from budwood.errors import BadValue, Conflict

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.domain.dataset import Fingerprint
    from budwood.domain.results import Pushed

FRAMEWORKS: Final = (
    *("torch", "tensorflow", "keras", "jax", "flax", "sklearn", "xgboost", "lightgbm", "catboost"),
    *("transformers", "sentence_transformers", "peft", "onnx"),
)
"""Modules that models are trained with. Those that are loaded when a run is pushed count, with their versions."""
COLUMNS_SAID: Final = 200


class TrainingRun:
    """One run: it is measured from the beginning of the ``with`` block to its end, or to the push inside it.

    Each method may be called at any time until then; of two values under one name the last one counts.
    """

    def __init__(
        self,
        registry: "Registry | None",
        command: str | None,
        connect: Callable[[], "Registry"],
        clock: Callable[[], int],
        run_by: str = "",
    ) -> None:
        self._run_by = run_by
        self._registry = registry
        self._connect = connect
        self._clock = clock
        self._command = _own_command() if command is None else command
        self._measuring: Measuring | None = None
        self._training: Training | None = None
        self._measured: Mapping[str, float] = {}
        self._failed = False
        self._params: dict[str, object] = {}
        self._metrics: dict[str, float] = {}
        self._datasets: dict[str, None] = {}
        self._parents: list[tuple[str, str]] = []
        self._told: dict[str, dict[str, Json]] = {"statistics": {}, "search": {}, "fairness": {}}
        self._resources: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._measuring is not None:
            raise Conflict("This run was begun before.", hint="Begin another: budwood.training_run().")
        self._began_ms = self._clock()
        self._measuring = Measuring()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._measuring is not None
        self._failed = kind is not None
        self._keep(self._measuring.end())

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return self._facts().seconds or 0.0

    def param(self, name: str, value: object) -> None:
        """A setting that was chosen."""
        self._params[name] = value

    def params(self, values: Mapping[str, object]) -> None:
        """Several settings."""
        self._params.update(values)

    def metric(self, name: str, value: float) -> None:
        """A number that was measured, the last time it was."""
        self._metrics[name] = value

    def metrics(self, values: Mapping[str, float]) -> None:
        """Several numbers."""
        self._metrics.update(values)

    def dataset(
        self, name: str, path: str | Path = "", *, version: str = "", statistics: Mapping[str, Json] | None = None
    ) -> str:
        """Data it learns from; returns the name it is kept under, ``name@version``.

        With a ``path`` to a file or folder the version is the SHA-256 of what lies there, and rows and columns are
        counted. A version of a dataset of this registry, ``reviews@v3``, becomes a parent it is trained on.
        Raises BadValue, SourceNotFound.
        """
        if path and (version or "@" in name):
            raise BadValue("Data has one version.", hint="Give a path, or a version.", dataset=name)
        found = _fingerprint(path) if path else None
        kept = f"{name}@sha256:{found.sha256}" if found else f"{name}@{version}" if version else name
        self._datasets[kept] = None
        told = {**(_statistics(found) if found else {}), **(statistics or {})}
        if told:
            self._told["statistics"][name] = told
        return kept

    def parent(self, reference: str, relation: str = Relation.FINE_TUNED_FROM) -> None:
        """A version it comes from. Raises BadValue for what is no relation."""
        self._parents.append((str(relation_named(relation)), reference))

    def statistics(self, dataset: str, values: Mapping[str, Json]) -> None:
        """What is known of data, by its name."""
        self._told["statistics"][dataset] = dict(values)

    def search(self, results: Mapping[str, Json]) -> None:
        """How parameters were found: trials, the best of them."""
        self._told["search"].update(results)

    def fairness(self, results: Mapping[str, Json]) -> None:
        """What was found about groups of people."""
        self._told["fairness"].update(results)

    def resource(self, name: str, amount: float) -> None:
        """Something it took that is not measured here: ``energy_kwh``, ``cost_eur``."""
        self._resources[name] = amount

    def push(self, source: object, model: str, *, registry: "Registry | None" = None, **more: Any) -> "Pushed":
        """Keep files, or a model in memory, as a new version that knows of this run.

        ``more`` is what ``Registry.push`` takes; what is given there is added to what the run was told. Raises Conflict
        after a run that failed, and what ``Registry.push`` raises.
        """
        if self._failed:
            raise Conflict("This run failed; nothing is pushed of it.", hint="Push what you keep with registry.push.")
        if registry := registry or self._registry:
            return registry.push(source, model, **self._said(more))
        with self._connect() as opened:
            return opened.push(source, model, **self._said(more))

    def _said(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a push: what the run was told, and what is said beside it."""
        said = dict(more)
        given = said.pop("facts", {})
        details = given if isinstance(given, Details) else read_details(given)
        training = self._facts()
        return {
            **said,
            "params": {**self._params, **(said.get("params") or {})},
            "metrics": {**self._metrics, **(said.get("metrics") or {})},
            "datasets": tuple(dict.fromkeys([*self._datasets, *_each(said.get("datasets", ()))])),
            "parents": (*self._parents, *_each(said.get("parents", ()))),
            "facts": Details(
                frameworks={**versions(*FRAMEWORKS), **details.frameworks},
                training=details.training or training,
                statistics={**self._told["statistics"], **details.statistics},
                search={**self._told["search"], **details.search},
                fairness={**self._told["fairness"], **details.fairness},
                resources={**self._measured, **self._resources, **details.resources},
            ),
        }

    def _facts(self) -> Training:
        if self._measuring is None:
            raise Conflict(
                "This run was not begun.", hint="Use it in a with block: with budwood.training_run() as run:"
            )
        if self._training is None or not self._measuring.ended:
            self._keep(self._measuring.now())
        assert self._training is not None
        return self._training

    def _keep(self, measured: Measured) -> None:
        self._training = Training(measured.seconds, self._began_ms, capture_hardware(), self._command, self._run_by)
        self._measured = measured.resources


def _each(values: Any) -> Sequence[Any]:
    return (values,) if isinstance(values, str) else tuple(values)


def _fingerprint(path: str | Path) -> "Fingerprint":
    from budwood.client.datasets.fingerprints import fingerprint

    return fingerprint(str(path), pointer=True)


def _statistics(found: "Fingerprint") -> dict[str, Json]:
    """What a reader of lineage wants to see at once; the whole fingerprint is for versions of datasets."""
    figures: dict[str, Json] = {"size_bytes": found.size_bytes, "rows": found.rows}
    if found.columns:
        figures["columns"] = [f"{column.name}: {column.type}" for column in found.columns[:COLUMNS_SAID]]
    return {name: figure for name, figure in figures.items() if figure is not None}


def _own_command() -> str:
    """This program and its arguments, as they would be typed; "" in a notebook, whose arguments say nothing."""
    program, *arguments = sys.argv or [""]
    if not program or program in ("-c", "-m") or Path(program).stem in ("ipykernel_launcher", "__main__"):
        return ""
    with_path = os.path.relpath(program) if Path(program).exists() else program
    command = shlex.join(["python", with_path, *arguments])
    is_plain = command.isprintable() and len(command.encode("utf-8", "surrogatepass")) <= VALUE_BYTES
    return command if is_plain else ""
