"""Budwood: every version of every model, immutable, stored once, compared, released and taken back.

    import budwood
    registry = budwood.connect("./registry")

Importing this module is cheap: the parts are loaded when they are first used.
"""

from typing import TYPE_CHECKING, Any

from budwood import errors

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.client.version import Version
    from budwood.scan.files import scan_files
    from budwood.wiring import block_cache, connect, in_memory, restore, training_run

__version__ = "0.1.0"
__all__ = [
    "Registry",
    "Version",
    "__version__",
    "block_cache",
    "connect",
    "errors",
    "in_memory",
    "restore",
    "scan_files",
    "training_run",
]

_HOMES = {
    "block_cache": "budwood.wiring",
    "connect": "budwood.wiring",
    "in_memory": "budwood.wiring",
    "restore": "budwood.wiring",
    "Registry": "budwood.client.registry",
    "Version": "budwood.client.version",
    "training_run": "budwood.wiring",
    "scan_files": "budwood.scan.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'budwood' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
