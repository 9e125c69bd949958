"""Folders and flags of model servers: Triton's and MLServer's model repositories, and vLLM with its adapters."""

import json
import shlex
from typing import Final

from budwood.delivery.emit.pieces import implementation, served
from budwood.delivery.emit.release import NOT_TESTED, Document, File, Part, Release, cannot
from budwood.domain.facts import Field
from budwood.domain.names import Kind
from budwood.domain.serving.defaults import triton_word
from budwood.domain.serving.manifest import Batching, Engine
from budwood.errors import BadServing

_NO_SPLIT: Final = "A server chooses no version by itself: clients ask for one, and without one get the newest."
_TRITON_TYPES: Final = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "float": "TYPE_FP32",
    "double": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
    "string": "TYPE_STRING",
}
_PROTOCOL_TYPES: Final = {"float": "FP32", "double": "FP64", "string": "BYTES", "bool": "BOOL"}
_RANK: Final = 16


def triton(release: Release) -> tuple[File, ...]:
    """A folder for the model, with a folder in it for each version. Raises NotOffered, BadServing."""
    parts = served(release)
    if len({repr((part.facts.schema, part.serving)) for part in parts}) > 1:
        instead = "Emit each version by itself."
        cannot("triton", "has one configuration for all versions of a model, and these differ", instead)
    head = (
        "Triton model repository: the configuration. The files go beside it:",
        *(f"budwood pull {part.reference} {release.name}/{part.number}" for part in parts),
        f"{_NO_SPLIT} Splits, shadows and rules are a gateway's.",
        NOT_TESTED,
    )
    return (File(f"{release.name}/config.pbtxt", head, _config(release, parts)),)


def mlserver(release: Release) -> tuple[File, ...]:
    """A folder for each version, with its settings. Raises BadServing."""
    made: list[File] = []
    for part in served(release):
        folder = f"{release.name}/{part.revision}-{part.arm}"
        head = (
            f"MLServer model repository: {part.reference}. Its files go into this folder:",
            f"budwood pull {part.reference} {folder}/files",
            f"{_NO_SPLIT} Splits, shadows and rules are a gateway's.",
            NOT_TESTED,
            "JSON can hold no remarks, so they stand here.",
        )
        made.append(File(f"{folder}/model-settings.json", (), (_settings(release, part),)))
        made.append(File(f"{folder}/README.txt", head, ""))
    return tuple(made)


def vllm(release: Release) -> tuple[File, ...]:
    """The command that serves the versions: adapters on their base, or one whole model. Raises NotOffered."""
    parts = served(release)
    adapters = [part for part in parts if _is_adapter(part)]
    if adapters and len(adapters) < len(parts):
        cannot("vllm", "serves adapters on one base, and some of these are whole models", "Emit each by itself.")
    if not adapters and len(parts) > 1:
        cannot("vllm", "serves one whole model in one process", "Emit each version by itself, or kserve.")
    words = _adapters(release, adapters) if adapters else _whole(release, parts[0])
    runtime = parts[0].serving.runtime
    own = runtime.arguments if runtime.engine is Engine.VLLM else ()
    words += [f"--port={runtime.port}", *own]
    head = (
        "vLLM, as a command. Where each version's files are expected:",
        *(f"budwood pull {part.reference} {_folder(release, part)}" for part in parts),
        "Clients choose a version by the body's 'model'. Splits, stickiness, shadows and rules are a gateway's.",
        NOT_TESTED,
    )
    body = "exec vllm serve " + " \\\n  ".join(shlex.quote(word) for word in words)
    return (File("serve.sh", head, body),)


def _config(release: Release, parts: tuple[Part, ...]) -> str:
    first = parts[0]
    word = triton_word(first.serving.runtime)
    if not word:
        raise BadServing(
            f"Nobody knows how Triton reads {first.reference}: spec.runtime.implementation is missing.",
            hint="Write spec.runtime: {engine: triton, implementation: onnxruntime}.",
            field="spec.runtime.implementation",
        )
    batching, schema = first.serving.batching, first.facts.schema
    lines = [f"name: {_quoted(release.name)}", f"backend: {_quoted(word)}"]
    batched = bool(batching and schema and _all_batched((*schema.inputs, *schema.outputs)))
    lines.append(f"max_batch_size: {batching.most if batching and batched else 0}")
    if schema:
        lines += [_tensors("input", schema.inputs, batched), _tensors("output", schema.outputs, batched)]
    if batching and batched:
        lines.append(_gathering(batching))
    kind = "KIND_GPU" if first.serving.resources.gpus else "KIND_CPU"
    lines.append(f"instance_group [ {{ count: 1, kind: {kind} }} ]")
    numbers = ", ".join(str(part.number) for part in parts)
    lines.append(f"version_policy: {{ specific: {{ versions: [ {numbers} ] }} }}")
    return "\n".join(filter(None, lines))


def _gathering(batching: Batching) -> str:
    return f"dynamic_batching {{ max_queue_delay_microseconds: {batching.wait_ms * 1_000} }}"


def _all_batched(fields: tuple[Field, ...]) -> bool:
    """Triton adds the first dimension by itself, and so it must be free in every tensor."""
    return bool(fields) and all(each.shape and each.shape[0] == -1 for each in fields)


def _tensors(what: str, fields: tuple[Field, ...], batched: bool) -> str:
    """None where a type is unknown: Triton asks the file itself then."""
    if not fields or any(each.dtype.lower() not in _TRITON_TYPES or each.shape is None for each in fields):
        return ""
    every = []
    for each in fields:
        shape = (each.shape or ())[1 if batched else 0 :]
        dims = ", ".join(str(size) for size in shape) or "1"
        kind = _TRITON_TYPES[each.dtype.lower()]
        every.append(f"  {{ name: {_quoted(each.name)}, data_type: {kind}, dims: [ {dims} ] }}")
    return f"{what} [\n" + ",\n".join(every) + "\n]"


def _quoted(text: str) -> str:
    """As protobuf's text format takes it: every byte that is no plain character as three octal digits."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in text.encode()) + '"'


def _settings(release: Release, part: Part) -> Document:
    made: Document = {"name": release.name, "implementation": implementation(part)}
    schema, batching = part.facts.schema, part.serving.batching
    for what, fields in (("inputs", schema.inputs), ("outputs", schema.outputs)) if schema else ():
        if fields and all(each.shape is not None and each.dtype for each in fields):
            made[what] = [
                {"name": each.name, "datatype": _datatype(each.dtype), "shape": list(each.shape or ())}
                for each in fields
            ]
    if batching:
        made["max_batch_size"] = batching.most
        made["max_batch_time"] = batching.wait_ms / 1_000
    made["parameters"] = {"uri": "./files", "version": part.revision}
    return made


def _datatype(dtype: str) -> str:
    """The Open Inference Protocol's word."""
    word = dtype.lower()
    if word in _PROTOCOL_TYPES:
        return _PROTOCOL_TYPES[word]
    return word.upper().replace("FLOAT", "FP") if word in _TRITON_TYPES else dtype.upper()


def _is_adapter(part: Part) -> bool:
    return bool(part.facts.adapter) or part.facts.kind is Kind.ADAPTER


def _adapters(release: Release, parts: list[Part]) -> list[str]:
    bases = {part.facts.base_model for part in parts}
    base = bases.pop() if len(bases) == 1 else ""
    if not base:
        what = "needs one base for all adapters, and these name none, or several"
        cannot("vllm", what, "Push adapters with their adapter_config.json, and emit those of one base together.")
    modules = [
        json.dumps({"name": f"{release.name}-{part.arm}", "path": _folder(release, part), "base_model_name": base})
        for part in parts
    ]
    rank = max(_rank(part) for part in parts)
    return [
        *(base, f"--served-model-name={base}", "--enable-lora", f"--max-loras={len(parts)}", f"--max-lora-rank={rank}"),
        *("--lora-modules", *modules),
    ]


def _rank(part: Part) -> int:
    """The next that vLLM takes."""
    found = part.facts.adapter.get("r", _RANK)
    wanted = found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else _RANK
    return next((each for each in (8, 16, 32, 64, 128, 256, 320, 512) if each >= wanted), 512)


def _whole(release: Release, part: Part) -> list[str]:
    return [_folder(release, part), f"--served-model-name={release.name}"]


def _folder(release: Release, part: Part) -> str:
    return f"models/{release.name}/{part.revision}"
