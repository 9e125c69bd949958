"""Versions served side by side: loaded when asked, unloaded when idle, verified each time; no request is lost."""

import http.client
import json
import os
import pickle
import signal
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import budwood
from budwood.delivery.serving.host import Limits, Pulled, Served
from budwood.delivery.serving.inside.tensors import Wrong, inputs_of, outputs_of
from budwood.errors import Damaged, ModelDown
from tests.waiting import eventually

from .conftest import PREDICTOR, Answer, Command, Place, ask, sent, tensor


def test_two_versions_answer_side_by_side_and_one_outlives_the_other(place: Place) -> None:
    first, second = place.serve(place.asked(1)), place.serve(place.asked(2))
    assert ask(first).outputs["sum"] == [2.5]
    assert ask(second).outputs["sum"] == [3.5]
    assert first.pid != second.pid
    os.kill(first.pid, signal.SIGKILL)
    assert ask(second).outputs["sum"] == [3.5]
    eventually(lambda: "ended" in place.words())
    assert ask(first).outputs["sum"] == [2.5]


def test_one_that_nobody_asks_is_unloaded_and_no_request_is_lost(place: Place) -> None:
    one = place.serve(place.asked(limits=Limits(0, 1, 0.3)))
    pids = set()
    for _ in range(3):
        answer = ask(one)
        assert answer.status == 200
        pids.add(answer.outputs["pid"][0])
        eventually(lambda: not one.pid)
    assert len(pids) == 3
    assert place.words()[:4] == ["loaded", "unloaded", "loaded", "unloaded"]


def test_a_lazy_one_is_loaded_by_its_first_request(place: Place) -> None:
    one = place.serve(place.asked(lazy=True))
    assert not one.pid
    assert ask(one).status == 200
    assert one.pid


def test_what_it_is_answering_is_answered_when_it_is_told_to_end(place: Place) -> None:
    one = place.serve(place.asked())
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    body = json.dumps({"inputs": [tensor(), tensor("slow")]}).encode()
    connection.request("POST", "/v2/models/adds/infer", body)
    eventually((place.folder / "slow").exists)
    one.close()
    assert connection.getresponse().status == 200
    connection.close()


def test_files_that_are_not_what_was_pushed_are_never_loaded(place: Place) -> None:
    asked = place.asked(limits=Limits(0, 1, 0.2))
    one = place.serve(asked)
    eventually(lambda: not one.pid)
    (asked.pulled.folder / "by.txt").write_text("7")
    answer = ask(one)
    assert answer.status == 503
    assert "is not what was pushed" in answer.said["error"]
    (asked.pulled.folder / "by.txt").write_text("1")
    (asked.pulled.folder / "extra.py").write_text("")
    with pytest.raises(ModelDown, match="is not part of the version"):
        place.serve(replace(asked, number=3))


def test_memory_has_a_limit_and_the_process_lives_on(place: Place) -> None:
    one = place.serve(place.asked(limits=Limits(512 << 20, 1, 0)))
    assert "MemoryError" in ask(one, tensor(), tensor("hog")).said["error"]
    assert ask(one).status == 200


def test_a_model_that_raises_is_500_and_a_request_that_does_not_fit_400(place: Place) -> None:
    one = place.serve(place.asked())
    at = "/v2/models/adds/infer"
    assert ask(one, tensor(), tensor("fail")).status == 500
    assert ask(one, {**tensor(), "shape": [3]}).status == 400
    for body in (b"{", b"[]", b'{"inputs": [1]}', b"\xff", b'{"inputs": NaN}', b"[" * 100_000):
        assert sent(one, body, at).status == 400, body[:20]
    assert sent(one, b"{}", at, headers={"transfer-encoding": "chunked"}).status == 411
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    connection.putrequest("POST", at)
    connection.putheader("content-length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert ask(one, path="/v2/models/other/infer").status == 404


def test_it_says_what_it_is(place: Place) -> None:
    one = place.serve(place.asked(4))
    for path in ("/v2/health/ready", "/v2/health/live", "/v2/models/adds/ready", "/v2/models/adds/versions/4/ready"):
        assert sent(one, b"", path).status == 200, path
    said = sent(one, b"", "/v2/models/adds").said
    assert (said["versions"], said["digest"]) == (["4"], "aa" * 32)
    assert ask(one, path="/v2/models/adds/versions/4/infer").outputs["sum"] == [5.5]


def test_a_warming_request_that_fails_keeps_it_from_traffic(place: Place) -> None:
    (place.folder / "warm.json").write_text(json.dumps({"inputs": [tensor(), tensor("fail")]}))
    with pytest.raises(ModelDown, match="what it needs"):
        place.serve(place.asked(warm=str(place.folder / "warm.json")))


def test_a_predictor_runs_in_a_python_that_has_neither_budwood_nor_numpy(place: Place, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    one = place.serve(place.asked(python=str(tmp_path / "env/bin/python")))
    assert ask(one, tensor(values=(1, 2.5))).outputs["sum"] == [2.0, 3.5]


def test_missing_values_come_as_null() -> None:
    import numpy as np

    found = inputs_of({"inputs": [tensor(values=(1, None))]})["x"]
    assert np.isnan(found).tolist() == [False, True]
    assert outputs_of(found).said[0]["data"] == [1.0, None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
TENSORS = st.fixed_dictionaries(
    {"name": st.text(max_size=3), "shape": JSON, "datatype": st.sampled_from(["FP32", "INT8", "BYTES", "BOOL", "X"])},
    optional={"data": JSON},
)


@given(st.fixed_dictionaries({"inputs": st.lists(TENSORS | JSON, max_size=3)}) | JSON)
@settings(max_examples=300, deadline=None)
def test_any_request_is_understood_or_refused(request_: object) -> None:
    try:
        outputs_of(inputs_of(request_))
    except Wrong:
        return


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=12), st.sampled_from(["INT8", "INT64", "FP32", "FP64"]))
def test_a_tensor_comes_back_as_it_went(values: list[int], datatype: str) -> None:
    given_ = {"name": "x", "shape": [len(values), 1], "datatype": datatype, "data": [[each] for each in values]}
    (back,) = outputs_of(inputs_of({"inputs": [given_]})).said
    assert back == {"name": "x", "shape": [len(values), 1], "datatype": datatype, "data": values}


# Several requests in one prediction

ROWS = """
import os, threading, time
class Rows:
    def __init__(self, folder):
        self.lock, self.calls, self.most = threading.Lock(), 0, 0
    def predict(self, inputs):
        x = inputs["x"]
        with self.lock:
            self.calls += 1
            self.most = max(self.most, len(x))
        time.sleep(0.05)
        if (x < 0).any():
            raise ValueError("less than nothing")
        if "odd" in inputs:
            return {"sum": x.sum(), "most": [self.most]}
        return {"double": 2 * x, "most": [self.most] * len(x)}
"""


def many(one: Served, bodies: list[list[dict[str, Any]]]) -> list[Answer]:
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda tensors: ask(one, *tensors), bodies))


def test_requests_that_wait_are_predicted_together_and_none_answers_for_another(place: Place) -> None:
    (place.folder / "rows.py").write_text(ROWS)
    one = place.serve(place.asked(predictor="rows:Rows", batch=8))
    answers = many(one, [[tensor(values=(number, number + 0.5))] for number in range(24)])
    assert [each.outputs["double"] for each in answers] == [[2 * n, 2 * n + 1] for n in range(24)]
    assert 2 < max(each.outputs["most"][0] for each in answers) <= 8
    mixed = many(one, [[tensor(values=(number,))] for number in (1, -1, 2, -2, 3)])
    assert [each.status for each in mixed] == [200, 500, 200, 500, 200]
    odd = many(one, [[tensor(values=(number, 1)), tensor("odd", (1, 1))] for number in range(6)])
    assert [each.outputs["sum"] for each in odd] == [[number + 1] for number in range(6)]
    long = many(one, [[tensor(values=(1.0,) * 20)], [tensor(values=(1,), datatype="INT64")]])
    assert [len(each.outputs["double"]) for each in long] == [20, 1]


def test_without_a_batch_each_request_is_predicted_alone(place: Place) -> None:
    (place.folder / "rows.py").write_text(ROWS)
    one = place.serve(place.asked(predictor="rows:Rows"))
    answers = many(one, [[tensor(values=(number,))] for number in range(6)])
    assert {each.outputs["most"][0] for each in answers} == {1}


def test_a_process_has_its_cores_and_no_more(place: Place) -> None:
    (place.folder / "cores.py").write_text(
        "import os\nclass Cores:\n    def predict(self, inputs):\n        return [len(os.sched_getaffinity(0))]\n"
    )
    one = place.serve(place.asked(predictor="cores:Cores", limits=Limits(0, 1, 0)))
    assert ask(one).outputs["predict"] == [1]


# The command


def test_the_command_makes_versions_arms_of_an_endpoint(tmp_path: Path, command: Callable[..., Command]) -> None:
    (tmp_path / "adds.py").write_text(PREDICTOR)
    with budwood.connect(tmp_path / "registry") as registry:
        for number in (1, 2):
            (tmp_path / "by.txt").write_text(str(number))
            registry.push(tmp_path / "by.txt", "adds")
        words = ("--predictor", "adds:Adds", "--endpoint", "adds", "--json")
        (first,) = command("adds@v1", *words).served()
        port = int(first["url"].split(":")[2].split("/")[0])
        assert ask(port).outputs["sum"] == [2.5]
        shown = registry.endpoints.show("adds")
        assert (shown.body.baseline, shown.split) == ("v1", {"v1": 10_000})
        second = command("adds@v2", *words)
        second.served()
        shown = registry.endpoints.show("adds")
        assert {arm.name: arm.number for arm in shown.body.arms} == {"v1": 1, "v2": 2}
        assert shown.split == {"v1": 10_000}
        registry.endpoints.split("adds", {"v1": 9_000, "v2": 1_000})
        (again,) = command("adds@v2", *words).served()
        shown = registry.endpoints.show("adds")
        assert shown.split == {"v1": 9_000, "v2": 1_000}
        assert f":{shown.body.arm('v2').backends[0].port}/" in again["url"]


def test_processes_end_with_the_command_however_it_ends(tmp_path: Path, command: Callable[..., Command]) -> None:
    (tmp_path / "adds.py").write_text(PREDICTOR)
    (tmp_path / "by.txt").write_text("1")
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(tmp_path / "by.txt", "adds")
    running = command("adds", "--predictor", "adds:Adds", "--json")
    (row,) = running.served()
    port = int(row["url"].split(":")[2].split("/")[0])
    pid = ask(port).outputs["pid"][0]
    running.process.kill()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def test_a_pickle_that_would_run_something_is_refused_before_it_can(
    tmp_path: Path, command: Callable[..., Command]
) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Runs()))
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(tmp_path / "model.pkl", "evil")
    process = command("evil").process
    _, told = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "does not call" in told
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_lacks_a_file_is_damaged(tmp_path: Path) -> None:
    from budwood.delivery.serving.host import check

    with pytest.raises(Damaged, match="is missing"):
        check(Pulled(tmp_path, {"gone.txt": "00"}))
