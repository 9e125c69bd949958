"""The headers that are ours: what a client sends in them is gone before anything is decided."""

from typing import Final

from budwood.domain.traffic.endpoint import TENANT_HEADER, USER_HEADER

VERSION_HEADER: Final = "x-budwood-version"
GENERATION_HEADER: Final = "x-budwood-generation"
MODEL_HEADER: Final = "x-budwood-model"
OPEN_HEADER: Final = "x-budwood-open"
SHADOW_HEADER: Final = "x-budwood-shadow"
SCOPE_HEADER: Final = "x-budwood-scope"
"""The gateway's own note of where a request belongs. Written anew before any route is chosen, and never sent on."""

OWN_HEADERS: Final = (
    *(VERSION_HEADER, GENERATION_HEADER, TENANT_HEADER, USER_HEADER),
    *(MODEL_HEADER, OPEN_HEADER, SHADOW_HEADER),
)
