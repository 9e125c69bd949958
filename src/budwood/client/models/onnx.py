"""ONNX models in memory: one model.onnx, or with its weights beside it when protobuf's 2 GiB do not hold them."""

import sys
from pathlib import Path
from typing import Any, Final

from budwood.client.models.written import Draft, versions

FILE_NAME: Final = "model.onnx"
DATA_NAME: Final = "model.onnx.data"
ONE_MESSAGE_BYTES: Final = (1 << 31) - 1


def write_proto(model: Any, folder: Path) -> Draft:
    """The schema is left to the reader of the file, which knows ONNX better than this writer."""
    message = _one_message(model)
    if message is None:
        _write_with_data_beside(model, folder)
    else:
        (folder / FILE_NAME).write_bytes(message)
    return Draft(versions("onnx"), architecture=model.graph.name)


def _one_message(model: Any) -> bytes | None:
    """The model's bytes; None when they are more than protobuf can read back."""
    protobuf: Any = sys.modules["google.protobuf.message"]
    try:
        message: bytes = model.SerializeToString(deterministic=True)
    except (protobuf.EncodeError, ValueError):
        return None
    return message if len(message) <= ONE_MESSAGE_BYTES else None


def _write_with_data_beside(model: Any, folder: Path) -> None:
    onnx: Any = sys.modules["onnx"]
    from onnx.external_data_helper import load_external_data_for_model

    try:
        onnx.save_model(model, str(folder / FILE_NAME), save_as_external_data=True, location=DATA_NAME)
    finally:
        # Saving moves the weights out of the object, which is still its owner's: move them back.
        load_external_data_for_model(model, str(folder))
