"""``registry.import_mlflow``: what an MLflow server or its stores hold, into one namespace here."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from budwood.client.carrying.bring import Bringing
from budwood.client.carrying.counts import Counts, Tell
from budwood.client.carrying.database import open_database
from budwood.client.carrying.files import Files
from budwood.client.carrying.journal import Journal
from budwood.client.carrying.mlruns import open_folder
from budwood.client.carrying.ours import Ours
from budwood.client.carrying.planned import Planning
from budwood.client.carrying.reader import Reader
from budwood.client.carrying.stock import StockReader
from budwood.client.carrying.web import Web
from budwood.client.place import Place
from budwood.config import mlflow_credentials, user_cache
from budwood.domain.carrying.report import Carried


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """``artifacts`` are folders, and addresses of object stores, from which files may be read beside the source's own.
    ``workspace`` is one of a source that has several. ``dry``: only say what would come."""

    uri: str
    namespace: str = "default"
    artifacts: tuple[str, ...] = ()
    workspace: str = ""
    with_files: bool = True
    dry: bool = False


def import_mlflow(place: Place, request: ImportRequest, tell: Tell) -> Carried:
    """Raises BadValue, ServerUnreachable, Malformed, NameTaken, Unauthenticated, Forbidden, NamespaceNotFound."""
    reader = open_reader(request)
    counts = Counts(tell)
    try:
        if request.dry:
            Planning(reader, counts, request.with_files).all()
        else:
            _bring(place, request, reader, counts)
        return counts.report(reader.name, place.name, request.namespace, dry=request.dry)
    finally:
        reader.close()


def open_reader(request: ImportRequest) -> Reader:
    """What the URI names. Raises BadValue, SourceNotFound."""
    if request.uri.startswith(("http://", "https://")):
        return StockReader(Web(request.uri, mlflow_credentials(), request.workspace))
    if "://" in request.uri and not request.uri.startswith("file:"):
        return open_database(request.uri, request.artifacts, request.workspace)
    return open_folder(request.uri, request.artifacts)


def _bring(place: Place, request: ImportRequest, reader: Reader, counts: Counts) -> None:
    ours = Ours(place, request.namespace, reader.name)
    journal = Journal(user_cache("mlflow"), reader.name, place.name, request.namespace)
    with journal, tempfile.TemporaryDirectory(prefix="budwood-import-") as scratch:
        files = Files(reader, ours, journal, counts, Path(scratch))
        Bringing(reader, ours, files, counts, request.with_files).all()
