"""MLflow's stores: the known kinds of address, and the store beside a run."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from pathlib import Path

from hpt_spark.errors import InputError, MissingDependencyError
from hpt_spark.masking import without_secrets
from hpt_spark.storage import is_local, local_path

VARIABLE = "MLFLOW_TRACKING_URI"  # MLflow's own
NO_TRACKING = "none"
DATABASE = r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://"
KNOWN = rf"{DATABASE}|https?://[^/]|databricks"
SQLITE = re.compile(r"sqlite(\+\w+)?:///")
# Unless the user has set them: a store that does not answer is not waited for for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
NO_MLFLOW = "MLflow is not installed: pip install 'hpt-spark[mlflow]'."

log = logging.getLogger(__name__)


def is_known(uri: str) -> bool:
    """Return whether `uri` names a store of a kind that MLflow knows."""
    return re.match(KNOWN, uri) is not None


def checked_uri(uri: str) -> str:
    """Return `uri` with the whole path of a SQLite file; InputError where MLflow knows no such store."""
    if not is_known(uri):
        raise InputError(
            f"MLflow's tracking URI {without_secrets(uri)!r} is not known; it must be sqlite:///FILE, http(s)://HOST, "
            f"postgresql://..., mysql://..., mssql://... or databricks; {NO_TRACKING} switches tracking off."
        )
    if file := sqlite_file(uri):
        if not file.parent.is_dir():
            raise InputError(f"{file.parent} does not exist; make the folder of MLflow's SQLite file {file} first.")
        _, mark, options = uri.partition("?")
        return f"{uri.partition(':')[0]}:///{file}{mark}{options}"
    return uri


def store_beside(run_dir: str) -> str | None:
    """Return the address of the SQLite store beside a run; None where the run is on no local disk."""
    if not is_local(run_dir):
        return None
    return f"sqlite:///{local_path(run_dir).absolute().parent / STORE}"


def artifacts_beside(uri: str) -> str | None:
    """Return where the artifacts of a database go, as a URI: beside a SQLite file, or where this process runs.

    None leaves it to MLflow's server.
    """
    if not re.match(DATABASE, uri):
        return None
    file = sqlite_file(uri)
    return ((Path.cwd() if file is None else file.parent) / ARTIFACTS).as_uri()


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for any other."""
    sqlite = SQLITE.match(uri)
    return None if sqlite is None else Path(uri[sqlite.end() :].partition("?")[0]).absolute()


def named_store(setting: str | None) -> str | None:
    """Return the checked address of the store in a setting or else the variable; None for no history.

    The variable may be meant for other programs, as in each job of Azure ML: an unusable one costs a warning.

    Raises
    ------
    InputError
        When MLflow does not know the setting's store, or the folder of its SQLite file is missing.
    MissingDependencyError
        When the setting names a store and MLflow is not installed.
    """
    named = setting or os.environ.get(VARIABLE)
    if not named or named == NO_TRACKING:
        return None
    if setting is not None:
        check_mlflow()
    elif problem := _problem_of(named):
        shown = without_secrets(named)
        log.warning("no history is kept: the variable %s names %s, but %s", VARIABLE, shown, problem)
        return None
    return checked_uri(named)


def _problem_of(uri: str) -> str | None:
    if importlib.util.find_spec("mlflow") is None:
        return NO_MLFLOW
    if not is_known(uri):
        return "stores of that kind are not known here; tracking.mlflow.uri can name another, or none."
    try:
        checked_uri(uri)
    except InputError as error:
        return str(error)
    return None


def check_mlflow() -> None:
    """Raise MissingDependencyError where MLflow is not installed."""
    if importlib.util.find_spec("mlflow") is None:
        raise MissingDependencyError(NO_MLFLOW)
