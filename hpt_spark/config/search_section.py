"""The section ``search``: what to search, and how."""

from __future__ import annotations

from typing import Any, Literal, Union

from pydantic import Field, ValidationInfo, field_validator, model_validator

from hpt_spark.config.search_rules import (
    ONE_STD_ERR,
    grid_problems,
    refuse_impossible_race,
    refuse_outer_folds_without_best,
    refuse_undecided,
    refuse_unknown_to_strategy,
    refuse_unused,
    rules_of_race,
)
from hpt_spark.config.section import LONGEST, Section, each_once, is_whole_number


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
        "xgboost.XGBClassifier", description="The dotted name of a class with scikit-learn's interface."
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
            "How many candidates `optuna` proposes at a time, and `random` with `no_improvement` draws; `auto` gives "
            "each slot of the cluster two fits, in a race on the first `burn_in` folds; the journal keeps the number."
        ),
    )
    n_startup_trials: int = Field(
        10, ge=1, strict=True, description="How many scores `optuna` awaits before its proposals are more than random."
    )
    no_improvement: Union[int, None] = Field(
        None,
        ge=1,
        strict=True,
        description=(
            "`optuna` and `random` end after so many candidates in a row that are no better than the best before. A "
            "grid has no order by which that would say anything, and halving has its rungs."
        ),
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
        "exhaust", description="The resource of the first rung, as in scikit-learn."
    )
    max_resources: Union[int, Literal["auto"]] = Field(
        "auto", description="The resource of the last rung; `auto` is all rows, a parameter needs a number."
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
    outer_cv: Union[int, dict[str, Any], None] = Field(
        None,
        description=(
            "The outer folds of a nested cross-validation, as `cv` has them: after the search, the same search runs "
            "once more on the training rows of each, and its best candidate is scored on the rest, which no choice has "
            "seen. The mean and the deviation are in the results and the report."
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
        float("nan"), description="The score of a failed fit, or `raise`."
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
        description="Seconds after which a search on Spark ends with what it has; the joblib backend ends none.",
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
            "corrected resampled t-test at that level, gets no more folds. `{burn_in: 1, factor: 3}`: after so many "
            "folds, then after `factor` times as many, and so on, only the best 1/`factor` of the candidates gets more "
            "(`grid`, `random`, `optuna` on Spark)."
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
        problems = [problem for one in grids for problem in grid_problems(one)]
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
            raise ValueError("needs a mapping such as {max: 2000, step: 50, early_stopping_rounds: 100}, no other keys")
        for name, value in rounds.items():
            if not is_whole_number(value) or value < 1:
                raise ValueError(f"{name} must be a number of rounds, 1 or more")
        return rounds

    @field_validator("batch_size", mode="before")
    @classmethod
    def _some_candidates(cls, size: Any) -> Any:
        if size != "auto" and (not is_whole_number(size) or size < 1):
            raise ValueError("must be a number of candidates, 1 or more, or auto")
        return size

    @field_validator("race", mode="before")
    @classmethod
    def _rules_of_a_race(cls, race: Any) -> Any:
        return None if race is None else rules_of_race(race)

    @field_validator("scoring", mode="before")
    @classmethod
    def _a_name_or_several(cls, scoring: Any) -> Any:
        if not isinstance(scoring, list):
            if not isinstance(scoring, str):
                raise ValueError("must be a text, the name of a scorer, or a list of such names")
            return scoring
        if not scoring or not all(isinstance(name, str) for name in scoring):
            raise ValueError("must be the name of a scorer, or a list of such names")
        return each_once(scoring, "each scorer")

    @field_validator("cv", "outer_cv", mode="before")
    @classmethod
    def _folds_or_a_splitter(cls, cv: Any, info: ValidationInfo) -> Any:
        if cv is None and info.field_name == "outer_cv":
            return None
        if isinstance(cv, dict):
            if not isinstance(cv.get("splitter"), str):
                raise ValueError("needs a splitter, e.g. {splitter: StratifiedKFold, n_splits: 5}")
            return cv
        if not is_whole_number(cv):
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
    def _what_goes_together(self) -> SearchSection:
        refuse_unknown_to_strategy(self)
        refuse_unused(self)
        refuse_impossible_race(self)
        refuse_undecided(self)
        refuse_outer_folds_without_best(self)
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
        if not (is_whole_number(value) and value > 0) and value not in words:
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
