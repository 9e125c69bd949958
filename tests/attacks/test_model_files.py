"""Group E of the attacks: files made to hurt whoever looks at them, pushed to a real server and pulled again.

Nothing is ever unpickled, imported or executed. Where each is tried, beside here:

- E02, E04, E06 (headers of safetensors), E14 (ONNX, protocol buffers): ``tests/store/formats/test_hostile_tensors.py``.
- E08 (HTML in metadata): here, and ``tests/client/test_html.py``.
- E10 (pickles that evade a scanner): ``tests/scan/test_corpus.py``, whose whole corpus is pushed here.
- E12, E16 (archives, Keras, SavedModel): ``tests/store/formats/test_hostile_archives.py``.
- E18 (templates, custom code): ``tests/store/formats/test_configs.py``, and here.
- E20 (weights that are no numbers): here.
"""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import budwood
from budwood.errors import GateClosed
from tests.attacks.siege import Siege
from tests.scan import corpus
from tests.server.conftest import token_of

SCANNED = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: scanned}
spec:
  stages: [production]
  requires: {scanned: true}
"""


def safetensors(header: object, data: bytes = b"") -> bytes:
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + data


def tensor(begin: int, end: int, shape: list[int] | None = None) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape if shape is not None else [(end - begin) // 4], "data_offsets": [begin, end]}


FILES: dict[str, Callable[[], bytes]] = {
    "E02 spaces.safetensors": lambda: safetensors(b"{" + b" " * (24 << 20) + b"}"),
    "E02 huge.safetensors": lambda: struct.pack("<Q", 1 << 62) + b"{}",
    "E04 overlap.safetensors": lambda: safetensors({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)),
    "E04 past.safetensors": lambda: safetensors({"a": tensor(0, 1 << 40)}, bytes(8)),
    "E04 negative.safetensors": lambda: safetensors({"a": tensor(-8, 0, [2])}, bytes(8)),
    "E04 reversed.safetensors": lambda: safetensors({"a": tensor(8, 0, [2])}, bytes(8)),
    "E04 trailing.safetensors": lambda: safetensors({"a": tensor(0, 8)}, bytes(4096)),
    "E06 twice.safetensors": lambda: safetensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        bytes(8),
    ),
    "E08 html.safetensors": lambda: safetensors({"__metadata__": {"title": "<script>alert(1)</script>"}}),
    "E14 varint.onnx": lambda: b"\x3a" + b"\xff" * 9 + b"\x01" + bytes(64),
    "E14 nested.onnx": lambda: b"\x3a\x7f" * 200_000,
    "E18 tokenizer_config.json": lambda: json.dumps(
        {"chat_template": "{{ cycler.__init__.__globals__.os.popen('true').read() }}", "auto_map": {"A": "x.py--A"}}
    ).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_kept_as_it_is_and_hurts_nobody(name: str, siege: Siege, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    content = FILES[name]()
    (folder / name.partition(" ")[2]).write_bytes(content)
    with budwood.connect(siege.server.url, token=token_of("writer")) as registry:
        model = f"ours/{name.partition(' ')[2].lower().replace('_', '-')}"
        version = registry.push(folder, model).version
        registry.pull(version.reference, tmp_path / "back")
    detail = siege.ask("GET", f"/v1/models/{model}/versions/v{version.number}/detail", by="reader")
    assert detail.status == 200
    assert (tmp_path / "back" / name.partition(" ")[2]).read_bytes() == content
    siege.assert_well()


@pytest.fixture
def guarded(siege: Siege) -> Iterator[Siege]:
    """Production asks for the registry's own scan."""
    text = {"text": SCANNED}
    assert siege.ask("PUT", "/v1/namespaces/ours/policies/scanned", by="owner", json=text).status == 200
    yield siege
    siege.ask("DELETE", "/v1/namespaces/ours/policies/scanned", by="owner")
    siege.assert_well()


def test_a_folder_of_gadgets_is_kept_and_never_let_through(guarded: Siege, tmp_path: Path) -> None:
    """E10: all of the corpus in one version; the scan fails it, and what somebody else says of it does not help."""
    folder, marker = tmp_path / "model", tmp_path / "marker"
    folder.mkdir()
    for name, content in corpus.hostile(marker).items():
        (folder / name).write_bytes(content)
    with budwood.connect(guarded.server.url, token=token_of("owner")) as registry:
        version = registry.push(folder, "ours/gadgets").version
        registry.gates.add_evidence(version.reference, "scan", outcome="passed", summary="I looked, it is fine")
        asked = registry.gates.request(version.reference, "production")
        with pytest.raises(GateClosed, match="scan"):
            registry.gates.apply(asked.id, "ours")
    assert not marker.exists()


def test_weights_that_are_no_numbers_are_kept_bit_for_bit(siege: Siege, tmp_path: Path) -> None:
    """E20: accepted, whatever their bits say; a metric of such a model cannot be a number that is none."""
    folder = tmp_path / "model"
    folder.mkdir()
    weights = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45], np.float32)
    content = safetensors({"weights": tensor(0, weights.nbytes, [6])}, weights.tobytes())
    (folder / "model.safetensors").write_bytes(content)
    with budwood.connect(siege.server.url, token=token_of("writer")) as registry:
        version = registry.push(folder, "ours/not-numbers").version
        registry.pull(version.reference, tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == content
    siege.assert_well()
