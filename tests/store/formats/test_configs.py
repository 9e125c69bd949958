"""What small text files say about a model, and what in them asks a loader to run code."""

import json
import time
from collections.abc import Callable

import pytest

from budwood.domain.facts import Field
from budwood.domain.limits import YAML_BYTES
from budwood.store.api import Reading

Read = Callable[[bytes, str], Reading]


def codes(reading: Reading) -> set[str]:
    return {flag.code for flag in reading.facts.flags}


def test_transformers_config_says_architecture_version_and_schema(read: Read) -> None:
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "transformers_version": "4.57.1",
        "vocab_size": 30_522,
        "id2label": {"0": "no", "1": "yes", "2": "maybe"},
    }
    facts = read(json.dumps(config).encode(), "encoder/config.json").facts
    assert (facts.architecture, facts.frameworks) == ("BertForSequenceClassification", {"transformers": "4.57.1"})
    assert facts.schema is not None
    assert facts.schema.outputs == (Field("logits", "", (-1, 3)),)
    assert facts.config["model_type"] == "bert"
    assert facts.flags == ()


def test_auto_map_is_custom_code(read: Read) -> None:
    config = {"auto_map": {"AutoModel": "modeling_evil.Model"}}
    reading = read(json.dumps(config).encode(), "config.json")
    assert codes(reading) == {"custom-code"}
    assert "modeling_evil.Model" in reading.facts.flags[0].detail


def test_adapter_settings_and_base_model(read: Read) -> None:
    config = {"peft_type": "LORA", "r": 16, "base_model_name_or_path": "org/base", "target_modules": ["q", "v"]}
    facts = read(json.dumps(config).encode(), "adapter_config.json").facts
    assert (facts.base_model, facts.adapter["r"], facts.adapter["target_modules"]) == ("org/base", 16, ["q", "v"])


def test_mlmodel_signature_is_schema_and_flavors_are_frameworks(read: Read) -> None:
    document = """
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.5.2}
mlflow_version: 3.1.0
signature:
  inputs: '[{"type": "double", "name": "age"},
    {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 8]}}]'
  outputs: '[{"type": "long"}]'
"""
    facts = read(document.encode(), "MLmodel").facts
    assert facts.frameworks == {"mlflow": "3.1.0", "sklearn": "1.5.2"}
    assert facts.schema is not None
    assert facts.schema.inputs == (Field("age", "f64"), Field("1", "f32", (-1, 8)))
    assert facts.schema.outputs == (Field("0", "i64"),)


def test_model_card_front_matter(read: Read) -> None:
    card = b"---\nbase_model: org/base\nlicense: apache-2.0\nlibrary_name: peft\ntags: [a, b]\n---\n# A model\n"
    facts = read(card, "README.md").facts
    assert (facts.base_model, facts.config["license"], facts.frameworks) == ("org/base", "apache-2.0", {"peft": ""})
    assert read(b"# No front matter\n", "README.md").facts.base_model == ""


def test_what_a_card_says_beside_what_hubs_know_is_kept_but_for_tables(read: Read) -> None:
    card = b"---\nlicense: mit\nintended_use: triage of letters\nregions: [eu, uk]\nmodel-index: [{name: x}]\n---\n"
    assert read(card, "README.md").facts.config == {
        "license": "mit",
        "intended_use": "triage of letters",
        "regions": ["eu", "uk"],
    }
    many = "".join(f"key{number}: x\n" for number in range(500))
    assert len(read(f"---\n{many}---\n".encode(), "README.md").facts.config) == 64


def test_sharded_index_is_counted(read: Read) -> None:
    index = {"metadata": {"total_size": 123}, "weight_map": {"a": "1", "b": "1", "c": "2"}}
    facts = read(json.dumps(index).encode(), "model.safetensors.index.json").facts
    assert facts.config == {"weight_map_count": 3, "total_size": 123}


def test_requirements_are_recorded_by_name(read: Read) -> None:
    text = b"# comment\ntorch==2.5.0 ; python_version > '3'\nNumPy>=1\n-r other.txt\n"
    assert read(text, "requirements.txt").facts.config == {"requires": ["numpy", "torch"]}
    conda = b"dependencies:\n- python=3.11\n- pip:\n  - mlflow==3.1\n"
    assert read(conda, "conda.yaml").facts.config == {"requires": ["mlflow", "python"]}


@pytest.mark.parametrize(
    "template",
    [
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
        "{{ messages|attr('append') }}",
        "{{ lipsum['a'] }}",
        "{% for x in self._TemplateReference__context %}{{ x.__class__ }}{% endfor %}",
    ],
)
def test_a_template_that_climbs_into_python_is_flagged(read: Read, template: str) -> None:
    assert codes(read(json.dumps({"chat_template": template}).encode(), "tokenizer_config.json")) == {"template-code"}
    named = {"chat_template": [{"name": "default", "template": template}]}
    assert codes(read(json.dumps(named).encode(), "tokenizer_config.json")) == {"template-code"}
    assert codes(read(template.encode(), "chat_template.jinja")) == {"template-code"}


def test_an_honest_template_is_not_flagged(read: Read) -> None:
    template = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m.content | trim }}<|im_end|>{% endfor %}"
    assert codes(read(json.dumps({"chat_template": template}).encode(), "tokenizer_config.json")) == set()


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [*{chr(97 + at)}, *{chr(97 + at)}]\n" for at in range(20)
)


@pytest.mark.parametrize(
    "document",
    [
        BOMB,
        "a: !!python/object/apply:os.system ['true']",
        "[" * 5_000,
        "- " * 5_000 + "a",
        "a: " + "9" * 10_000,
        "x" * (YAML_BYTES + 1),
        "a: [",
        "just text",
        "? [a, b]\n: c",
    ],
)
def test_hostile_yaml_is_refused_in_time(read: Read, document: str) -> None:
    started = time.process_time()
    assert codes(read(document.encode(), "MLmodel")) <= {"malformed"}
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":1,"a":2}',
        b'{"architectures": [[]]}',
        b'{"x": "\\ud800", "y": 1e999}',
        b"[" * 100_000,
        b"\xff\xfe{}",
    ],
)
@pytest.mark.parametrize(
    "name", ["config.json", "adapter_config.json", "tokenizer_config.json", "model.safetensors.index.json"]
)
def test_hostile_json_is_flagged_at_most(read: Read, content: bytes, name: str) -> None:
    assert codes(read(content, name)) <= {"malformed"}


def test_numbers_json_cannot_keep_are_written_as_text(read: Read) -> None:
    content = b'{"big": ' + b"9" * 400 + b', "inf": 1e999, "deep": ' + b"[" * 50 + b"]" * 50 + b"}"
    assert read(content, "config.json").facts.config["inf"] == "inf"
