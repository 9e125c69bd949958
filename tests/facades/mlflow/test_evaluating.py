"""``mlflow.genai.evaluate``, unmodified: a dataset of ours goes through a program, and what it answers is judged,
traced and measured in a run of ours."""

from typing import Any

import pytest


@pytest.fixture
def dataset(client: Any) -> Any:
    """Six sums, of which every other one is expected wrongly."""
    import mlflow
    from mlflow.genai.datasets import create_dataset

    mlflow.set_experiment(experiment_id=client.create_experiment("sums"))
    made = create_dataset(name="sums")
    return made.merge_records(
        [
            {"inputs": {"one": number, "other": 1}, "expectations": {"sum": number + 1 if number % 2 else 0}}
            for number in range(6)
        ]
    )


def test_answers_are_judged_traced_and_measured(client: Any, dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow
    from mlflow.genai.datasets import create_dataset
    from mlflow.genai.scorers import scorer

    monkeypatch.setenv("MLFLOW_GENAI_EVAL_MAX_WORKERS", "2")

    @scorer
    def is_right(outputs: int, expectations: dict[str, int]) -> bool:
        return outputs == expectations["sum"]

    @scorer
    def size(outputs: int) -> int:
        return outputs

    @mlflow.trace
    def add(one: int, other: int) -> int:
        return one + other

    done = mlflow.genai.evaluate(data=dataset, predict_fn=add, scorers=[is_right, size])
    run = client.get_run(done.run_id)
    assert run.data.metrics == {"is_right/mean": 0.5, "size/mean": 3.5}
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("sums", dataset.digest)
    traces = mlflow.search_traces(run_id=done.run_id, return_type="list")
    assert len(traces) == 6
    judged = {each.name: each.value for each in traces[0].info.assessments}
    assert judged.keys() == {"is_right", "size", "sum"}
    assert judged["is_right"] is (judged["size"] == judged["sum"])
    again = create_dataset(name="as answered").merge_records(traces).to_df()
    assert sorted(again["outputs"]) == [1, 2, 3, 4, 5, 6]
    assert set(again["source_id"]) == {each.info.trace_id for each in traces}
