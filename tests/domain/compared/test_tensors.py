"""Bodies with tensors in binary, as the JSON that says the same."""

import json
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.compared.tensors import in_json

CODES = {"BOOL": "?", "INT8": "b", "INT64": "q", "UINT16": "H", "FP16": "e", "FP32": "f", "FP64": "d"}


def tensor(datatype: str, content: bytes, **more: object) -> dict[str, object]:
    return {"name": "t", "datatype": datatype, "parameters": {"binary_data_size": len(content), **more}}


def body(*tensors: Mapping[str, object], behind: bytes = b"", name: str = "outputs") -> tuple[bytes, str]:
    said = json.dumps({"id": "7", name: tensors}).encode()
    return said + behind, str(len(said))


@pytest.mark.parametrize(("datatype", "code"), CODES.items())
@pytest.mark.parametrize("name", ["inputs", "outputs"])
def test_numbers_of_every_type_are_what_they_were(datatype: str, code: str, name: str) -> None:
    content = struct.pack(f"<3{code}", 1, 0, 1)
    read = json.loads(in_json(*body(tensor(datatype, content), behind=content, name=name)))
    assert read == {"id": "7", name: [{"name": "t", "datatype": datatype, "data": [1, 0, 1]}]}


def test_halves_texts_and_tensors_in_json_stand_side_by_side() -> None:
    half, texts = struct.pack("<f", -2.5)[2:], b"\x02\0\0\0\xc3\xbc\x01\0\0\0\xff"
    plain = {"name": "u", "datatype": "INT8", "data": [3]}
    whole = body(tensor("BF16", half), plain, tensor("BYTES", texts, kept=1), behind=half + texts)
    first, second, third = json.loads(in_json(*whole))["outputs"]
    assert (first["data"], second, third["data"]) == ([-2.5], plain, ["ü", "\\xff"])
    assert third["parameters"] == {"kept": 1}


def test_what_is_no_number_is_a_word() -> None:
    content = struct.pack("<3d", float("nan"), float("inf"), float("-inf"))
    read = json.loads(in_json(*body(tensor("FP64", content), behind=content)))
    assert read["outputs"][0]["data"] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize(
    ("whole", "head"),
    [
        (b"{}", "3"),
        (b"{}", "-1"),
        (b"{}", "+2"),
        (b"{}", "1" * 5_000),
        (b"{}x", "2"),
        (b"\xff{", "2"),
        body(tensor("FP32", b"1234"), behind=b"123"),
        body(tensor("FP32", b"12345"), behind=b"12345"),
        body(tensor("BF16", b"123"), behind=b"123"),
        body(tensor("FP33", b"1234"), behind=b"1234"),
        body(tensor("BYTES", b"1234"), behind=b"\x09\0\0\0"),
        body(tensor("BYTES", b"123"), behind=b"\0\0\0"),
        body({**tensor("FP32", b""), "datatype": ["FP32"]}),
        body({**tensor("FP32", b""), "parameters": {"binary_data_size": -1}}),
    ],
)
def test_what_does_not_fit_is_refused(whole: bytes, head: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        in_json(whole, head)


@given(st.binary(max_size=60), st.text(max_size=4))
def test_whatever_comes_is_json_or_refused(content: bytes, head: str) -> None:
    for whole, said in ((content, head), body(tensor("BYTES", content), behind=content)):
        try:
            json.loads(in_json(whole, said))
        except ValueError:
            continue
