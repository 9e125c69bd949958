"""MLflow's REST protocol, for its unmodified clients (design/accepted/0017-mlflow.md maps its words onto ours)."""

from typing import Final

from budwood.facades.face import Face
from budwood.facades.mlflow import artifacts, protocol
from budwood.facades.mlflow.table import ENDPOINTS

FACE: Final = Face(
    "mlflow",
    ENDPOINTS,
    owns=protocol.owns,
    read=protocol.read,
    answer=protocol.answer,
    refuse=protocol.refuse,
    nowhere=protocol.nowhere,
    worded=protocol.worded,
    addresses=protocol.addresses,
    namespace_header=protocol.NAMESPACE_HEADER,
    named_in=artifacts.named_in,
)
