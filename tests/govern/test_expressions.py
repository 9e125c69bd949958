"""Expressions in CEL: what they come to, and what a person is told when they come to nothing."""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.canon import Json
from budwood.domain.limits import EXPRESSION_BYTES, EXPRESSION_ITEMS, EXPRESSION_MS, EXPRESSIONS_MS
from budwood.domain.policy.case import Said
from budwood.govern.expressions import Expressions
from budwood.govern.worker import COMMAND

BOMB = "facts.metrics.all(a, facts.metrics.all(b, a != b || a == b))"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("facts.metrics.accuracy >= 0.9", True),
        ("facts.metrics['accuracy'] >= 0.95", False),
        ("facts.metrics.accuracy * 2.0 - 0.86 == 1.0", True),
        ("version.number > 2.5", True),
        ("-version.number < 0 && version.number - 1 == 2", True),
        ("version.number in [1, 2, 3] ? champion : false", True),
        ("evidence.all(e, e.samples >= 500 && 'evaluator' in e.roles)", True),
        ("evidence.exists_one(e, e.metrics.accuracy + 0.01 >= facts.metrics.accuracy)", True),
        ("facts.formats == ['safetensors']", True),
        ("has(facts.metrics.loss)", False),
        ("facts.code != null && !facts.code.dirty", False),
        ("target.startsWith('stage:') // where to", True),
        ("timestamp('2020-01-01T00:00:00Z') + duration('1h') > timestamp('2020-01-01T00:30:00Z')", True),
        ("evidence.map(e, e.samples * 2).all(s, s > 1000)", True),
        ("1u + 1u == 2u", True),
        (r"r'\d' == '\\d' && '''it's''' == \"it's\" && \"\" == ''".replace('\\"', '"'), True),
    ],
)
def test_an_expression_is_true_or_false(
    expressions: Expressions, variables: Mapping[str, Json], expression: str, value: bool
) -> None:
    assert expressions.check(expression) == ""
    assert expressions.evaluate([expression], variables) == {expression: Said(value)}


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("versoin.number > 1", "There is no versoin. Did you mean version?"),
        ("facts.metrics.acuracy > 0.5", "There is no facts.metrics.acuracy. Did you mean accuracy?"),
        ("facts.metrics['acuracy'] > 0.5", "There is no acuracy. Did you mean accuracy?"),
        ("evidence.all(e, e.sampels > 1)", "There is no sampels. Did you mean samples?"),
        ("facts.code.dirty", "facts.code is not known"),
        ("!facts.code.dirty", "facts.code is not known"),
        ("version.label > 1", "version.label is text"),
        ("version.number", "a whole number, not to true or false"),
        ("'true'", "text, not to true or false"),
        ("null", "nothing, not to true or false"),
        ("evidence[5].samples > 1", "index out of bounds"),
        ("1 / 0 > 1", "no finite number"),
        ("9223372036854775807 + 1 > 0", "no finite number"),
        ("(", "is missing"),
        ("1 +* 2", "line 1, character 4"),
        ("champion)", "closes nothing"),
        ("'a", "does not end"),
        ("true\0", "means nothing"),
        ("\ud800", "means nothing"),
        ("", "cannot be read"),
    ],
)
def test_a_problem_names_what_is_wrong(
    expressions: Expressions, variables: Mapping[str, Json], expression: str, told: str
) -> None:
    said = expressions.evaluate([expression], variables)[expression]
    assert said.value is None
    assert told in said.problem


@pytest.mark.parametrize(
    "expression",
    [
        "0.0 / 0.0 >= 0.9",
        "1.0 / 0.0 >= 0.9",
        "-1.0 / 0.0 <= 0.9",
        "1.0 / (1.0 / 0.0) < 0.9",
        "1e308 * 10.0 > 0.9",
        "1e308 + 1e308 > 0.9",
        "-1e308 - 1e308 < 0.9",
        "double('inf') >= 0.9",
        "double('1e999') >= 0.9",
        "double('nan') >= 0.9",
        "[1.0 / 0.0].all(x, x > 0.9)",
        "[1.0].map(x, x / 0.0)[0] > 0.9",
        "{'a': 1.0 / 0.0}.a > 0.9",
        "facts.metrics.accuracy / 0.0 > 0.9 || true",
        "1.0 > 0.5 ? 1.0 / 0.0 > 0.9 : false",
        "evidence.exists(e, e.metrics.accuracy / 0.0 > 0.9)",
    ],
)
def test_what_is_no_finite_number_lets_nothing_through(
    expressions: Expressions, variables: Mapping[str, Json], expression: str
) -> None:
    assert expressions.evaluate([expression], variables)[expression].value is None


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"accuracy": math.nan}, "facts.metrics.accuracy is nan"),
        ({"accuracy": math.inf}, "facts.metrics.accuracy is inf"),
        ({"accuracy": 1 << 63}, "more than 64 bits"),
        ({"accuracy": "\udc80"}, "no Unicode"),
        ({"accuracy": [0.9] * (EXPRESSION_ITEMS + 1)}, "EXPRESSION_ITEMS"),
    ],
)
def test_a_variable_that_cannot_be_counted_with_is_named(
    expressions: Expressions, metrics: Mapping[str, Json], told: str
) -> None:
    variables: Mapping[str, Json] = {"facts": {"metrics": {**metrics, "f1": 0.9}}}
    for expression in ("facts.metrics.accuracy >= 0.9", "facts.metrics.all(m, true)", "has(facts['metrics'].accuracy)"):
        said = expressions.evaluate([expression], variables)[expression]
        assert said.value is None
        assert told in said.problem
    assert expressions.evaluate(["facts.metrics.f1 >= 0.9"], variables)["facts.metrics.f1 >= 0.9"].value is True


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("(" * 3_000 + "true" + ")" * 3_000, "EXPRESSION_BYTES"),
        ("[" * 3_000, "] is missing"),
        ("true ? " * 1_500 + "true" + " : true" * 1_500, "EXPRESSION_BYTES"),
        ("||".join(["true"] * 20_000), "EXPRESSION_BYTES"),
        ("'" + "x" * 5_000_000 + "' == ''", "EXPRESSION_BYTES"),
        ("(" * 1_500 + "true" + ")" * 1_500, "cannot be read"),
        ("[1].map(a, [1].map(b, [1].map(c, c))) == []", "EXPRESSION_NESTING"),
        ("evidence.all(a, evidence.exists(b, evidence.filter(c, true).size() > 0))", "EXPRESSION_NESTING"),
        (f"[{','.join('1' * (EXPRESSION_ITEMS + 1))}].size() > 1", "EXPRESSION_ITEMS"),
        ("__import__('os').system('id') == 0", "no function"),
        ("open('/etc/passwd') == ''", "no function"),
        ('"".__class__ == 1', "types do not fit"),
        ("facts.__class__ == 1", "There is no facts.__class__"),
        ("checked.__globals__ == 1", "There is no checked"),
        ("import os", "cannot be read"),
        ("true; true", "means nothing"),
        ("${7*7} == 49", "means nothing"),
        ("{{7*7}} == 49", "cannot be read"),
        ("lambda: true", "cannot be read"),
        ("google.protobuf.Any{}", ""),
        ("cel.bind(a, 1, a == 1)", ""),
        ("'a'.matches('(a+)+$') && 'a'.matches('(')", ""),
        ("'x'.matches('((((x{99}){99}){99}){99})')", ""),
        ("b'\\xff' > 1", ""),
        ("timestamp('nonsense') > timestamp('x')", ""),
        ("[1, 2] + [3] > 1", ""),
        (f"[{','.join('1' * 150)}] + [{','.join('1' * 150)}] != []", "EXPRESSION_ITEMS"),
        ("9" * 400 + " > 1", "cannot be read"),
    ],
)
def test_odd_input_is_told_apart_and_harms_nothing(
    expressions: Expressions, variables: Mapping[str, Json], expression: str, told: str
) -> None:
    said = expressions.evaluate([expression, "true"], variables)
    assert said[expression].value is None
    assert told in said[expression].problem
    assert said["true"] == Said(True)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("versoin.number > 1", "Did you mean version?"),
        ("zzz", "There are facts, version, evidence, champion, target."),
        ("1 +* 2", "cannot be read"),
        ("x" * (EXPRESSION_BYTES + 1), "EXPRESSION_BYTES"),
        ("[1].map(a, [1].map(b, [1].map(c, c))) == []", "EXPRESSION_NESTING"),
    ],
)
def test_a_policy_with_a_bad_expression_is_told_when_it_is_written(
    expressions: Expressions, expression: str, told: str
) -> None:
    assert told in expressions.check(expression)


def test_a_bomb_is_cut_while_threads_here_go_on_and_the_rest_is_evaluated(many_metrics: Mapping[str, Json]) -> None:
    ticks, stop = [time.monotonic()], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks.append(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    with Expressions() as expressions:
        said = expressions.evaluate(["true", BOMB, "1 == 1"], many_metrics)
    stop.set()
    ticking.join()
    assert said == {
        "true": Said(True),
        BOMB: Said(None, f"It took longer than {EXPRESSION_MS} ms (EXPRESSION_MS)."),
        "1 == 1": Said(True),
    }
    # Held by the library, this thread would have ticked twice.
    assert len(ticks) > 20


def test_many_bombs_together_are_cut_too(many_metrics: Mapping[str, Json]) -> None:
    bombs = [f"{BOMB} && {number} > 0" for number in range(15)]
    with Expressions() as expressions:
        said = expressions.evaluate(bombs, many_metrics)
    assert {each.value for each in said.values()} == {None}
    assert f"{EXPRESSIONS_MS} ms together" in said[bombs[-1]].problem


def test_memory_is_bounded(expressions: Expressions) -> None:
    variables: Mapping[str, Json] = {"facts": {"message": "x" * 100_000, "tags": list(range(EXPRESSION_ITEMS))}}
    grown = "facts.tags.map(a, facts.tags.map(b, facts.message + facts.message + string(a))).size() > 0"
    assert expressions.evaluate([grown], variables)[grown].value is None
    assert expressions.evaluate(["true"], variables)["true"].value is True


def test_a_process_that_was_killed_is_replaced(variables: Mapping[str, Json]) -> None:
    others = children()
    with Expressions() as expressions:
        assert expressions.evaluate(["champion"], variables)["champion"].value is True
        killed = children() - others
        assert len(killed) == 1
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert expressions.evaluate(["champion"], variables)["champion"].value is True
        assert children().isdisjoint(killed)
    assert children() == others


def test_a_process_killed_at_work_is_a_problem_and_no_answer(
    many_metrics: Mapping[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budwood.govern.worker.EXPRESSION_MS", 60_000)
    monkeypatch.setattr("budwood.govern.expressions.EXPRESSIONS_MS", 60_000)
    others = children()
    with Expressions() as expressions, ThreadPoolExecutor(1) as pool:
        assert expressions.evaluate(["true"], {})["true"].value is True
        (pid,) = children() - others
        asked = pool.submit(expressions.evaluate, [BOMB, "true"], many_metrics)
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        said = asked.result()
    assert "ended by itself" in said[BOMB].problem
    assert said["true"] == Said(True)


def test_sixteen_threads_each_get_their_own_answers(expressions: Expressions) -> None:
    def ask(number: int) -> bool:
        variables: Mapping[str, Json] = {"version": {"number": number}}
        wanted = {f"version.number == {other}": Said(other == number) for other in range(16)}
        return all(expressions.evaluate(list(wanted), variables) == wanted for _ in range(5))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(16)))


def test_a_bomb_in_one_thread_does_not_spoil_the_others(many_metrics: Mapping[str, Json]) -> None:
    with Expressions() as expressions, ThreadPoolExecutor(4) as pool:
        wanted = [BOMB, "true"] * 3
        said = list(pool.map(lambda each: expressions.evaluate([each], many_metrics)[each], wanted))
    assert [each.value for each in said] == [None, True] * 3, said


def test_without_the_library_nothing_is_true_and_the_remedy_is_named() -> None:
    bare = (sys.executable, "-I", "-S", COMMAND[-1])
    with Expressions(bare) as expressions:
        for _ in range(2):
            said = expressions.evaluate(["true"], {})["true"]
            assert said.value is None
            assert "pip install 'budwood[policies]'" in said.problem
        assert expressions.check("1 +* 2") == ""


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.stdout.write('hello')",
        r"import os; os.write(1, b'\xff\xff\xff\x7f')",
        r"import os; os.write(1, b'\x02\0\0\0[]'); os.write(1, b'\x04\0\0\0true')",
        r"""import os; os.write(1, b'\x0e\0\0\0{"ready":true}\x0b\0\0\0{"value":1}'); os.read(0, 9)""",
        "pass",
    ],
)
def test_a_process_that_says_something_else_is_not_believed(program: str) -> None:
    with Expressions((sys.executable, "-I", "-c", program)) as expressions:
        assert expressions.evaluate(["true"], {})["true"].value is None


def test_a_program_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with Expressions((str(tmp_path / "python"),)) as expressions:
        assert "No process can be started" in expressions.evaluate(["true"], {})["true"].problem


MARKS = r"""facts . metrics accuracy ( ) [ ] { } , : ? + - * / % in && || ! < >= == 1 0.0 2.5 1u 'a' "b" r' \'\'\' // \
    é all map exists has double size true null checked x evidence champion"""
PIECES = st.sampled_from([*MARKS.split(), " ", "\n", "\0"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)), max_size=6))
def test_no_text_makes_it_raise(expressions: Expressions, variables: Mapping[str, Json], texts: list[str]) -> None:
    said = expressions.evaluate(texts, variables)
    assert set(said) == set(texts)
    assert all((each.value is None) == bool(each.problem) for each in said.values())
    for text in texts:
        assert isinstance(expressions.check(text), str)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(
    lambda value: f"({value!r})" if value < 0 else repr(value)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=NUMBERS, rest=st.lists(st.tuples(st.sampled_from("+-*/"), NUMBERS), max_size=6))
def test_sums_come_out_as_in_python_or_not_at_all(
    expressions: Expressions, first: str, rest: list[tuple[str, str]]
) -> None:
    total = first + "".join(f" {sign} {number}" for sign, number in rest)
    try:
        value = eval(total)
    except ZeroDivisionError:
        value = math.nan
    expression = f"{total} >= 0.5"
    said: Any = expressions.evaluate([expression], {})[expression].value
    assert said is (value >= 0.5 if math.isfinite(value) else None)


def children() -> set[int]:
    """The processes this one started that are still at work."""
    psutil = pytest.importorskip("psutil")
    return {each.pid for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE}
