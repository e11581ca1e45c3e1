"""Where MLflow keeps runs: which addresses it knows, and the store beside a run."""

from __future__ import annotations

import re
from pathlib import Path

from hpt_spark.config.secrets import without_secrets
from hpt_spark.errors import InputError
from hpt_spark.storage import is_local, local_path

VARIABLE = "MLFLOW_TRACKING_URI"  # MLflow's own
NO_TRACKING = "none"
KNOWN = r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://|https?://[^/]|databricks"
SQLITE = re.compile(r"sqlite(\+\w+)?:///")
# Unless the user has set them: a store that does not answer is not waited for for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"


def is_known(uri: str) -> bool:
    """Return whether `uri` names a store of a kind that MLflow knows."""
    return re.match(KNOWN, uri) is not None


def checked_uri(uri: str) -> str:
    """Return `uri`, a relative SQLite file with its folder; InputError where MLflow knows no such store."""
    if not is_known(uri):
        raise InputError(
            f"MLflow's tracking URI {without_secrets(uri)!r} is not known; it must be sqlite:///FILE, http(s)://HOST, "
            f"postgresql://..., mysql://..., mssql://... or databricks; {NO_TRACKING} switches tracking off."
        )
    if sqlite := SQLITE.match(uri):
        file = Path(uri[sqlite.end() :])
        if not file.parent.is_dir():
            raise InputError(f"{file.parent} does not exist; make the folder of MLflow's SQLite file {file} first.")
        return f"{sqlite[0]}{file.absolute()}"
    return uri


def store_beside(run_dir: str) -> str | None:
    """Return the address of the SQLite store beside a run; None where the run is on no local disk."""
    if not is_local(run_dir):
        return None
    return f"sqlite:///{local_path(run_dir).absolute().parent / STORE}"


def artifacts_beside(uri: str) -> str | None:
    """Return where the artifacts of a SQLite store go, as a URI; None leaves it to the server."""
    sqlite = SQLITE.match(uri)
    return None if sqlite is None else (Path(uri[sqlite.end() :]).absolute().parent / ARTIFACTS).as_uri()
