"""The sections of the configuration: every key, its default, and what it may be."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args

from pydantic import Field, ValidationInfo, create_model, field_validator, model_validator

from hpt_spark.config.race import refuse_impossible_race, rules_of_race
from hpt_spark.config.section import Section
from hpt_spark.config.table_section import TableSection
from hpt_spark.config.yaml_text import as_yaml

FeatureSet = Literal["brand_model", "weekday", "hour", "weekday_hour", "app", "label", "category", "category_word"]
FEATURE_SETS: tuple[FeatureSet, ...] = get_args(FeatureSet)

MASTERS = r"local|local\[(\*|[1-9]\d*)(, *\d+)?\]|local-cluster\[\d+, *\d+, *\d+\]|yarn|(k8s|mesos)://.+|"
MASTERS += r"spark://[^,/:]+:\d+(,[^,/:]+:\d+)*|spark://\[[0-9a-fA-F:.]+\]:\d+"

DRAWING = ("random", "halving_random", "optuna")
HALVING = ("halving", "halving_random")
DISTRIBUTIONS = ("uniform", "loguniform", "randint")  # of scipy.stats; randint leaves out its upper bound

ONE_STD_ERR = "one_std_err"

LONGEST = 10 * 366 * 86_400.0  # seconds; what waits for longer overflows somewhere


class SourceSection(Section):
    """Where the seven CSV files lie; `credential` names an environment variable and never is a secret."""

    uri: str = Field(
        "data/raw",
        min_length=1,
        description=(
            "The folder of the seven files: a local one, a blob container "
            "(`https://ACCOUNT.blob.core.windows.net/CONTAINER[/FOLDER]`, `wasbs://`, `abfss://`), or any Hadoop "
            "path."
        ),
    )
    via: Literal["auto", "sdk", "hadoop"] = Field(
        "auto",
        description=(
            "`auto`: blobs with Azure's SDK, other URIs by Hadoop. `sdk`: the same, for blobs only. `hadoop`: by "
            "the file systems and the credentials of the cluster, also for a plain path and a blob URL."
        ),
    )
    credential: Union[str, None] = Field(
        None,
        description=(
            "The name of the environment variable that holds a connection string, a SAS token or an account key; "
            "or `anonymous`. Null looks in the usual places."
        ),
    )
    downloads: str = Field(
        "data/downloads",
        min_length=1,
        description="The folder in which blobs are kept, so that an equal one is not downloaded again.",
    )
    max_bad_rows: int = Field(
        0,
        ge=0,
        strict=True,
        description="How many unparsable rows of each file may be left out; they are counted and reported.",
    )

    @field_validator("credential")
    @classmethod
    def _name_of_a_variable(cls, credential: Union[str, None]) -> Union[str, None]:
        if credential is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", credential):
            raise ValueError(
                "must be the name of an environment variable that holds the secret, never the secret itself; or "
                "`anonymous`, or null to look in the usual places"
            )
        return credential


class UploadSection(Section):
    """What the job `upload` puts into the container of ``source.uri``."""

    folder: str = Field(
        "data/raw",
        min_length=1,
        description="The folder of the seven files that `upload` sends to `source.uri`.",
    )
    create_container: bool = Field(False, strict=True, description="Whether `upload` creates a missing container.")


class TablesSection(Section):
    """Where the Parquet tables are kept."""

    uri: str = Field(
        "data/tables",
        min_length=1,
        description=(
            "The folder of the Parquet tables, local or any Hadoop path. Tables that other programs wrote are "
            "read too; those of `app_events` should be in files of 10 to 15 MB, as `ingest` writes them, because "
            "a file is in memory whole."
        ),
    )


# The key is a word of Python's, which no class body can declare.
_FROM: Any = {
    "from": (
        Literal["talkingdata", "table"],
        Field(
            "talkingdata",
            description="`talkingdata`: the scenario's tables. `table`: the one table that `features.table` names.",
        ),
    )
}
_From: Any = create_model("_From", __base__=Section, **_FROM)


class FeaturesSection(_From):
    """Which features to build, and how."""

    table: TableSection = Field(TableSection(), description="See below.")
    blocks: list[str] = Field(
        [],
        description=(
            "Blocks of your own: dotted paths of functions `(tables) -> DataFrame(device_id, block, term, value)`."
        ),
    )
    sets: list[FeatureSet] = Field(
        list(FEATURE_SETS),
        min_length=1,
        description="The feature sets; each brings one block of columns, `brand_model` two.",
    )
    encoding: Literal["fraction", "indicator"] = Field(
        "fraction",
        description=(
            "`fraction`: a device's share of its events, or of its app events. `indicator`: 1 where the device "
            "has the term."
        ),
    )
    min_devices: int = Field(1, ge=1, strict=True, description="Terms that fewer training devices have are left out.")

    @field_validator("sets")
    @classmethod
    def _each_set_once(cls, sets: list[FeatureSet]) -> list[FeatureSet]:
        repeated = sorted({name for name in sets if sets.count(name) > 1})
        if repeated:
            raise ValueError(f"names {', '.join(repeated)} more than once; name each set once")
        return sets

    @property
    def is_from_table(self) -> bool:
        """Whether the features are those of a table of the user's own."""
        return bool(getattr(self, "from") == "table")

    @model_validator(mode="after")
    def _a_table_where_there_is_one(self) -> FeaturesSection:
        if self.is_from_table:
            self.table.refuse_without_table()
        elif self.table.is_given():
            raise ValueError("has a table, which from: talkingdata does not read; write from: table, or leave it out")
        return self


class SearchSection(Section):
    """What to search, and on what."""

    strategy: Literal["grid", "random", "halving", "halving_random", "optuna"] = Field(
        "grid",
        description=(
            "scikit-learn's search classes: every candidate, a random draw, or successive halving of either; or "
            "batches of candidates that Optuna proposes from the scores of those before."
        ),
    )
    backend: Literal["spark", "joblib"] = Field(
        "spark",
        description=(
            "`spark`: fits are Spark tasks. `joblib`: scikit-learn's own search, without Spark and without a journal."
        ),
    )
    n_jobs: int = Field(
        1, ge=-65_536, le=65_536, strict=True, description="Processes of the joblib backend; -1 for one per core."
    )
    estimator: str = Field(
        "xgboost.XGBClassifier",
        description="The dotted name of a class with scikit-learn's interface.",
    )
    estimator_params: dict[str, Any] = Field(
        {"seed": 0},
        description="Its parameters, the same for all candidates. A file's value replaces the one below it whole.",
    )
    param_grid: Union[dict[str, Any], list[dict[str, Any]]] = Field(
        [{"n_estimators": [300, 400], "max_depth": [3, 4]}],
        description=(
            "Lists of values by parameter, or several such mappings. Where candidates are drawn, `{loguniform: "
            "[0.01, 0.3]}`, `uniform` and `randint` may stand for a list. A file's value replaces the one below "
            "it whole."
        ),
    )
    n_iter: int = Field(
        10,
        ge=1,
        le=2**31 - 1,
        strict=True,
        description="How many candidates `random`, `halving_random` and `optuna` draw.",
    )
    batch_size: Union[int, Literal["auto"]] = Field(
        "auto",
        description=(
            "How many candidates `optuna` proposes at a time; `auto` gives each slot of the cluster two fits, and the "
            "journal keeps the number."
        ),
    )
    n_startup_trials: int = Field(
        10, ge=1, strict=True, description="How many scores `optuna` awaits before its proposals are more than random."
    )
    no_improvement: Union[int, None] = Field(
        None,
        ge=1,
        strict=True,
        description="`optuna` ends after so many candidates in a row that are no better than the best before.",
    )
    rounds: Union[dict[str, Any], None] = Field(
        None,
        description=(
            "`{max: 2000, step: 50, early_stopping_rounds: 100}`: the number of rounds of a boosting ensemble leaves "
            "`param_grid` and is chosen by the mean curve over the folds. Each candidate is trained once per fold, a "
            "score every `step` rounds (else a twentieth of `max`) is a row of its own, and a training stops when its "
            "mean score has not improved for `early_stopping_rounds` (else never)."
        ),
    )
    random_state: int = Field(
        0,
        ge=0,
        le=2**32 - 1,  # NumPy's seeds have 32 bits
        strict=True,
        description="The seed of what is drawn.",
    )
    resource: str = Field(
        "n_samples",
        min_length=1,
        description="What survivors of a rung get more of: `n_samples`, or a parameter such as `n_estimators`.",
    )
    factor: float = Field(3, gt=1, allow_inf_nan=False, description="One candidate in so many survives a rung.")
    min_resources: Union[int, Literal["smallest", "exhaust"]] = Field(
        "exhaust",
        description="The resource of the first rung, as in scikit-learn.",
    )
    max_resources: Union[int, Literal["auto"]] = Field(
        "auto",
        description="The resource of the last rung; `auto` is all rows, a parameter needs a number.",
    )
    scoring: Union[str, list[str]] = Field(
        "neg_log_loss",
        description=(
            "The name of a scorer of scikit-learn, or a list of several. A regression and a ranking, which "
            "`neg_log_loss` does not suit, have `neg_root_mean_squared_error` and `ndcg` in its place."
        ),
    )
    cv: Union[int, dict[str, Any]] = Field(
        5,
        description=(
            "The number of folds, at least 2, stratified for a classifier; or any splitter of scikit-learn: "
            "`{splitter: StratifiedKFold, n_splits: 5, shuffle: true, random_state: 0}`."
        ),
    )
    refit: Union[bool, str] = Field(
        True,
        description=(
            "Whether the best candidate is trained on all training rows; `predict` needs it. Of several scorings, the "
            "name of the one that decides. `one_std_err`: the simplest candidate within one standard error of the "
            "best. Or the dotted path of a function of `cv_results_` that returns the number of a candidate."
        ),
    )
    refit_on: Literal["executor", "driver"] = Field(
        "executor",
        description=(
            "Where that training runs with the backend `spark`: as a Spark task, with the threads of a fit, so that "
            "the driver needs no memory for it; or in the driver's process. The joblib backend has only the latter."
        ),
    )
    keep_oof: Literal["none", "best", "all"] = Field(
        "none",
        description=(
            "Whose out-of-fold predictions, those of the fits that were scored, go into `RUN/oof.npz`: the best "
            "candidate's, or all candidates'. The backend `spark` alone keeps them, until then all of them."
        ),
    )
    error_score: Union[float, Literal["raise"]] = Field(
        float("nan"),
        description="The score of a failed fit, or `raise`.",
    )
    warm_start: list[str] = Field(
        [],
        description=(
            "Other runs, or journals, whose results are taken where they are of the same fits: of the same data, "
            "estimator and scoring, which else is refused."
        ),
    )
    max_time: Union[float, None] = Field(
        None,
        gt=0,
        le=LONGEST,
        strict=True,
        description="Seconds after which a search on Spark ends with what it has.",
    )
    max_fit_time: Union[float, None] = Field(
        None,
        gt=0,
        le=LONGEST,
        strict=True,
        description=(
            "Seconds after which a fit on Spark is stopped: it is a failed fit then, with that as its reason. A "
            "training that several candidates share and that takes longer is done again, one by one."
        ),
    )

    race: Union[dict[str, Any], None] = Field(
        None,
        description=(
            "`{burn_in: 3, alpha: 0.05}`: after so many folds a candidate that is worse than the best one, by the "
            "corrected resampled t-test at that level, gets no more folds (`grid`, `random`, `optuna` on Spark)."
        ),
    )

    @field_validator("param_grid", mode="before")
    @classmethod
    def _lists_of_values(cls, grid: Any) -> Any:
        grids = [grid] if isinstance(grid, dict) else grid
        if not isinstance(grids, list) or not all(isinstance(one, dict) for one in grids):
            raise ValueError("needs a mapping of parameter names to lists of values, or a list of such mappings")
        if not grids or not any(grids):
            raise ValueError("is empty: name at least one parameter with a list of values")
        problems = [problem for one in grids for problem in _grid_problems(one)]
        if problems:
            raise ValueError("; ".join(problems))
        return grid

    @field_validator("rounds", mode="before")
    @classmethod
    def _numbers_of_rounds(cls, rounds: Any) -> Any:
        if rounds is None:
            return None
        keys = ("max", "step", "early_stopping_rounds")
        if not isinstance(rounds, dict) or "max" not in rounds or not set(rounds) <= set(keys):
            raise ValueError(f"needs a mapping such as {{max: 2000, step: 50, early_stopping_rounds: 100}}, of {keys}")
        for name, value in rounds.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a number of rounds, 1 or more")
        return rounds

    @field_validator("batch_size", mode="before")
    @classmethod
    def _some_candidates(cls, size: Any) -> Any:
        if size != "auto" and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError("must be a number of candidates, 1 or more, or auto")
        return size

    @model_validator(mode="after")
    def _what_the_strategy_can_do(self) -> SearchSection:
        if self.strategy == "optuna" and self.backend == "joblib":
            raise ValueError("strategy=optuna runs on Spark, local[*] on one machine: set backend=spark")
        if self.rounds is not None and (self.backend == "joblib" or self.strategy in HALVING):
            raise ValueError("rounds needs backend: spark and the strategy grid, random or optuna")
        drawn = [name for grid in self.grids for name, values in grid.items() if isinstance(values, dict)]
        if drawn and self.strategy not in DRAWING:
            raise ValueError(
                f"param_grid gives a distribution for {', '.join(drawn)}, from which only strategy: "
                f"{' or '.join(DRAWING)} can draw; list the values, or choose one of these"
            )
        if self.strategy in HALVING and self.resource != "n_samples":
            if self.max_resources == "auto":
                raise ValueError(f"resource={self.resource} needs max_resources, the most that a candidate may get")
            if any(self.resource in grid for grid in self.grids):
                raise ValueError(f"resource={self.resource} is in param_grid too; leave it out there")
        return self

    @field_validator("race", mode="before")
    @classmethod
    def _rules_of_a_race(cls, race: Any) -> Any:
        return None if race is None else rules_of_race(race)

    @model_validator(mode="after")
    def _who_can_race(self) -> SearchSection:
        if self.race is not None:
            refuse_impossible_race(self, self.strategy in HALVING)
        return self

    @model_validator(mode="after")
    def _what_fits_on_spark_alone_can_do(self) -> SearchSection:
        if self.keep_oof != "none" and self.backend != "spark":
            raise ValueError(f"keep_oof={self.keep_oof} needs backend: spark; the joblib backend keeps no predictions")
        if self.max_fit_time is not None and self.backend != "spark":
            raise ValueError(
                f"max_fit_time={self.max_fit_time:g} needs backend: spark; the joblib backend stops no fit"
            )
        return self

    @field_validator("scoring", mode="before")
    @classmethod
    def _a_name_or_several(cls, scoring: Any) -> Any:
        if not isinstance(scoring, list):
            if not isinstance(scoring, str):
                raise ValueError("must be a text, the name of a scorer, or a list of such names")
            return scoring
        if not scoring or not all(isinstance(name, str) for name in scoring):
            raise ValueError("must be the name of a scorer, or a list of such names")
        repeated = sorted({name for name in scoring if scoring.count(name) > 1})
        if repeated:
            raise ValueError(f"names {', '.join(repeated)} more than once; name each scorer once")
        return scoring

    @field_validator("cv", mode="before")
    @classmethod
    def _folds_or_a_splitter(cls, cv: Any) -> Any:
        if isinstance(cv, dict):
            if not isinstance(cv.get("splitter"), str):
                raise ValueError("needs a splitter, e.g. {splitter: StratifiedKFold, n_splits: 5}")
            return cv
        if isinstance(cv, bool) or not isinstance(cv, int):
            raise ValueError("must be a whole number, or a mapping such as {splitter: KFold, n_splits: 5}")
        if cv < 2:
            raise ValueError("must be greater than or equal to 2")
        return cv

    @field_validator("refit", mode="before")
    @classmethod
    def _whether_or_by_what(cls, refit: Any) -> Any:
        if not isinstance(refit, (bool, str)):
            raise ValueError(f"must be true or false, the name of a metric, {ONE_STD_ERR}, or the path of a function")
        return refit

    @model_validator(mode="after")
    def _one_metric_decides(self) -> SearchSection:
        choice = self.refit
        if self.strategy in HALVING and (len(self.metrics) > 1 or isinstance(choice, str)):
            raise ValueError(
                f"strategy: {self.strategy} compares candidates by one score from rung to rung: give one scoring, and "
                "refit: true or false"
            )
        if isinstance(choice, str) and choice != ONE_STD_ERR and "." not in choice and choice not in self.metrics:
            raise ValueError(
                f"refit: {choice} is none of the scorings ({', '.join(self.metrics)}); name one of these, "
                f"{ONE_STD_ERR}, or the dotted path of a function"
            )
        if choice is True and len(self.metrics) > 1:
            raise ValueError(
                f"scoring names {len(self.metrics)} metrics; let refit name the one that decides, e.g. refit: "
                f"{self.metrics[0]}"
            )
        return self

    @property
    def metrics(self) -> list[str]:
        """The names of all scorings."""
        return [self.scoring] if isinstance(self.scoring, str) else self.scoring

    @property
    def metric(self) -> str:
        """The scoring that candidates are ranked by: the one that `refit` names, or the first."""
        return self.refit if isinstance(self.refit, str) and self.refit in self.metrics else self.metrics[0]

    @field_validator("error_score", mode="before")
    @classmethod
    def _number_or_raise(cls, score: Any) -> Any:
        if isinstance(score, bool) or not (isinstance(score, (int, float)) or score in ("nan", "raise")):
            raise ValueError("must be a number, nan or raise")
        return score

    @field_validator("min_resources", "max_resources", mode="before")
    @classmethod
    def _number_or_word(cls, value: Any, info: ValidationInfo) -> Any:
        words = ("smallest", "exhaust") if info.field_name == "min_resources" else ("auto",)
        is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if not is_count and value not in words:
            raise ValueError(f"must be a whole number above 0, or {' or '.join(words)}")
        return value

    @field_validator("n_jobs")
    @classmethod
    def _some_jobs(cls, n_jobs: int) -> int:
        if n_jobs == 0:
            raise ValueError("needs a number of processes, or -1 for one per core")
        return n_jobs

    @property
    def grids(self) -> list[dict[str, Any]]:
        """The grid as a list of mappings, of names to lists of values or to distributions."""
        return [self.param_grid] if isinstance(self.param_grid, dict) else self.param_grid


class RunSection(Section):
    """Where the results of one run are kept."""

    dir: str = Field(
        "runs/demo",
        min_length=1,
        description="The folder of the design and of all results, local or any Hadoop path.",
    )
    overwrite: bool = Field(
        False,
        strict=True,
        description=(
            "Whether the results of another search may be replaced (`--overwrite`): they go, `submission.csv` "
            "too, when the new search begins."
        ),
    )


class SparkSection(Section):
    """How Spark is started; a null master leaves it to spark-submit, else ``local[*]``."""

    master: Union[str, None] = Field(None, description="Null leaves it to spark-submit, else `local[*]`.")
    conf: dict[str, Union[bool, int, float, str]] = Field(
        {},
        description=(
            "Any settings of Spark, e.g. `{spark.driver.memory: 4g}`. A Spark that a job starts on this machine "
            "opens no UI by itself: `{spark.ui.enabled: true}` does."
        ),
    )

    @property
    def conf_as_text(self) -> dict[str, str]:
        """`conf` as Spark writes it: a switch is ``true`` or ``false``."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.conf.items()
        }

    @field_validator("master")
    @classmethod
    def _one_that_spark_knows(cls, master: Union[str, None]) -> Union[str, None]:
        # Spark finds out as well, but only in Java, which writes its stack trace before any message of ours.
        if master is not None and not re.fullmatch(MASTERS, master):
            raise ValueError(
                "must be local[*], local[CORES], yarn, spark://HOST:PORT or k8s://HOST:PORT; or null, to leave it to "
                "spark-submit, else local[*]"
            )
        return master

    @field_validator("conf", mode="before")
    @classmethod
    def _single_values(cls, conf: Any) -> Any:
        if not isinstance(conf, dict):
            return conf
        odd = [name for name in conf if isinstance(name, str) and not re.fullmatch(r"[^\s=]+", name)]
        if odd:
            raise ValueError(f"has the name {as_yaml(odd[0])}; write one of Spark's, without spaces and without =")
        wrong = [name for name, value in conf.items() if not isinstance(value, (bool, int, float, str))]
        if wrong:
            raise ValueError(
                f"needs one text, number or boolean for {', '.join(map(str, wrong))}; the whole name of a setting is "
                "one key, e.g. spark.driver.memory: 4g"
            )
        return conf


def _grid_problems(grid: dict[Any, Any]) -> Iterator[str]:
    for name, values in grid.items():
        if not isinstance(name, str):
            yield f"has the name {as_yaml(name)}: put it in quotes"
        elif isinstance(values, dict):
            yield from _distribution_problems(name, values)
        elif not isinstance(values, list):
            yield f"has a single value for {name}: write {as_yaml([values])}"
        elif not values:
            yield f"has no value for {name}: name at least one or leave {name} out"


def _distribution_problems(name: str, values: dict[Any, Any]) -> Iterator[str]:
    (kind, bounds), *others = [*values.items(), (None, None)]
    if len(others) > 1 or kind not in DISTRIBUTIONS:
        yield f"has {as_yaml(values)} for {name}: write a list, or one of {', '.join(DISTRIBUTIONS)}: [low, high]"
    elif not (isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_finite_number, bounds))):
        yield f"has {as_yaml(values)} for {name}: a distribution needs two numbers, {kind}: [low, high]"
    elif kind == "randint" and not all(isinstance(bound, int) for bound in bounds):
        yield (
            f"has {as_yaml(values)} for {name}: randint needs two whole numbers, without a point or an exponent; "
            "uniform draws what lies between"
        )
    elif not bounds[0] < bounds[1] or (kind == "loguniform" and bounds[0] <= 0):
        yield f"has {as_yaml(values)} for {name}: the first number must be the smaller one, for loguniform above 0"


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
