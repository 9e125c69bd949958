"""budwood sign and verify-signature: who vouches for a version's files."""

from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.card import Overwrite, check_free
from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import examples
from budwood.domain.limits import PEM_BYTES, SIGNATURE_BYTES
from budwood.errors import BadValue, LimitExceeded, SourceNotFound

SIGN_EPILOG = examples(
    "budwood sign encoder@v2 --key key.pem",
    "budwood sign encoder@v2 --key key.pem --output model.sig",
    "budwood sign encoder@v2 --signature model.sig",
)
VERIFY_EPILOG = examples(
    "budwood verify-signature encoder@v2 --key pub.pem",
    "budwood verify-signature encoder@v2 --key pub.pem --signature model.sig",
)
UNSIGNED = 6


def sign(
    ctx: typer.Context,
    ref: Ref,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Your private key, in PEM.")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Holds what opens the key, on its first line."),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="Keep this one, made by model_signing.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the signature there, too.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Sign a version's files and keep the signature beside it.

    No weights are read: the manifest has every digest. The key stays here.
    """
    if (key is None) == (signature is None):
        raise BadValue("Sign with what?", hint="Give --key FILE, or --signature FILE to keep one that there is.")
    check_free(output, overwrite)
    with opened(ctx) as registry:
        shown = registry.get(ref).reference
        if key is not None:
            opens = read_text(password_file, PEM_BYTES, "PEM_BYTES").splitlines()[:1] if password_file else []
            kept = registry.sign(ref, read_text(key, PEM_BYTES, "PEM_BYTES"), password="".join(opens))
        else:
            assert signature is not None
            kept = registry.gates.add_signature(ref, read_text(signature, SIGNATURE_BYTES, "SIGNATURE_BYTES"))
    if output is not None:
        output.write_text(kept.body, "utf-8")
    answer(kept, lambda screen: screen.line(f"Signed {shown} with the key {_short(kept.summary)}."), json=json)


def verify_signature(
    ctx: typer.Context,
    ref: Ref,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The public key, in PEM.")],
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="This one, not those that are kept.")
    ] = None,
    json: Json = False,
) -> None:
    """Check whether a public key signed exactly this version's files. Ends with 6 when it did not."""
    pem = read_text(key, PEM_BYTES, "PEM_BYTES")
    bundle = read_text(signature, SIGNATURE_BYTES, "SIGNATURE_BYTES") if signature else ""
    with opened(ctx) as registry:
        shown = registry.get(ref).reference
        found = registry.verify_signature(ref, pem, bundle=bundle)
    if found:
        line = f"{shown} is signed with the key {_short(found[0].summary)}."
    else:
        line = f"{shown} is not signed with this key."
    answer({"signed": bool(found), "signatures": found}, lambda screen: screen.line(line), json=json)
    if not found:
        raise typer.Exit(UNSIGNED)


def read_text(path: Path, most: int, limit: str) -> str:
    """Raises SourceNotFound, LimitExceeded."""
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
    if len(found) > most:
        raise LimitExceeded(f"{path} has more than {most} bytes.", limit=limit)
    return found.decode("utf-8", "replace")


def _short(summary: str) -> str:
    """The key in what a signature's record says: its last word."""
    return summary.rstrip(".").rpartition(" ")[2][:12]
