"""The search language: what it means, what it refuses, and that its errors point at the place."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import FILTER_CHARS, FILTER_DEPTH, FILTER_TERMS, KEY_CHARS
from budwood.domain.query import And, Compare, FieldName, Filter, Not, Operator, Or, Order, Query, Value
from budwood.domain.query_parser import FILTER_HELP, parse_query
from budwood.domain.query_values import FAMILIES
from budwood.errors import BadFilter, Invalid, LimitExceeded

_NOW = 1_793_889_000_000
_DAY = 86_400_000
_NOVEMBER = 1_793_491_200_000
"""2026-11-01."""


def _is(family: str, operator: str, value: Value, key: str = "") -> Compare:
    return Compare(FieldName(family, key), Operator(operator), value)


def _read(text: str) -> Filter | None:
    return parse_query(text, now_ms=_NOW).filter


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("kind = adapter", _is("kind", "=", "adapter")),
        ("KIND == adapter", _is("kind", "=", "adapter")),
        ("stage <> production", _is("stage", "!=", "production")),
        ("kind in (model, 'adapter')", _is("kind", "in", ("model", "adapter"))),
        ("name='encoder'", _is("name", "=", "encoder")),
        ('name like "enc%"', _is("name", "like", "enc%")),
        ("name not like 'x_y'", Not(_is("name", "like", "x_y"))),
        ("author not in (mara, 'li wei')", Not(_is("author", "in", ("mara", "li wei")))),
        ("message = 'it''s'", _is("message", "=", "it's")),
        (r"message = 'it\'s'", _is("message", "=", "it's")),
        (r'message = "a \"b\" \\ c"', _is("message", "=", 'a "b" \\ c')),
        (r"message like '50\% of C:\new'", _is("message", "like", r"50\% of C:\new")),
        ("message = ''", _is("message", "=", "")),
        ("message = ''''", _is("message", "=", "'")),
        ("label = 1.2.0", _is("label", "=", "1.2.0")),
        ("label like '1.%'", _is("label", "like", "1.%")),
        ("alias = champion", _is("alias", "=", "champion")),
        ("tags.team = risk", _is("tags", "=", "risk", "team")),
        ("TAGS.Team = Risk", _is("tags", "=", "Risk", "Team")),
        ('tags."weird key" = 3', _is("tags", "=", "3", "weird key")),
        ("tags.a.b/c:d@e-f = x", _is("tags", "=", "x", "a.b/c:d@e-f")),
        ("params.'lr' = 0.01", _is("params", "=", "0.01", "lr")),
        ("metrics.auc>=.9", _is("metrics", ">=", 0.9, "auc")),
        ("metrics.loss < -1e-4", _is("metrics", "<", -0.0001, "loss")),
        ("metrics.n = 3", _is("metrics", "=", 3.0, "n")),
        ("number = v7", _is("number", "=", 7)),
        ("number in (1, 2)", Or((_is("number", "=", 1), _is("number", "=", 2)))),
        ("size > 1.5GiB", _is("size", ">", 1_610_612_736)),
        ("size <= 100mb", _is("size", "<=", 100_000_000)),
        ("size = 12", _is("size", "=", 12)),
        ("retired = true", _is("retired", "=", True)),
        ("retired != true", _is("retired", "=", False)),
        ("retired", _is("retired", "=", True)),
        ("not retired", Not(_is("retired", "=", True))),
        ("created > 2026-11-01", _is("created", ">", _NOVEMBER)),
        ("created > '2026-11-01 00:01Z'", _is("created", ">", _NOVEMBER + 60_000)),
        ("created >= 2026-11-01T01:00+01:00", _is("created", ">=", _NOVEMBER)),
        ("created = 2026-11-01", And((_is("created", ">=", _NOVEMBER), _is("created", "<", _NOVEMBER + _DAY)))),
        ("created > 7d ago", _is("created", ">", _NOW - 7 * _DAY)),
        ("created > -7d", _is("created", ">", _NOW - 7 * _DAY)),
        ("created > '2w ago'", _is("created", ">", _NOW - 14 * _DAY)),
        ("created < 90m AGO", _is("created", "<", _NOW - 5_400_000)),
        ("created <= now", _is("created", "<=", _NOW)),
        ("created > 999999w ago", _is("created", ">", 0)),
        ("digest = sha256:ABCD", _is("digest", "like", "abcd%")),
        ("digest = " + "a" * 64, _is("digest", "=", "a" * 64)),
        ("commit != abc1234", Not(_is("commit", "like", "abc1234%"))),
        ("commit in (aa, bb)", Or((_is("commit", "like", "aa%"), _is("commit", "like", "bb%")))),
        ("encoder", _is("name", "like", "%encoder%")),
        ("my_encoder", _is("name", "like", r"%my\_encoder%")),
        ("'kind'", _is("name", "like", "%kind%")),
        ("enc%", _is("name", "like", "enc%")),
        ("encoder and not adapter", And((_is("name", "like", "%encoder%"), Not(_is("name", "like", "%adapter%"))))),
    ],
)
def test_what_a_filter_means(text: str, meaning: Filter) -> None:
    assert _read(text) == meaning


def test_and_binds_tighter_than_or_and_not_tightest() -> None:
    a, b, c = (_is("name", "=", word) for word in "abc")
    assert _read("name=a or name=b and name=c") == Or((a, And((b, c))))
    assert _read("(name=a or name=b) and name=c") == And((Or((a, b)), c))
    assert _read("not name=a and name=b") == And((Not(a), b))
    assert _read("NOT (name=a AND (name=b OR name=c))") == Not(And((a, Or((b, c)))))


def test_nothing_matches_everything_and_the_newest_come_first() -> None:
    assert parse_query("  \n", now_ms=_NOW) == Query(None, Order(FieldName("created"), descending=True))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("order by name", Order(FieldName("name"))),
        ("kind = model ORDER BY metrics.auc DESC", Order(FieldName("metrics", "auc"), descending=True)),
        ('order by metrics."a b" asc', Order(FieldName("metrics", "a b"))),
        ("(kind = model) order by size", Order(FieldName("size"))),
    ],
)
def test_the_order_comes_last(text: str, order: Order) -> None:
    assert parse_query(text, now_ms=_NOW).order == order


@pytest.mark.parametrize(
    ("text", "position", "helps"),
    [
        ("kidn = adapter", 1, "Did you mean kind?"),
        ("name = a and metric.auc > 1", 14, "Did you mean metrics.KEY?"),
        ("zzz = 1", 1, "The fields are name, namespace"),
        ("name.x = 1", 1, "Write name alone"),
        ("tags = risk", 1, "tags.team"),
        ("metrics. > 1", 1, "metrics.auc"),
        ("kind", 5, "kind = adapter"),
        ("metrics.auc", 12, "metrics.auc >= 0.9"),
        ("kind = adaptor", 8, "Choose from model, adapter"),
        ("kind in (model, foo)", 17, "Choose from"),
        ("stage = Production", 9, "Choose from"),
        ("kind > model", 6, "It takes = != in."),
        ("label > 1.0.0", 7, "It takes = like."),
        ("label = 1.2", 9, "write 1.2.0"),
        ("params.lr < 0.1", 11, "record what you compare by size as a metric"),
        ("metrics.auc = nan", 15, "such as 0.9"),
        ("metrics.auc = 1e999", 15, "such as 0.9"),
        ("metrics.auc = high", 15, "such as 0.9"),
        ("metrics.auc like 1", 13, "It takes"),
        ("alias = production", 9, "Write stage = production."),
        ("created > yesterday", 11, "7d ago"),
        ("created > 2026-13-01", 11, "2026-11-05"),
        ("created > 2026-11-01T10:00", 11, "2026-11-05T14:30Z"),
        ("number = 1.5", 10, "whole number"),
        ("number = 99999999999999999999", 10, "whole number"),
        ("size = 9999999TiB", 8, ""),
        ("size = 3 apples", 10, "Join comparisons"),
        ("retired = maybe", 11, ""),
        ("commit = xyz", 10, "hexadecimal"),
        ("a b", 3, "Join comparisons"),
        ("risk/encoder", 1, "namespace = risk"),
        ("(name = a", 10, ""),
        ("name = a)", 9, ""),
        ("name in ()", 10, ""),
        ("name in (a b)", 12, ""),
        ("name in a", 9, ""),
        ("name =", 7, ""),
        ("= 3", 1, ""),
        ("name not = a", 10, "Put not before"),
        ("name = and", 8, "write 'and'"),
        ("name = a and", 13, ""),
        ("name = a or or name = b", 13, ""),
        ("name ! a", 6, "!="),
        ("name = 'a", 8, "Close it with '."),
        ('name = "a\\"', 8, 'Close it with ".'),
        ("name = a\0b", 9, ""),
        ("name = '\udcff'", 9, ""),
        (r"name like 'a\\'", 11, "for a backslash"),
        ("order by label", 10, "Choose from name"),
        ("order by name, size", 14, ""),
        ("order by name desc asc", 20, ""),
        ("order by", 9, ""),
        ("tags." + "k" * (KEY_CHARS + 1) + " = 1", 1, ""),
        ("''", 1, ""),
    ],
)
def test_an_error_points_at_its_place_and_says_what_to_write(text: str, position: int, helps: str) -> None:
    with pytest.raises(BadFilter) as caught:
        parse_query(text, now_ms=_NOW)
    assert caught.value.facts["position"] == position
    assert helps in caught.value.hint


def test_the_caret_stands_below_the_place() -> None:
    text = "kind = adapter and metrics.auc >= 0.9 and tags.team = 'risk' and stage = produktion and x"
    with pytest.raises(BadFilter) as caught:
        parse_query(text, now_ms=_NOW)
    line, caret = caught.value.hint.splitlines()[-2:]
    assert line[caret.index("^") :].startswith("produktion")


def test_length_terms_and_depth_are_bounded() -> None:
    assert _read(" or ".join(["a"] * FILTER_TERMS))
    assert _read("(" * FILTER_DEPTH + "a" + ")" * FILTER_DEPTH)
    for text, limit in (
        ("a" * (FILTER_CHARS + 1), "FILTER_CHARS"),
        (" or ".join(["a"] * (FILTER_TERMS + 1)), "FILTER_TERMS"),
        (f"name in ({','.join(['a'] * (FILTER_TERMS + 1))})", "FILTER_TERMS"),
        ("(" * (FILTER_DEPTH + 1) + "a" + ")" * (FILTER_DEPTH + 1), "FILTER_DEPTH"),
        ("not " * (FILTER_DEPTH + 1) + "a", "FILTER_DEPTH"),
    ):
        with pytest.raises(LimitExceeded) as caught:
            parse_query(text, now_ms=_NOW)
        assert caught.value.facts["limit"] == limit


@pytest.mark.parametrize("piece", ["\\", "'", '"', "\\'", "''", "(", "not ", "!", " "])
def test_a_hostile_filter_is_refused_at_once(piece: str) -> None:
    for opening in ("name = '", 'name = "', ""):
        text = (opening + piece * FILTER_CHARS)[:FILTER_CHARS]
        try:
            parse_query(text, now_ms=_NOW)
        except Invalid:
            continue


def test_the_help_names_every_field_and_its_examples_are_read() -> None:
    for family in FAMILIES:
        assert re.search(rf"\b{family}\b", FILTER_HELP), family
    examples = re.findall(r"^  (.*?)(?:  +[a-z ]+)?$", FILTER_HELP.rpartition("\n\n")[2], re.MULTILINE)
    assert len(examples) >= 6
    for example in examples:
        assert parse_query(example, now_ms=_NOW).filter is not None


_WORDS = ["and", "or", "not", "(", ")", ",", "=", "!=", "<", ">=", "like", "in", "order by", "desc", "ago", "!", "%"]
_WORDS += [
    "name",
    "kind",
    "adapter",
    "tags.team",
    "tags.",
    "metrics.auc",
    "0.9",
    "created",
    "7d",
    "2026-11-01",
    "retired",
]
_WORDS += ["'it''s'", '"x y"', "'", "label", "1.2.0", "digest", "abcd", "size", "1GB", "é", "\0", "\\"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
def test_any_text_is_read_or_refused_with_a_position(text: str) -> None:
    try:
        query = parse_query(text, now_ms=_NOW)
    except BadFilter as error:
        position = error.facts["position"]
        assert isinstance(position, int)
        assert 1 <= position <= len(text) + 1
    else:
        assert query.filter is None or _fields(query.filter) <= set(FAMILIES)


@given(st.text(max_size=50).filter(lambda text: "\0" not in text), st.sampled_from("'\""))
def test_any_text_can_be_a_quoted_value(value: str, quote: str) -> None:
    doubled = value.replace("\\", "\\\\").replace(quote, quote * 2)
    escaped = value.replace("\\", "\\\\").replace(quote, "\\" + quote)
    for written in (doubled, escaped):
        assert _read(f"message = {quote}{written}{quote}") == _is("message", "=", value)


def _fields(found: Filter) -> set[str]:
    match found:
        case Compare(field):
            return {field.family}
        case Not(part):
            return _fields(part)
        case And(parts) | Or(parts):
            return set().union(*map(_fields, parts))
