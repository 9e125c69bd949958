"""What changed between two versions, what the label should be, and how a person reads it."""

import hashlib
import math
from collections.abc import Mapping

import pytest

from budwood.domain import canon
from budwood.domain.bump import next_label, suggest
from budwood.domain.canon import Json
from budwood.domain.change import Change, FileMove, NamesChange, NumberChange, TensorRenamed, TextChange, What
from budwood.domain.compare import Measure, compare, pair_tensors
from budwood.domain.facts import Code, Environment, Facts, Field, Schema
from budwood.domain.label import Label, Level
from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.manifest import FileEntry, Manifest, Span
from budwood.domain.names import Kind
from budwood.domain.summary import percent

_WIDTH = {"f32": 4, "f16": 2, "bf16": 2, "": 4}
Tensors = Mapping[str, tuple[str, str, tuple[int, ...]]]
"""name → (content, dtype, shape). The content's characters stand for its blocks, the last one repeated."""


def _span(name: str, content: str, dtype: str, shape: tuple[int, ...] | None, *, length: int = 0) -> Span:
    length = length or math.prod(shape or (1,)) * _WIDTH[dtype]
    count = -(-length // BLOCK_BYTES)
    letters = (content + content[-1] * count)[:count]
    return Span(0, length, tuple(hashlib.sha256(c.encode()).digest() for c in letters), name, dtype, shape)


def _file(path: str, tensors: Tensors | None = None, *, content: str = "x", reader: str = "safetensors") -> FileEntry:
    spans = tuple(_span(name, *of) for name, of in (tensors or {}).items())
    if not tensors:
        return FileEntry(
            path, 10, hashlib.sha256(content.encode()).hexdigest(), (_span("", content, "", None, length=10),)
        )
    digest = hashlib.sha256(f"{path if content == 'x' else content}{spans}".encode()).hexdigest()
    return FileEntry(path, sum(span.length for span in spans), digest, spans, reader)


def _version(*files: FileEntry, facts: Facts | None = None) -> Manifest:
    return Manifest(tuple(sorted(files, key=lambda entry: entry.path)), facts or Facts())


def _model(facts: Facts | None = None, **tensors: tuple[str, str, tuple[int, ...]]) -> Manifest:
    return _holding(tensors, facts)


def _holding(tensors: Tensors, facts: Facts | None = None) -> Manifest:
    return _version(_file("model.safetensors", tensors), facts=facts)


def _change(
    old: Manifest,
    new: Manifest,
    measures: Mapping[str, Measure] | None = None,
    configs: Mapping[str, tuple[Json, Json]] | None = None,
) -> Change:
    change = compare("m@v1", "m@v2", old, new, measures=measures or {}, configs=configs or {})
    assert canon.loads(canon.dumps(canon.pack(change))) == canon.pack(change), "a change always has a JSON form"
    assert change.summary.endswith(".")
    return change


_BIG = (1_000_000, 4)
"""f32: 16 MB, eight blocks, the last one partial."""


def test_equal_versions_hold_the_same() -> None:
    one = _model(w=("a", "f32", (4, 4)))
    change = _change(one, one)
    assert change.bump.level is Level.NONE
    assert (change.tensors.equal, change.files.equal) == (1, 1)
    assert change.summary == "m@v2 holds the same as m@v1."


def test_retraining_is_minor_and_its_strength_is_said() -> None:
    old = _model(w=("a", "f32", (4, 4)), b=("b", "f32", (4,)), c=("c", "f32", (4,)))
    new = _model(w=("x", "f32", (4, 4)), b=("y", "f32", (4,)), c=("c", "f32", (4,)))
    measures = {"w": Measure(0.5, 9e-6, 1.0), "b": Measure(1.0, 0.0, 0.0)}
    change = _change(old, new, measures)
    assert change.bump.level is Level.MINOR
    by_name = {t.name: t for t in change.tensors.changed}
    assert by_name["w"].relative_l2 == pytest.approx(0.003)
    assert by_name["w"].changed_share == 0.5
    assert by_name["b"].relative_l2 is None, "there is no share of nothing"
    assert change.tensors.relative_l2 == pytest.approx(0.003)
    assert change.summary.startswith("m@v2 changes 2 of 3 tensors (0.3 % relative L2 overall); 1 is equal.")
    assert change.summary.endswith("This is a minor change: 2 tensors changed values (retraining).")


def test_without_measures_the_numbers_are_left_open() -> None:
    change = _change(_model(w=("a", "f32", (4,))), _model(w=("b", "f32", (4,))))
    assert change.tensors.relative_l2 is None
    assert change.tensors.changed[0].relative_l2 is None
    assert "L2" not in change.summary


@pytest.mark.parametrize("measure", [Measure(math.nan, math.inf, 1.0), Measure(1.0, math.nan, math.nan), Measure()])
def test_what_cannot_be_measured_is_none_and_never_nan(measure: Measure) -> None:
    change = _change(_model(w=("a", "f32", (4,))), _model(w=("b", "f32", (4,))), {"w": measure})
    assert change.tensors.relative_l2 is None


def test_only_tensors_of_equal_type_and_shape_are_to_be_measured() -> None:
    old = _model(
        a=("1", "f32", (4,)), b=("1", "f32", (4,)), c=("1", "f32", (4,)), d=("1", "", (4,)), e=("1", "f32", (4,))
    )
    new = _model(
        a=("1", "f32", (4,)), b=("2", "f32", (4,)), c=("2", "f16", (4,)), d=("2", "", (4,)), e=("2", "f32", (5,))
    )
    assert [pair.key for pair in pair_tensors(old, new).to_measure] == ["b"]


def test_resharding_and_another_container_leave_every_tensor_equal() -> None:
    w, b = ("a", "f32", (4, 4)), ("b", "f32", (4,))
    old = _model(w=w, b=b)
    shards = _version(_file("model-1-of-2.safetensors", {"w": w}), _file("model-2-of-2.safetensors", {"b": b}))
    pickled = _version(_file("model.pt", {"w": ("a", "", (4, 4)), "b": b}, reader="torch"))
    for new in (shards, pickled):
        change = _change(old, new)
        assert change.tensors.equal == 2
        assert change.bump.level is Level.PATCH
        assert change.summary.startswith("All 2 tensors of m@v2 equal those of m@v1.")


def test_a_header_only_change_is_a_patch() -> None:
    old = _version(_file("model.safetensors", {"w": ("a", "f32", (4,))}, content="one"))
    new = _version(_file("model.safetensors", {"w": ("a", "f32", (4,))}, content="two"))
    change = _change(old, new)
    assert change.files.changed == ("model.safetensors",)
    assert change.bump.level is Level.PATCH


def test_appended_rows_are_minor_and_counted() -> None:
    old = _model(embedding=("abcdefgh", "f32", _BIG), bias=("a", "f32", (1_000_000 // 4,)), w=("w", "f32", (4,)))
    new = _model(embedding=("abcdefgz", "f32", (1_000_010, 4)), bias=("a", "f32", (250_010,)), w=("w", "f32", (4,)))
    change = _change(old, new)
    assert {(t.name, t.appended_rows, t.note) for t in change.tensors.reshaped} == {
        ("embedding", 10, "10 rows appended"),
        ("bias", 10, "10 rows appended"),
    }
    assert change.bump.level is Level.MINOR
    assert "embedding (10 rows appended)" in change.summary


def test_more_rows_with_other_values_before_them_are_major() -> None:
    change = _change(_model(e=("abcdefgh", "f32", _BIG)), _model(e=("xbcdefgz", "f32", (1_000_010, 4))))
    assert change.tensors.reshaped[0].appended_rows == 0
    assert change.bump.level is Level.MAJOR


def test_a_small_tensor_with_more_rows_is_not_believed_alone() -> None:
    change = _change(_model(head=("a", "f32", (3, 4))), _model(head=("b", "f32", (5, 4))))
    assert change.tensors.reshaped[0].appended_rows == 0
    assert change.bump.level is Level.MAJOR


def test_the_same_values_in_another_shape_say_so() -> None:
    change = _change(_model(w=("a", "f32", (2, 8))), _model(w=("a", "f32", (4, 4))))
    assert change.tensors.reshaped[0].note == "the same values in another shape"
    assert change.bump.level is Level.MAJOR


def test_retyped_tensors_are_major() -> None:
    change = _change(_model(w=("a", "f32", (4,))), _model(w=("b", "bf16", (4,))))
    assert [(t.name, t.before, t.after) for t in change.tensors.retyped] == [("w", "f32", "bf16")]
    assert change.bump.level is Level.MAJOR
    assert "gives 1 tensor another dtype" in change.summary


def test_removed_tensors_are_major_and_added_ones_minor() -> None:
    small, large = _model(w=("a", "f32", (4,))), _model(w=("a", "f32", (4,)), b=("b", "f32", (2,)))
    assert _change(large, small).bump.level is Level.MAJOR
    grown = _change(small, large)
    assert grown.bump.level is Level.MINOR
    assert [(t.name, t.dtype, t.shape) for t in grown.tensors.added] == [("b", "f32", (2,))]
    assert grown.summary.startswith("m@v2 adds 1 tensor; 1 is equal.")


def test_a_renamed_tensor_is_recognised_by_its_content() -> None:
    change = _change(
        _holding({"w": ("a", "f32", (4,)), "zero.1": ("0", "f32", (4,)), "zero.2": ("0", "f32", (4,))}),
        _holding({"model.w": ("a", "f32", (4,)), "model.zero.1": ("0", "f32", (4,)), "other": ("b", "f32", (4,))}),
    )
    assert change.tensors.renamed == (TensorRenamed("w", "model.w"),)
    assert [t.name for t in change.tensors.removed] == ["zero.1", "zero.2"], "two zeros and one: nobody knows which"
    assert change.bump.level is Level.MAJOR


def test_a_prefix_put_before_every_name_renames_zeros_too() -> None:
    old = {"a": ("0", "f32", (4,)), "b": ("0", "f32", (4,)), "c": ("c", "f32", (4,))}
    change = _change(_holding(old), _holding({f"model.{name}": of for name, of in old.items()}))
    assert [(t.before, t.after) for t in change.tensors.renamed] == [(n, f"model.{n}") for n in "abc"]
    assert not change.tensors.removed
    assert not change.tensors.added


def test_one_name_in_two_files_is_paired_by_likeness() -> None:
    old = _version(
        _file("full.safetensors", {"w": ("a", "f32", (4,))}),
        _file("half.safetensors", {"w": ("b", "f16", (4,))}),
        _file("copy.bin", {"w": ("a", "f32", (4,))}),
    )
    new = _version(
        _file("half.safetensors", {"w": ("B", "f16", (4,))}), _file("whole.safetensors", {"w": ("A", "f32", (4,))})
    )
    pairs = pair_tensors(old, new)
    assert (pairs.before, pairs.after) == (2, 2), "a copy is counted once"
    assert {pair.key for pair in pairs.to_measure} == {"half.safetensors:w", "whole.safetensors:w"}
    assert not pairs.removed


def test_a_name_repeated_without_end_does_not_take_for_ever() -> None:
    spans = tuple(_span("w", chr(300 + n), "f32", (4,)) for n in range(20_000))
    entry = FileEntry("m.bin", 0, "0" * 64, spans)
    assert pair_tensors(_version(entry), _version(entry)).before == 64


def test_optimizer_state_comes_and_goes_without_breaking_anything() -> None:
    state = {"w": ("a", "f32", (4,)), "optimizer.state.0.exp_avg": ("m", "f32", (4,))}
    change = _change(_holding(state), _model(w=("a", "f32", (4,))))
    assert change.bump.level is Level.MINOR
    assert change.bump.reasons == ("another training state",)


def test_moved_added_and_removed_files_are_told_apart() -> None:
    old = _version(_file("a.md", content="1"), _file("b.md", content="2"), _file("c.md", content="3"))
    new = _version(_file("docs/a.md", content="1"), _file("b.md", content="2!"), _file("d.md", content="4"))
    files = _change(old, new).files
    assert files.moved == (FileMove("a.md", "docs/a.md"),)
    assert (files.changed, files.added, files.removed, files.equal) == (("b.md",), ("d.md",), ("c.md",), 0)
    assert files.learned == ()


def test_one_file_is_moved_to_one_place_only() -> None:
    old = _version(_file("a.md", content="1"), _file("b.md", content="1"))
    new = _version(_file("c.md", content="1"))
    files = _change(old, new).files
    assert files.moved == (FileMove("a.md", "c.md"),)
    assert files.removed == ("b.md",)


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("config.json", Level.PATCH),
        ("README.md", Level.PATCH),
        ("LICENSE", Level.PATCH),
        ("conda.yaml", Level.PATCH),
        ("tokenizer_config.json", Level.PATCH),
        ("model.pkl", Level.MINOR),
        ("engine.plan", Level.MINOR),
        ("vocab.txt", Level.MINOR),
        ("sub/tokenizer.model", Level.MINOR),
        ("tokenizer.json", Level.MINOR),
    ],
)
def test_a_changed_file_without_tensors_is_judged_by_what_it_holds(path: str, level: Level) -> None:
    old, new = _version(_file(path, content="1")), _version(_file(path, content="2"))
    assert _change(old, new).bump.level is level


def test_removing_what_was_learned_is_major() -> None:
    notes = _file("README.md")
    assert _change(_version(_file("model.pkl"), notes), _version(notes)).bump.level is Level.MAJOR


@pytest.mark.parametrize(
    ("after", "level"),
    [({"truncation": 128}, Level.PATCH), ({"model": {"vocab": {"a": 1}}}, Level.MINOR), ({}, Level.PATCH)],
)
def test_only_the_vocabulary_of_a_tokenizer_counts_as_learned(after: Json, level: Level) -> None:
    old, new = _version(_file("tokenizer.json", content="1")), _version(_file("tokenizer.json", content="2"))
    assert _change(old, new, configs={"tokenizer.json": ({}, after)}).bump.level is level


def test_settings_are_told_one_by_one() -> None:
    old, new = _version(_file("config.json", content="1")), _version(_file("config.json", content="2"))
    change = _change(
        old, new, configs={"config.json": ({"dropout": 0.1, "cache": True}, {"dropout": 0.2, "cache": True})}
    )
    assert [(c.file, c.key, c.before, c.after) for c in change.config] == [("config.json", "dropout", 0.1, 0.2)]
    assert change.bump.reasons == ("settings changed in config.json",)
    assert "In config.json dropout goes from 0.1 to 0.2." in change.summary


@pytest.mark.parametrize(
    ("old", "new", "level"),
    [
        (Facts(), Facts(kind=Kind.ADAPTER), Level.MAJOR),
        (Facts(base_model="a/b"), Facts(base_model="a/c"), Level.MAJOR),
        (Facts(architecture="Bert"), Facts(architecture="Roberta"), Level.MAJOR),
        (Facts(), Facts(architecture="Bert"), Level.PATCH),
        (Facts(datasets=("d@v1",)), Facts(datasets=("d@v2",)), Level.MINOR),
        (Facts(metrics={"auc": 0.9}), Facts(metrics={"auc": 0.91}), Level.PATCH),
        (Facts(params={"lr": "1"}), Facts(params={"lr": "2"}), Level.PATCH),
        (Facts(code=Code("a" * 40)), Facts(code=Code("b" * 40)), Level.PATCH),
        (Facts(code=Code("a" * 40)), Facts(code=Code("a" * 40, dirty=True)), Level.PATCH),
        (Facts(environment=Environment("3.11")), Facts(environment=Environment("3.12")), Level.PATCH),
        (Facts(environment=Environment("3.11")), Facts(), Level.NONE),
        (Facts(adapter={"lora_alpha": 8}), Facts(adapter={"lora_alpha": 16}), Level.PATCH),
        (Facts(message="one", created_ms=1, author="a"), Facts(message="two", created_ms=2, author="b"), Level.NONE),
    ],
)
def test_facts_move_the_label_as_far_as_they_matter(old: Facts, new: Facts, level: Level) -> None:
    assert _change(_model(old, w=("a", "f32", (4,))), _model(new, w=("a", "f32", (4,)))).bump.level is level


_X, _Y = Field("x", "f32", (-1, 4)), Field("y", "f32", (-1, 2))


@pytest.mark.parametrize(
    ("inputs", "outputs", "level"),
    [
        ((_X,), (_Y,), Level.NONE),
        ((), (_Y,), Level.MAJOR),
        ((_X,), (), Level.MAJOR),
        ((Field("X", "f32", (-1, 4)),), (_Y,), Level.MAJOR),
        ((_X, Field("mask")), (_Y,), Level.MAJOR),
        ((_X,), (_Y, Field("z")), Level.MINOR),
        ((Field("x", "f64", (-1, 4)),), (_Y,), Level.MAJOR),
        ((Field("x", "f32", (-1, 5)),), (_Y,), Level.MAJOR),
        ((Field("x", "f32", (1, 4)),), (_Y,), Level.MAJOR),
        ((Field("x", "f32", (-1, -1)),), (_Y,), Level.MINOR),
        ((Field("x", "f32", (-1, 4, 1)),), (_Y,), Level.MAJOR),
        ((_X,), (Field("y", "f32", (1, 2)),), Level.MINOR),
        ((_X,), (Field("y", "f32", (-1, -1)),), Level.MAJOR),
        ((Field("x"),), (_Y,), Level.MINOR),
    ],
)
def test_a_schema_breaks_when_a_caller_of_before_would_fail(
    inputs: tuple[Field, ...], outputs: tuple[Field, ...], level: Level
) -> None:
    old = _model(Facts(schema=Schema((_X,), (_Y,))), w=("a", "f32", (4,)))
    new = _model(Facts(schema=Schema(inputs, outputs)), w=("a", "f32", (4,)))
    assert _change(old, new).bump.level is level


def test_a_schema_no_file_states_breaks_nothing() -> None:
    old = _model(Facts(schema=Schema((_X,))), w=("a", "f32", (4,)))
    assert _change(old, _model(w=("a", "f32", (4,)))).bump.level is Level.NONE


def test_everything_that_changed_is_in_the_paragraph() -> None:
    old = Facts(
        metrics={"auc": 0.91, "f1": 0.5},
        params={"lr": "1"},
        datasets=("risk@v1",),
        code=Code("a" * 40),
        environment=Environment("3.11.7", packages={"torch": "2.1", "numpy": "2"}),
        schema=Schema((_X,)),
    )
    new = Facts(
        metrics={"auc": 0.93, "loss": 1.0},
        params={"lr": "2"},
        datasets=("risk@v2",),
        code=Code("b" * 40, dirty=True),
        environment=Environment("3.12.1", packages={"torch": "2.2", "numpy": "2"}),
        schema=Schema((_X, Field("mask"))),
        architecture="BertModel",
    )
    change = _change(_model(old, w=("a", "f32", (4,))), _model(new, w=("b", "f32", (4,))))
    for said in (
        "m@v2 changes 1 of 1 tensor; 0 are equal.",
        "The architecture is BertModel; before it was not stated.",
        "Input mask was added, which breaks callers.",
        "auc goes from 0.91 to 0.93 (+0.02), f1 is no longer recorded and loss is 1, not recorded before.",
        "1 parameter was recorded differently.",
        "New data: risk@v2.",
        "Data left out: risk@v1.",
        "The code moved from aaaaaaaaaaaa to bbbbbbbbbbbb.",
        "The code held changes that are in no commit.",
        "Python is 3.12.1 instead of 3.11.7.",
        "1 package of the environment is different.",
        "This is a major change: input mask was added.",
    ):
        assert said in change.summary, said
    assert change.metrics[0] == NumberChange("auc", 0.91, 0.93, pytest.approx(0.02))  # type: ignore[arg-type]
    assert change.environment.packages == (TextChange("torch", "2.1", "2.2"),)
    assert change.datasets == NamesChange(("risk@v2",), ("risk@v1",))
    assert change.schema[0].what is What.ADDED


def test_a_version_without_a_parent_is_the_first() -> None:
    assert suggest(None).reasons == ("first version",)
    for level in Level:
        assert next_label(None, level) == Label(1, 0, 0)
    assert next_label(Label(1, 2, 3), Level.MINOR) == Label(1, 3, 0)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.0031, "0.31 %"),
        (0.003, "0.3 %"),
        (1e-9, "under 0.001 %"),
        (0.0995, "10 %"),
        (0.41, "41 %"),
        (3, "300 %"),
    ],
)
def test_shares_are_written_as_people_read_them(share: float, text: str) -> None:
    assert percent(share) == text
