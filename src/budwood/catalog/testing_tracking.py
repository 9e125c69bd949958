"""What tracking must do in every catalog: found in its namespace only, newest values, searched and paged."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.tracking_api import TrackingSearch
from budwood.domain.tracking.fields import EXPERIMENTS, RUNS
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.records import (
    Dataset,
    DatasetUse,
    Experiment,
    Metric,
    ModelUse,
    Run,
    RunStatus,
    Showing,
)
from budwood.errors import BadValue

_TABLES: Final = (
    "experiment",
    "experiment_tag",
    "run",
    "run_tag",
    "run_param",
    "run_metric",
    "metric_point",
    "run_input",
    "run_dataset",
)
_STATUS = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.RUNNING)
RUN_COUNT = 60


def add_experiment(catalog: Catalog, name: str, at_ms: int = 5, namespace: str = "default") -> Experiment:
    new = Experiment(0, namespace, -1, name, "mlflow-artifacts:/{number}", at_ms, at_ms, tags={"team": name})
    return catalog.write(lambda transaction: transaction.add_experiment(namespace, new))


def add_run(transaction: Transaction, experiment: Experiment, number: int) -> Run:
    """The number decides all about it."""
    return transaction.add_run(
        Run(
            0,
            f"{number:032x}",
            experiment.id,
            experiment.number,
            f"run-{number % 7}",
            "mara",
            "mara",
            _STATUS[number % 3],
            1_000 + number // 2,
            None if number % 3 == 2 else 5_000 - number,
            f"{experiment.location}/{number:032x}/artifacts",
        )
    )


class TrackingSuite:
    """Needs the fixture ``catalog``."""

    def test_an_experiment_may_bring_its_number(self, catalog: Catalog) -> None:
        brought = Experiment(0, "default", 41, "a", "mlflow-artifacts:/{number}", 5, 5)
        kept = catalog.write(lambda transaction: transaction.add_experiment("default", brought))
        assert (kept.number, kept.location) == (41, "mlflow-artifacts:/41")
        assert add_experiment(catalog, "b").number == 42

    def test_experiments_are_numbered_in_their_namespace(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        first, second = add_experiment(catalog, "a"), add_experiment(catalog, "b", 6)
        theirs = add_experiment(catalog, "a", namespace="risk")
        assert (first.number, second.number, theirs.number) == (1, 2, 1)
        assert first.location == "mlflow-artifacts:/1"
        with catalog.read() as view:
            assert view.experiment("default", 1) == first
            assert view.experiment_named("risk", "a") == theirs
            assert view.experiment("default", 3) is None
            assert view.experiment_numbers("default", [2, 1, 9]) == {1: first.id, 2: second.id}
            named = TrackingSearch(parse_filter("name LIKE 'A%' AND tags.team = 'a'", EXPERIMENTS))
            assert view.find_experiments("default", named).experiments == ()
            either = TrackingSearch(parse_filter("name ILIKE 'A%' AND tags.team = 'a'", EXPERIMENTS))
            assert view.find_experiments("default", either).experiments == (first,)
            page = view.find_experiments("default", TrackingSearch(), limit=1)
            assert page.experiments == (second,)
            again = view.find_experiments("default", TrackingSearch(), token=page.token, limit=1)
            assert (again.experiments, again.token) == ((first,), "")

    def test_the_newest_of_a_metric_is_that_of_the_highest_step(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        points = [Metric("loss", 1 / n, 100 - n, n) for n in range(1, 40)] + [
            Metric("odd", math.nan, 1),
            Metric("odd", 3, 0),
        ]

        def work(transaction: Transaction) -> Run:
            run = add_run(transaction, experiment, 1)
            transaction.log_metrics(run, points[:5])
            transaction.log_metrics(run, points)
            transaction.log_params(run, {"lr": "0.1", "long": "x" * 500})
            transaction.put_run_tags(run, {"a": "1", "b": "2"})
            transaction.put_run_tags(run, {"a": "3"})
            use = DatasetUse(Dataset("d", "123", "local", "{}"), {"mlflow.data.context": "train"})
            transaction.add_inputs(run, [use, use])
            transaction.add_models(run, [ModelUse("m-1"), ModelUse("m-2", 3, True)])
            return run

        run = catalog.write(work)
        with catalog.read() as view:
            (found,) = view.logged_by([run])
            assert found.metrics[0] == points[38]
            assert math.isnan(found.metrics[1].value)
            assert found.params == (("long", "x" * 500), ("lr", "0.1"))
            assert found.tags == (("a", "3"), ("b", "2"))
            assert [use.tags for use in found.datasets] == [{"mlflow.data.context": "train"}]
            assert found.models == (ModelUse("m-1"), ModelUse("m-2", 3, True))
            history = view.metric_history(run.id, "loss")
            assert list(history) == sorted(points[:39], key=lambda each: each.at_ms)
            assert view.metric_history(run.id, "loss", after=history[9], limit=2) == history[10:12]
            assert view.metric_steps(run.id, "loss", least=3, most=5) == [3, 4, 5]
            assert [each.step for each in view.metric_at(run.id, "loss", [7, 2], 10)] == [2, 7]
            assert view.run_params(run.id, ["lr", "none"]) == {"lr": "0.1"}
            assert [each.context for each in view.datasets_of([experiment.id], 10)] == ["train"]

    def test_points_that_come_together_keep_their_numbers(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        run = catalog.write(lambda transaction: add_run(transaction, experiment, 1))
        # Small ones first: what the first list is like must say nothing of the next.
        small = [Metric("loss", n, n, n) for n in range(20)]
        large = [Metric("loss", n / 7 if n % 2 else -n, 1_760_000_000_000 + n, (-1) ** n << n) for n in range(60)]
        for points in (small, large, small, large):
            catalog.write(lambda transaction, points=points: transaction.log_metrics(run, points))  # type: ignore[misc]
        with catalog.read() as view:
            assert list(view.metric_history(run.id, "loss")) == [*small, *large]

    def test_runs_are_searched_as_a_plain_reading_would_find_them(self, catalog: Catalog) -> None:
        experiments = [add_experiment(catalog, name) for name in ("a", "b")]
        for each in catalog.write(lambda transaction: fill_runs(transaction, experiments)):
            assert each.id
        everywhere = tuple(each.id for each in experiments)
        for text, keep in _FILTERS.items():
            for words, key in _ORDERS.items():
                search = TrackingSearch(parse_filter(text, RUNS), parse_orders(words, RUNS), Showing.ALL, everywhere)
                ordered = sorted(range(RUN_COUNT), key=lambda n: (*key(n), _start(n), n))
                expected = [number for number in ordered if keep(number)]
                assert _paged(catalog, search) == expected, (text, words)
        for showing, keep_shown in _SHOWN.items():
            search = TrackingSearch(showing=showing, experiments=everywhere[:1])
            mine = [n for n in range(0, RUN_COUNT, 2) if keep_shown(n)]
            assert _paged(catalog, search) == sorted(mine, key=lambda n: (_start(n), n))

    def test_forgotten_experiments_leave_nothing(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        mine, theirs = add_experiment(catalog, "a"), add_experiment(catalog, "a", namespace="risk")
        catalog.write(lambda transaction: fill_runs(transaction, [mine, mine]))
        catalog.write(lambda transaction: transaction.forget_experiments("risk"))
        with catalog.read() as view:
            assert view.experiment("risk", theirs.number) is None
            assert view.run("default", f"{1:032x}") is not None
        catalog.write(lambda transaction: transaction.forget_experiments("default"))
        with catalog.read() as view:
            held = {name: [row for page in view.dump(name) for row in page] for name in _TABLES}
        assert not any(held.values())

    def test_like_knows_two_signs_and_nothing_else(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        values = [
            "",
            "a",
            "A",
            "é",
            "É",
            "a%b",
            "a_b",
            "a[b]c",
            "a*b?c",
            "a\\b",
            "aXb",
            "%",
            "_",
            "[a]",
            "^a",
            "ß",
            "a\nb",
        ]

        def work(transaction: Transaction) -> None:
            for number, value in enumerate(values):
                transaction.log_params(add_run(transaction, experiment, number), {"p": value})

        catalog.write(work)
        for pattern in [*values, "a%", "%b%", "a_b", "_", "%[%", "%\\%", "a%_", "%]c", "%É%", "a*b%"]:
            for operator, flags in (("LIKE", re.DOTALL), ("ILIKE", re.DOTALL | re.IGNORECASE)):
                search = TrackingSearch(
                    parse_filter(f"params.p {operator} '{pattern}'", RUNS), (), Showing.ALL, (experiment.id,)
                )
                expression = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
                expected = {number for number, value in enumerate(values) if re.fullmatch(expression, value, flags)}
                assert set(_paged(catalog, search)) == expected, (operator, pattern)

    def test_a_token_belongs_to_one_search(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        catalog.write(lambda transaction: [add_run(transaction, experiment, number) for number in range(5)])
        search = TrackingSearch(experiments=(experiment.id,))
        with catalog.read() as view:
            token = view.find_runs("default", search, limit=2).token
            assert token
            for other in (TrackingSearch(showing=Showing.ALL, experiments=(experiment.id,)), search):
                for text in (token if other is not search else token[:-6] + "AAAAAA", "x", "=" * 10, token + "="):
                    try:
                        view.find_runs("default", other, token=text)
                    except BadValue:
                        continue
                    raise AssertionError(text)


def fill_runs(transaction: Transaction, experiments: Sequence[Experiment]) -> list[Run]:
    """``RUN_COUNT`` runs in two experiments, with everything that a run can have."""
    runs = []
    for number in range(RUN_COUNT):
        run = add_run(transaction, experiments[number % 2], number)
        transaction.put_run_tags(run, {"parity": "odd" if number % 2 else "even"})
        if number % 4:
            value = math.nan if number % 5 == 0 else float(number % 6)
            transaction.log_metrics(run, [Metric("acc", value, 1)])
        if number % 3:
            transaction.log_params(run, {"lr": f"Lr_{number % 5}"})
        if number % 10 == 1:
            use = DatasetUse(Dataset("sales", str(number)), {"mlflow.data.context": "train"})
            transaction.add_inputs(run, [use])
        if number % 6 == 5:
            transaction.change_run(replace(run, removed_ms=9))
        runs.append(run)
    return runs


def _start(number: int) -> int:
    return -(1_000 + number // 2)


def _acc(number: int) -> float | None:
    """Of a run, NaN as None."""
    return float(number % 6) if number % 4 and number % 5 else None


def _rank(number: int) -> int:
    return 2 if not number % 4 else 1 if number % 5 == 0 else 0


_FILTERS: Final[Mapping[str, Callable[[int], object]]] = {
    "": lambda n: True,
    "metrics.acc > 2": lambda n: (_acc(n) or 0) > 2,
    "metrics.acc != 3 and status = 'FINISHED'": lambda n: _acc(n) not in (None, 3.0) and n % 3 == 0,
    "params.lr = 'Lr_1'": lambda n: n % 3 and n % 5 == 1,
    "params.lr LIKE 'lr%'": lambda n: False,
    "params.lr LIKE 'L__1'": lambda n: n % 3 and n % 5 == 1,
    "params.lr ILIKE 'lR_%'": lambda n: n % 3,
    "params.lr IS NULL": lambda n: not n % 3,
    "params.lr IS NOT NULL and tags.parity != 'odd'": lambda n: n % 3 and not n % 2,
    f"run_id IN ('{3:032x}', '{8:032x}')": lambda n: n in (3, 8),
    "start_time >= 1010 AND end_time < 4970": lambda n: n >= 20 and n % 3 != 2 and n > 30,
    "datasets.name = 'sales' and datasets.context IN ('train')": lambda n: n % 10 == 1,
    "run_name = 'run-3'": lambda n: n % 7 == 3,
}
_ORDERS: Final[Mapping[tuple[str, ...], Callable[[int], tuple[float | str, ...]]]] = {
    (): lambda n: (),
    ("metrics.acc",): lambda n: (_rank(n), _acc(n) or 0),
    ("metrics.acc DESC",): lambda n: (_rank(n), -(_acc(n) or 0)),
    ("params.lr",): lambda n: (not n % 3, f"Lr_{n % 5}" if n % 3 else ""),
    ("run_name", "metrics.acc DESC"): lambda n: (n % 7, _rank(n), -(_acc(n) or 0)),
    ("end_time DESC",): lambda n: (n % 3 == 2, n if n % 3 != 2 else 0),
}
_SHOWN: Final[Mapping[Showing, Callable[[int], bool]]] = {
    Showing.ALL: lambda n: True,
    Showing.ACTIVE: lambda n: n % 6 != 5,
    Showing.DELETED: lambda n: n % 6 == 5,
}


def _paged(catalog: Catalog, search: TrackingSearch) -> list[int]:
    found: list[int] = []
    token = ""
    while True:
        with catalog.read() as view:
            page = view.find_runs("default", search, token=token, limit=7)
        found += [int(run.run, 16) for run in page.runs]
        token = page.token
        if not token:
            return found
