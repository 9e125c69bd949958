"""What files of runs and logged models must do in every catalog: found in their namespace only, replaced, swept."""

import math
from dataclasses import replace

from budwood.catalog.api import Catalog
from budwood.catalog.testing_tracking import add_experiment
from budwood.domain.artifacts import Listed, LoggedModel, ModelStatus, StoredFile
from budwood.domain.entries import FileEntry, Span
from budwood.domain.facts import FileFacts
from budwood.domain.tracking.records import Metric, RunMetric


def put(catalog: Catalog, path: str, byte: int = 1, namespace: str = "default") -> StoredFile:
    entry = FileEntry(path.rpartition("/")[2], 3, f"{byte:02x}" * 32, (Span(0, 3, (bytes([byte]) * 32,)),))
    new = StoredFile(0, namespace, path, entry, FileFacts(frameworks={"sklearn": "1.9"}), "mara", 7)
    return catalog.write(lambda transaction: transaction.put_stored_file(new))


def add_logged(catalog: Catalog, experiment_id: int, number: int, at_ms: int) -> LoggedModel:
    new = LoggedModel(
        0, f"m-{number:032x}", experiment_id, 1, f"net-{number}", "Agent", ModelStatus.PENDING, "", "x", "m", at_ms, 1
    )
    return catalog.write(lambda transaction: transaction.add_logged_model(new))


class ArtifactSuite:
    """A subclass gives the fixture ``catalog``, with nothing in it."""

    def test_a_file_is_found_in_its_namespace_only(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        kept = put(catalog, "1/a/artifacts/net.bin")
        with catalog.read() as view:
            assert view.stored_file("default", kept.path) == kept
            assert view.stored_file("risk", kept.path) is None
            assert not view.stored_files("risk", "")

    def test_a_file_put_again_takes_the_place_of_the_one_before_and_a_new_id(self, catalog: Catalog) -> None:
        before, after = put(catalog, "1/a/x", 1), put(catalog, "1/a/x", 2)
        assert after.id > before.id
        with catalog.read() as view:
            assert view.all_stored_files() == [after]
            assert view.all_stored_files(after_id=after.id) == []

    def test_an_id_is_never_given_again(self, catalog: Catalog) -> None:
        before = put(catalog, "1/a/x")
        catalog.write(lambda transaction: transaction.remove_stored_files("default", "1/a/x"))
        assert put(catalog, "1/a/x").id > before.id

    def test_files_of_one_structure_come_newest_first(self, catalog: Catalog) -> None:
        for path in ("1/a/x", "1/b/x", "1/c/x"):
            plain = put(catalog, path)
            if path != "1/b/x":
                like = replace(plain, structure="s")
                catalog.write(lambda transaction: transaction.put_stored_file(like))  # noqa: B023 used at once
        with catalog.read() as view:
            assert [each.path for each in view.stored_files_like("default", "s", limit=9)] == ["1/c/x", "1/a/x"]
            assert len(view.stored_files_like("default", "s", limit=1)) == 1
            assert not view.stored_files_like("risk", "s", limit=9)

    def test_a_folder_holds_what_is_below_it_and_nothing_beside_it(self, catalog: Catalog) -> None:
        for path in ("1/a/x", "1/a/z/y", "1/a-b", "1/ab/x", "1/a0"):
            put(catalog, path)
        with catalog.read() as view:
            assert view.listed_files("default", "1/a") == [Listed("1/a/x", 3), Listed("1/a/z/y", 3)]
            assert [each.path for each in view.stored_files("default", "1/a", after="1/a/x")] == ["1/a/z/y"]
            assert len(view.listed_files("default", "")) == 5
        removed = catalog.write(lambda transaction: transaction.remove_stored_files("default", "1/a"))
        assert removed == 2
        with catalog.read() as view:
            assert [each.path for each in view.listed_files("default", "")] == ["1/a-b", "1/a0", "1/ab/x"]

    def test_a_logged_model_keeps_what_is_said_of_it(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "nets")
        model = add_logged(catalog, experiment.id, 1, 5)
        metric = RunMetric("r", Metric("auc", 0.5, 3, 1, dataset=("rows", "d1")))
        none = RunMetric("r", Metric("loss", math.nan, 3))
        catalog.write(lambda transaction: transaction.put_logged_tags(model.id, {"a": "1", "b": "2"}))
        catalog.write(lambda transaction: transaction.put_logged_tags(model.id, {"a": "3"}))
        assert catalog.write(lambda transaction: transaction.remove_logged_tag(model.id, "b"))
        assert not catalog.write(lambda transaction: transaction.remove_logged_tag(model.id, "b"))
        catalog.write(lambda transaction: transaction.put_logged_params(model.id, {"lr": ".1"}))
        catalog.write(lambda transaction: transaction.put_logged_metrics(model.id, [metric, none]))
        older = replace(metric, metric=replace(metric.metric, value=9.0, step=0))
        catalog.write(lambda transaction: transaction.put_logged_metrics(model.id, [older]))
        with catalog.read() as view:
            (said,) = view.said_of([model])
        assert (said.tags, said.params) == ({"a": "3"}, {"lr": ".1"})
        auc, loss = said.metrics
        assert auc == metric
        assert math.isnan(loss.metric.value)

    def test_logged_models_come_newest_first_without_the_deleted(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "nets")
        models = [add_logged(catalog, experiment.id, number, number) for number in range(4)]
        gone = replace(models[2], removed_ms=9, status=ModelStatus.READY)
        catalog.write(lambda transaction: transaction.change_logged_model(gone))
        with catalog.read() as view:
            assert [each.id for each in view.logged_models([experiment.id], limit=10)] == [
                models[3].id,
                models[1].id,
                models[0].id,
            ]
            assert view.logged_model("default", gone.model) == replace(gone, experiment=experiment.number)
            assert view.logged_model("risk", gone.model) is None
            assert view.logged_model_is_known(gone.model)
            assert not view.logged_model_is_known("m-" + "0" * 31 + "f")

    def test_a_namespace_is_forgotten_with_its_models(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "nets")
        model = add_logged(catalog, experiment.id, 1, 5)
        catalog.write(lambda transaction: transaction.put_logged_params(model.id, {"lr": ".1"}))
        catalog.write(lambda transaction: transaction.forget_logged_models("default"))
        catalog.write(lambda transaction: transaction.forget_experiments("default"))
        with catalog.read() as view:
            assert view.logged_model("default", model.model) is None
