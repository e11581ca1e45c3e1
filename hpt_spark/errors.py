"""The errors that a user can cause, and the exit code that each of them has."""

import difflib
from collections.abc import Iterable, Sequence


class HptSparkError(Exception):
    """Base of every error this package raises on purpose; the job ends with exit code 1."""

    exit_code = 1


class InputError(HptSparkError):
    """The data or the run directory cannot be used as they are.

    The message is one sentence for a person: what was found, where, what is allowed and what
    to do. The job ends with exit code 2 and shows no traceback.
    """

    exit_code = 2


class ArgumentError(InputError, ValueError):
    """An argument of a search is none that it takes; a ValueError, as scikit-learn raises for its own arguments."""


class JournalError(InputError):
    """The journal is of another search, or damaged; the message says which, and how to begin anew."""


class ConfigError(InputError):
    """The configuration is wrong; the message lists every problem at once."""


class MissingDependencyError(HptSparkError, ImportError):
    """An optional package or program is not installed; the message names what to install."""


class TransferError(HptSparkError):
    """A transfer failed after all attempts; the message says what is kept, so that a later one goes on from there."""


class MemoryExhaustedError(HptSparkError):
    """A process that this package has started has no memory left; the message names the setting to change."""


class SparkEndedError(HptSparkError):
    """Spark was stopped, or its job cancelled, while it was needed; the message says how to go on."""


class JobEndedError(HptSparkError):
    """A job that was submitted has failed; the message says where it tells why, and the exit code is its own."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class LivyError(HptSparkError):
    """Livy cannot be reached, or its answer was lost; the message says whether a batch may be running."""


NO_PYSPARK = "PySpark is not installed; a cluster brings its own, elsewhere run: pip install 'hpt-spark[spark]'."
OUT_OF_MEMORY = (
    "Java, which runs Spark, has no memory left; give it more, e.g. --set spark.conf.spark.driver.memory=4g "
    "(Spark's own default is 1g)."
)


def listed(names: Sequence[str], most: int = 10) -> str:
    """Return the first names of many for a sentence, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def did_you_mean(name: str, known: Iterable[str], otherwise: str, prefix: str = "", cutoff: float = 0.5) -> str:
    """Return the end of a sentence about an unknown name: the question for the nearest one, or `otherwise`.

    Parameters
    ----------
    name : str
    known : iterable of str
    otherwise : str
        Where none is near.
    prefix : str
        What stands before the name where it is written.
    cutoff : float
        How alike two names must be, from 0 to 1, as `difflib.get_close_matches` counts it.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean `{prefix}{near[0]}`?" if near else otherwise
