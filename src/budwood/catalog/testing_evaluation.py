"""What evaluation datasets, scorers, label schemas and issues must do in every catalog."""

from dataclasses import replace

import pytest

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.evaluation_api import EvaluationSearch, IssueSearch
from budwood.catalog.testing_tracking import add_experiment
from budwood.domain.limits import EVALUATION_PAGE_BYTES, EVALUATION_RECORD_BYTES
from budwood.domain.traces.records import Assessment, AssessmentKind, Trace
from budwood.domain.tracking.evaluation import EVALUATION_DATASETS, EvaluationDataset, EvaluationRecord
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.judging import (
    ISSUES,
    Issue,
    IssueStatus,
    LabelKind,
    LabelSchema,
    Sampling,
    Scorer,
    ScorerVersion,
)
from budwood.errors import BadValue


def add_dataset(catalog: Catalog, number: int, namespace: str = "default", **tags: str) -> EvaluationDataset:
    new = EvaluationDataset(
        *(0, namespace, f"d-{namespace}-{number}", f"qa-{number}", "d1", number, number + 1),
        created_by="mara" if number % 2 else "",
        tags=tags,
    )
    return catalog.write(lambda transaction: transaction.add_evaluation_dataset(new))


def add_records(catalog: Catalog, dataset: EvaluationDataset, *numbers: int, size: int = 2) -> None:
    records = [EvaluationRecord(0, f"dr-{each}", f"m{each}", "x" * size, each, each, "mara") for each in numbers]
    catalog.write(lambda transaction: transaction.add_evaluation_records(dataset.id, records))


def add_issue(catalog: Catalog, experiment_id: int, number: int, severity: int, run: str = "") -> Issue:
    said = (f"issue {number}", "it fails", IssueStatus.PENDING, severity, ("a", "ü"), (), run, "mara", number, number)
    new = Issue(0, f"iss-{experiment_id}-{number}", experiment_id, 0, *said)
    return catalog.write(lambda transaction: transaction.add_issue(new))


def names(catalog: Catalog, text: str = "", *orders: str, experiments: tuple[int, ...] | None = None) -> list[str]:
    comparisons, ordered = parse_filter(text, EVALUATION_DATASETS), parse_orders(orders, EVALUATION_DATASETS)
    with catalog.read() as view:
        page = view.find_evaluation_datasets("default", EvaluationSearch(comparisons, ordered, experiments))
    return [each.name for each in page.datasets]


class EvaluationSuite:
    """A subclass gives the fixture ``catalog``, with nothing in it."""

    def test_a_dataset_is_found_in_its_namespace_only(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        kept = add_dataset(catalog, 1, team="risk")
        add_dataset(catalog, 2, "risk")
        with catalog.read() as view:
            assert view.evaluation_dataset("default", kept.dataset) == kept
            assert view.evaluation_dataset("risk", kept.dataset) is None
            assert view.evaluation_dataset_count("default") == 1
        assert names(catalog) == ["qa-1"]

    def test_an_id_is_known_wherever_it_is(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        dataset = add_dataset(catalog, 1, "risk")
        issue = add_issue(catalog, add_experiment(catalog, "asked").id, 1, 0)
        with catalog.read() as view:
            assert view.evaluation_id_is_known(dataset.dataset)
            assert view.evaluation_id_is_known(issue.issue)
            assert not view.evaluation_id_is_known("d-default-1")

    def test_a_dataset_changes_in_what_may_change(self, catalog: Catalog) -> None:
        before = add_dataset(catalog, 1, a="1", b="2")
        after = replace(before, digest="d2", updated_ms=9, updated_by="juno", schema="{}", records=3)
        catalog.write(lambda transaction: transaction.change_evaluation_dataset(after))
        catalog.write(lambda transaction: transaction.put_evaluation_tags(before.id, {"a": "3"}))
        assert catalog.write(lambda transaction: transaction.remove_evaluation_tag(before.id, "b"))
        assert not catalog.write(lambda transaction: transaction.remove_evaluation_tag(before.id, "b"))
        with catalog.read() as view:
            assert view.evaluation_dataset("default", before.dataset) == replace(after, tags={"a": "3"})

    @pytest.mark.parametrize(
        ("text", "orders", "found"),
        [
            ("", (), ["qa-4", "qa-3", "qa-2", "qa-1"]),
            ("", ("name",), ["qa-1", "qa-2", "qa-3", "qa-4"]),
            ("name IN ('qa-1', 'qa-3') AND created_by = 'mara'", (), ["qa-3", "qa-1"]),
            # Nobody said whom the others are by.
            ("created_by != 'juno'", (), ["qa-3", "qa-1"]),
            ("tags.part = '1'", (), ["qa-3", "qa-1"]),
            ("tags.part != '1'", ("last_update_time ASC",), ["qa-2", "qa-4"]),
            ("name LIKE 'qa-%' AND created_time > 2", (), ["qa-4", "qa-3"]),
            ("name ILIKE 'QA-2'", (), ["qa-2"]),
        ],
    )
    def test_datasets_are_searched(
        self, text: str, orders: tuple[str, ...], found: list[str], catalog: Catalog
    ) -> None:
        for number in range(1, 5):
            add_dataset(catalog, number, part=str(number % 2))
        assert names(catalog, text, *orders) == found

    def test_pages_go_on_where_they_ended(self, catalog: Catalog) -> None:
        for number in range(5):
            add_dataset(catalog, number)
        search, token, found = EvaluationSearch(), "", list[str]()
        with catalog.read() as view:
            while True:
                page = view.find_evaluation_datasets("default", search, token=token, limit=2)
                found += [each.name for each in page.datasets]
                token = page.token
                if not token:
                    break
            assert found == names(catalog)
            first = view.find_evaluation_datasets("default", search, limit=1)
            with pytest.raises(BadValue):
                view.find_evaluation_datasets("default", EvaluationSearch(experiments=(1,)), token=first.token)

    def test_a_dataset_is_used_in_experiments_until_it_or_they_go(self, catalog: Catalog) -> None:
        one, other = add_experiment(catalog, "one"), add_experiment(catalog, "other")
        dataset = add_dataset(catalog, 1)
        add_dataset(catalog, 2)
        for _ in range(2):
            catalog.write(lambda transaction: transaction.add_evaluation_uses(dataset.id, [one.id, other.id, one.id]))
        assert names(catalog, experiments=(other.id,)) == ["qa-1"]
        assert names(catalog, experiments=()) == []
        assert catalog.write(lambda transaction: transaction.remove_evaluation_uses(dataset.id, [other.id])) == 1
        with catalog.read() as view:
            assert view.evaluation_uses(dataset.id) == [one.number]
        catalog.write(lambda transaction: transaction.forget_experiments("default"))
        with catalog.read() as view:
            assert view.evaluation_uses(dataset.id) == []

    def test_records_come_in_the_order_they_came(self, catalog: Catalog) -> None:
        dataset = add_dataset(catalog, 1)
        add_records(catalog, dataset, 3, 1, 2)
        with catalog.read() as view:
            page = view.evaluation_records(dataset.id, limit=2)
            assert [each.record for each in page] == ["dr-3", "dr-1"]
            assert [each.record for each in view.evaluation_records(dataset.id, after=page[-1].id)] == ["dr-2"]
            assert set(view.evaluation_marked(dataset.id, ["m1", "m9"])) == {"m1"}

    def test_a_record_changes_and_goes(self, catalog: Catalog) -> None:
        dataset = add_dataset(catalog, 1)
        add_records(catalog, dataset, 1, 2)
        with catalog.read() as view:
            first = view.evaluation_records(dataset.id)[0]
        after = replace(first, content="yyy", updated_ms=9, updated_by="juno")
        catalog.write(lambda transaction: transaction.change_evaluation_records([after]))
        remove = ["dr-2", "dr-2", "dr-9"]
        assert catalog.write(lambda transaction: transaction.remove_evaluation_records(dataset.id, remove)) == 1
        with catalog.read() as view:
            assert view.evaluation_records(dataset.id) == [after]

    def test_a_page_ends_before_it_is_too_large_but_is_never_empty(self, catalog: Catalog) -> None:
        dataset = add_dataset(catalog, 1)
        size = EVALUATION_RECORD_BYTES
        fitting = EVALUATION_PAGE_BYTES // size
        add_records(catalog, dataset, *range(fitting + 1), size=size)
        with catalog.read() as view:
            assert len(view.evaluation_records(dataset.id)) == fitting

    def test_records_and_tags_go_with_their_dataset(self, catalog: Catalog) -> None:
        dataset = add_dataset(catalog, 1, a="1")
        add_records(catalog, dataset, 1)
        catalog.write(lambda transaction: transaction.remove_evaluation_dataset(dataset.id))
        assert add_dataset(catalog, 1).id > dataset.id
        with catalog.read() as view:
            assert view.evaluation_records(dataset.id) == []

    def test_a_scorer_has_versions_whose_numbers_are_not_given_again(self, catalog: Catalog) -> None:
        place = add_experiment(catalog, "one")
        scorer = catalog.write(
            lambda transaction: transaction.add_scorer(Scorer(0, "s-1", place.id, place.number, "polite"))
        )
        for number in (1, 2):
            version = ScorerVersion(scorer, number, f"body {number}", "mara", number)
            catalog.write(lambda transaction: transaction.add_scorer_version(version))  # noqa: B023 used at once
        assert catalog.write(lambda transaction: transaction.remove_scorer_version(scorer.id, 2))
        assert not catalog.write(lambda transaction: transaction.remove_scorer_version(scorer.id, 2))
        with catalog.read() as view:
            found = view.scorer(place.id, "polite")
            assert found == replace(scorer, last_number=2)
            (newest,) = view.scorers_newest([place.id], limit=9)
            assert (newest.scorer, newest.number, newest.body) == (found, 1, "body 1")
            assert view.scorer_versions(found, limit=9) == [newest]
            assert view.scorer_version(found, 2) is None
        catalog.write(lambda transaction: transaction.remove_scorer(scorer.id))
        with catalog.read() as view:
            assert view.scorer(place.id, "polite") is None

    def test_how_much_a_scorer_samples_is_told_in_its_namespace(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        place = add_experiment(catalog, "one")
        scorer = catalog.write(
            lambda transaction: transaction.add_scorer(Scorer(0, "s-1", place.id, place.number, "polite"))
        )
        sampling = Sampling("c-1", 0.25, "status = 'OK'")
        catalog.write(lambda transaction: transaction.set_sampling(scorer.id, sampling))
        with catalog.read() as view:
            assert view.scorers_known("default", ["s-1", "s-2"]) == [replace(scorer, sampling=sampling)]
            assert view.scorers_known("risk", ["s-1"]) == []

    def test_label_schemas_come_newest_first(self, catalog: Catalog) -> None:
        place = add_experiment(catalog, "one")
        made = [
            catalog.write(
                lambda transaction: transaction.add_label_schema(
                    LabelSchema(
                        *(0, f"ls-{number}", place.id, place.number, f"q{number}", LabelKind.FEEDBACK, "[]", ""),  # noqa: B023
                        *(False, False, "mara", 1, 1),
                    )
                )
            )
            for number in range(3)
        ]
        after = replace(made[1], name="renamed", has_comment=True, instruction="why?", input="[1]", updated_ms=5)
        catalog.write(lambda transaction: transaction.change_label_schema(after))
        catalog.write(lambda transaction: transaction.remove_label_schema(made[0].id))
        with catalog.read() as view:
            assert view.label_schemas(place.id, limit=9) == [made[2], after]
            assert view.label_schemas(place.id, before=made[2].id, limit=9) == [after]
            assert view.label_schema_named(place.id, "renamed") == view.label_schema("default", "ls-1") == after
            assert view.label_schema("risk", "ls-1") is None

    def test_the_worst_issues_come_first_then_the_newest(self, catalog: Catalog) -> None:
        place = add_experiment(catalog, "one")
        made = {number: add_issue(catalog, place.id, number, severity) for number, severity in enumerate((0, 3, -1, 3))}
        changed = replace(made[0], status=IssueStatus.RESOLVED, name="done", updated_ms=9, experiment=place.number)
        catalog.write(lambda transaction: transaction.change_issue(changed))
        with catalog.read() as view:
            page = view.find_issues("default", IssueSearch(), limit=3)
            assert [each.id for each in page.issues] == [made[3].id, made[1].id, made[0].id]
            rest = view.find_issues("default", IssueSearch(), token=page.token, limit=3)
            assert [each.id for each in rest.issues] == [made[2].id]
            assert page.issues[2] == changed == view.issue("default", changed.issue)
            pending = IssueSearch(parse_filter("status != 'resolved'", ISSUES), (place.id,))
            assert len(view.find_issues("default", pending).issues) == 3
            assert view.find_issues("default", IssueSearch(experiments=())).issues == ()
            assert view.issue_count(place.id) == 4

    def test_issues_of_one_severity_come_by_how_many_traces_show_them(self, catalog: Catalog) -> None:
        place = add_experiment(catalog, "one")
        made = [add_issue(catalog, place.id, number, severity) for number, severity in enumerate((1, 1, 1, 2))]

        def show(transaction: Transaction) -> None:
            for number, issues in enumerate(([1, 2], [1], [1, 1])):
                trace = transaction.put_trace("default", Trace(0, f"tr-{number}", place.id, place.number, number))
                for at, issue in enumerate(issues):
                    said = Assessment(f"a-{at}", AssessmentKind.ISSUE, made[issue].issue, None, "HUMAN", "mara", 1, 1)
                    transaction.put_assessment(trace, said)

        catalog.write(show)
        search, found, token = IssueSearch(counts_traces=True), list[tuple[int, int | None]](), ""
        with catalog.read() as view:
            for _ in made:
                page = view.find_issues("default", search, token=token, limit=1)
                found += [(each.id, each.traces) for each in page.issues]
                token = page.token
        assert found == [(made[3].id, 0), (made[1].id, 3), (made[2].id, 1), (made[0].id, 0)]
