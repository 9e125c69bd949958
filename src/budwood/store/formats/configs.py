"""Small text files whose names have a meaning: Transformers and PEFT configuration, MLmodel, model cards.

They hold no tensors; they say what a model is. YAML is parsed by its safe loader, without code, within
YAML_BYTES and YAML_ALIASES. What asks a loader to run code that came with the files is flagged.
"""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import Field, FileFacts, Flag, Schema
from budwood.domain.limits import CARD_FIELDS, CONFIG_BYTES, FACT_ITEMS, KEY_CHARS, SHAPE_DIMENSIONS, YAML_BYTES
from budwood.store.api import Reading, Source
from budwood.store.formats.bounded import Malformed, parse_json, plain, plain_text
from budwood.store.formats.dtypes import BITS
from budwood.store.formats.yamls import parse_yaml

CONFIG_ITEMS: Final = 1_000_000


def names_a_config(path: str) -> bool:
    return reader_of(path) is not None


def read_config(source: Source) -> Reading:
    """Raises Malformed when the file is not what its name says."""
    reader = reader_of(source.path)
    assert reader is not None
    return reader(source)


def reader_of(path: str) -> Callable[[Source], Reading] | None:
    """By the file's own name, then by its ending."""
    name = path.rsplit("/", 1)[-1]
    if name in _READERS:
        return _READERS[name]
    return _read_index if name.endswith((".safetensors.index.json", ".bin.index.json")) else None


def _yaml(text: str) -> object:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise Malformed(str(error)) from error


def _json(source: Source) -> dict[str, Json]:
    if source.size > CONFIG_BYTES:
        raise Malformed("longer than the limit CONFIG_BYTES")
    value = parse_json(source.read(0, source.size), CONFIG_ITEMS)
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


def _text(value: Json, limit: int = 250) -> str:
    return plain_text(value, limit) if isinstance(value, str) else ""


def _versions(config: Mapping[str, Json], **keys: str) -> dict[str, str]:
    return {name.replace("_", "-"): _text(config[key], 100) for name, key in keys.items() if key in config}


def _settings(config: Mapping[str, Json]) -> Mapping[str, Json]:
    kept = plain(dict(config))
    assert isinstance(kept, dict)
    return kept


def _read_transformers(source: Source) -> Reading:
    config = _json(source)
    named = config.get("architectures")
    architecture = _text(named[0]) if isinstance(named, list) and named else _text(config.get("_class_name", ""))
    architecture = architecture or _text(config.get("model_type", ""))
    facts = FileFacts(
        frameworks=_versions(config, transformers="transformers_version", diffusers="_diffusers_version"),
        schema=_transformers_schema(architecture, config, source.path),
        architecture=architecture,
        config=_settings(config),
        flags=_custom_code(config, source.path),
    )
    return Reading("json", (), facts)


def _transformers_schema(architecture: str, config: Mapping[str, Json], path: str) -> Schema | None:
    """What the heads of Transformers are documented to give; other architectures are left without a schema."""
    vocabulary, labels, width = config.get("vocab_size"), config.get("id2label"), config.get("hidden_size")
    if not isinstance(vocabulary, int) or not architecture:
        return None
    count = len(labels) if isinstance(labels, dict) else 2
    outputs: Field | None = None
    if architecture.endswith("ForSequenceClassification"):
        outputs = Field("logits", "", (-1, count))
    elif architecture.endswith("ForTokenClassification"):
        outputs = Field("logits", "", (-1, -1, count))
    elif architecture.endswith(("ForCausalLM", "ForMaskedLM", "LMHeadModel")):
        outputs = Field("logits", "", (-1, -1, vocabulary))
    elif architecture.endswith("Model") and isinstance(width, int):
        outputs = Field("last_hidden_state", "", (-1, -1, width))
    return Schema((Field("input_ids", "i64", (-1, -1)),), (outputs,), path) if outputs else None


def _custom_code(config: Mapping[str, Json], path: str) -> tuple[Flag, ...]:
    mapped = config.get("auto_map")
    if not mapped:
        return ()
    named = ", ".join(str(name) for name in mapped.values()) if isinstance(mapped, dict) else str(mapped)
    return (Flag("custom-code", path, f"auto_map asks the loader to run {named}"),)


def _read_adapter(source: Source) -> Reading:
    config = _json(source)
    facts = FileFacts(
        frameworks={"peft": _text(config.get("peft_version", ""), 100)},
        base_model=_text(config.get("base_model_name_or_path", ""), 500),
        adapter=_settings(config),
        flags=_custom_code(config, source.path),
    )
    return Reading("json", (), facts)


def _read_sentence_transformers(source: Source) -> Reading:
    config = _json(source)
    versions = config.get("__version__")
    found = {"sentence_transformers": "sentence-transformers", "transformers": "transformers", "pytorch": "torch"}
    frameworks = {
        name: _text(versions[key], 100) for key, name in found.items() if isinstance(versions, dict) and key in versions
    }
    return Reading("json", (), FileFacts(frameworks=frameworks, config=_settings(config)))


def _read_tokenizer(source: Source) -> Reading:
    config = _json(source)
    template = config.get("chat_template")
    texts = [template] if isinstance(template, str) else []
    if isinstance(template, list):
        texts = [
            entry["template"]
            for entry in template
            if isinstance(entry, dict) and isinstance(entry.get("template"), str)
        ]
    flags = _custom_code(config, source.path) + _template_flags("\n".join(map(str, texts)), source.path)
    kept: dict[str, Json] = {key: config[key] for key in ("tokenizer_class", "model_max_length") if key in config}
    return Reading("json", (), FileFacts(config=_settings(kept), flags=flags))


def _read_template(source: Source) -> Reading:
    text = source.read(0, min(source.size, CONFIG_BYTES)).decode("utf-8", "replace")
    return Reading("jinja", (), FileFacts(flags=_template_flags(text, source.path)))


# What a template needs to climb from a value to Python's modules: dunder names, in the open or spelt out
# piece by piece, and the filters and globals that fetch attributes by text.
_CLIMBS: Final = re.compile(r"__\w|\\x5f|\\u005f|\|\s*attr\b|\b(?:cycler|joiner|lipsum|self)\s*[.\[]", re.IGNORECASE)


def _template_flags(template: str, path: str) -> tuple[Flag, ...]:
    found = _CLIMBS.search(template)
    if found is None:
        return ()
    context = template[max(0, found.start() - 30) : found.end() + 30]
    return (Flag("template-code", path, f"the chat template reaches for Python's insides: {context!r}"),)


def _read_index(source: Source) -> Reading:
    config = _json(source)
    metadata, weights = config.get("metadata"), config.get("weight_map")
    facts: dict[str, Json] = {"weight_map_count": len(weights) if isinstance(weights, dict) else 0}
    if isinstance(metadata, dict) and isinstance(metadata.get("total_size"), int):
        facts["total_size"] = plain(metadata["total_size"])
    return Reading("json", (), FileFacts(config=facts))


def _read_mlmodel(source: Source) -> Reading:
    document = _yaml(_yaml_text(source))
    if not isinstance(document, dict):
        raise Malformed("not a YAML mapping")
    flavors = document.get("flavors")
    frameworks = {"mlflow": plain_text(str(document.get("mlflow_version", "")), 100)}
    for name, flavor in list(flavors.items())[:50] if isinstance(flavors, dict) else []:
        if name != "python_function" and isinstance(flavor, dict):
            versions = [str(value) for key, value in flavor.items() if str(key).endswith("_version")]
            frameworks[plain_text(str(name), 100)] = plain_text(versions[0], 100) if versions else ""
    signature = document.get("signature")
    schema = _mlflow_schema(signature, source.path) if isinstance(signature, dict) else None
    return Reading(
        "yaml", (), FileFacts(frameworks=frameworks, schema=schema, flags=_mlflow_flags(flavors, source.path))
    )


def _mlflow_flags(flavors: object, path: str) -> tuple[Flag, ...]:
    flavor = flavors.get("python_function") if isinstance(flavors, dict) else None
    if not isinstance(flavor, dict):
        return ()
    reasons = [f"{key} {flavor[key]}" for key in ("python_model", "model_code_path", "code") if flavor.get(key)]
    return tuple(Flag("custom-code", path, f"loading runs {plain_text(reason, 200)}") for reason in reasons)


def _mlflow_schema(signature: "dict[object, object]", path: str) -> Schema:
    """MLflow writes each side of a signature as a JSON text inside the YAML."""
    sides: list[tuple[Field, ...]] = []
    for side in ("inputs", "outputs"):
        written = signature.get(side)
        columns = parse_json(written.encode("utf-8", "replace"), CONFIG_ITEMS) if isinstance(written, str) else []
        sides.append(
            tuple(_column(column, at) for at, column in enumerate(columns[:FACT_ITEMS]))
            if isinstance(columns, list)
            else ()
        )
    return Schema(sides[0], sides[1], path)


def _column(column: Json, at: int) -> Field:
    if not isinstance(column, dict):
        return Field(str(at))
    name = _text(column.get("name", "")) or str(at)
    tensor = column.get("tensor-spec")
    if isinstance(tensor, dict):
        return Field(name, _mlflow_dtype(tensor.get("dtype", "")), _mlflow_shape(tensor.get("shape")))
    return Field(name, _mlflow_dtype(column.get("type", "")))


def _mlflow_dtype(written: Json) -> str:
    text = _text(written, 100)
    return _MLFLOW_DTYPES.get(text, text)


def _mlflow_shape(written: Json) -> tuple[int, ...] | None:
    if not isinstance(written, list) or len(written) > SHAPE_DIMENSIONS:
        return None
    sizes = tuple(size for size in written if type(size) is int and -1 <= size < 1 << 63)
    return sizes if len(sizes) == len(written) else None


def _read_card(source: Source) -> Reading:
    """A model card's front matter; a README without one is a README."""
    text = source.read(0, min(source.size, YAML_BYTES)).decode("utf-8", "replace").replace("\r\n", "\n")
    found = re.match(r"---\n(.*?)\n---(?:\n|\Z)", text, re.DOTALL)
    if found is None:
        return Reading("markdown")
    document = _yaml(found.group(1))
    if not isinstance(document, dict):
        raise Malformed("its front matter is not a YAML mapping")
    base = document.get("base_model")
    base = base[0] if isinstance(base, list) and base else base
    kept = {key: plain(document[key]) for key in _CARD_KEYS if key in document}
    # What a house asks of its cards beside what hubs know, such as intended_use; no tables of results or widgets.
    said = ((key, value) for key, value in document.items() if isinstance(key, str) and _is_said(value))
    kept |= {key: plain(value) for key, value in islice(said, CARD_FIELDS) if key not in kept and len(key) <= KEY_CHARS}
    library = document.get("library_name")
    facts = FileFacts(
        frameworks={plain_text(library, 100): ""} if isinstance(library, str) and library else {},
        base_model=plain_text(base, 500) if isinstance(base, str) else "",
        config=kept,
    )
    return Reading("markdown", (), facts)


def _is_said(value: object) -> bool:
    """Text, a number, yes or no, or a list of texts."""
    each = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | int | float) for one in each)


def _read_requirements(source: Source) -> Reading:
    """The names of what is required; versions stay in the file."""
    text = source.read(0, min(source.size, YAML_BYTES)).decode("utf-8", "replace")
    found = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]{0,100})", line) for line in text.splitlines())
    names: list[Json] = sorted({match.group(1).lower() for match in found if match})
    return Reading("text", (), FileFacts(config={"requires": names[:FACT_ITEMS]}))


def _read_conda(source: Source) -> Reading:
    document = _yaml(_yaml_text(source))
    listed = document.get("dependencies") if isinstance(document, dict) else None
    names: set[str] = set()
    for entry in listed if isinstance(listed, list) else []:
        entries = entry.get("pip", []) if isinstance(entry, dict) else [entry]
        for text in entries if isinstance(entries, list) else []:
            found = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]{0,100})", str(text)[:200])
            names.update({found.group(1).lower()} if found else set())
    return Reading("yaml", (), FileFacts(config={"requires": sorted(names)[:FACT_ITEMS]}))


def _yaml_text(source: Source) -> str:
    if source.size > YAML_BYTES:
        raise Malformed("longer than the limit YAML_BYTES")
    return source.read(0, source.size).decode("utf-8", "replace")


_CARD_KEYS: Final = (
    "base_model", "base_model_relation", "license", "license_name", "language", "tags", "datasets", "metrics",
    "library_name", "pipeline_tag", "model_name",
)  # fmt: skip
_MLFLOW_DTYPES: Final[Mapping[str, str]] = {
    "double": "f64", "float": "f32", "long": "i64", "integer": "i32", "boolean": "bool",
    "float64": "f64", "float32": "f32", "float16": "f16", "int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8",
    "uint64": "u64", "uint32": "u32", "uint16": "u16", "uint8": "u8", **{name: name for name in BITS},
}  # fmt: skip
_READERS: Final[Mapping[str, Callable[[Source], Reading]]] = {
    "config.json": _read_transformers,
    "model_index.json": _read_transformers,
    "adapter_config.json": _read_adapter,
    "config_sentence_transformers.json": _read_sentence_transformers,
    "tokenizer_config.json": _read_tokenizer,
    "processor_config.json": _read_tokenizer,
    "chat_template.json": _read_tokenizer,
    "chat_template.jinja": _read_template,
    "MLmodel": _read_mlmodel,
    "README.md": _read_card,
    "requirements.txt": _read_requirements,
    "conda.yaml": _read_conda,
}
