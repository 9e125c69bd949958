"""Programs that lie among weights: told by their first bytes, or by a name that an interpreter goes by."""

import re
import struct
from typing import Final

from budwood.scan.notes import Notes

_NATIVE: Final = {
    b"\x7fELF": "an ELF program or library",
    b"\xfe\xed\xfa\xce": "a Mach-O program or library",
    b"\xfe\xed\xfa\xcf": "a Mach-O program or library",
    b"\xce\xfa\xed\xfe": "a Mach-O program or library",
    b"\xcf\xfa\xed\xfe": "a Mach-O program or library",
    b"\xca\xfe\xba\xbe": "a Mach-O library or a Java class",
    b"\x00asm": "a WebAssembly program",
    b"dex\n": "an Android program",
}
_NATIVE_ENDINGS: Final = {
    ".so": "a native library",
    ".dll": "a native library",
    ".dylib": "a native library",
    ".exe": "a native program",
    ".com": "a native program",
    ".scr": "a native program",
    ".msi": "an installer",
    ".pyd": "a native library",
    ".pyc": "compiled Python",
    ".pyo": "compiled Python",
    ".class": "a Java class",
    ".jar": "a Java program",
}
_PYTHON: Final = (".py", ".pyw", ".pyi", ".pyx", ".ipynb")
_SCRIPTS: Final = (".sh", ".bash", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".lua", ".pl", ".rb")


def tell(head: bytes, path: str, inner: str, notes: Notes) -> None:
    """What is run, not loaded."""
    name = path.lower()
    native = _native(head, name)
    if native:
        notes.tell("native-code", inner, f"it is {native}")
    elif name.endswith(_PYTHON):
        notes.tell("python-code", inner, "it is Python source")
    elif head.startswith(b"#!") or name.endswith(_SCRIPTS):
        notes.tell("script", inner, "it is a script")


def _native(head: bytes, name: str) -> str:
    found = next((what for magic, what in _NATIVE.items() if head.startswith(magic)), "")
    if found:
        return found
    if _is_windows(head):
        return "a Windows program or library"
    if len(head) >= 16 and head[2:4] == b"\r\n" and 3000 < int.from_bytes(head[:2], "little") < 4500:
        return "compiled Python"
    # Linux writes a library's version behind its ending: libx.so.1.2.
    ending = re.search(r"(\.[a-z]+)(?:\.\d+)*$", name)
    return _NATIVE_ENDINGS.get(ending.group(1), "") if ending else ""


def _is_windows(head: bytes) -> bool:
    """MZ alone is two letters; the header it points to is certain, where it lies among the first bytes."""
    if not head.startswith(b"MZ") or len(head) < 64:
        return False
    at = int(struct.unpack_from("<I", head, 60)[0])
    return head[at : at + 4] == b"PE\0\0" if at + 4 <= len(head) else b"\0" in head[:64]
