"""No setting of a search does nothing in silence: what changes the search is refused, the others are told."""

from __future__ import annotations

import pytest

from hpt_spark.config.layers import load_config
from hpt_spark.config.search_rules import CHANGES_THE_SEARCH, unused_settings, unused_warnings
from hpt_spark.config.search_section import SearchSection
from tests.configuring import problem

ALL = ("grid", "random", "halving", "halving_random", "optuna")
DRAWING, HALVING = ("random", "halving_random", "optuna"), ("halving", "halving_random")
ANY = {"spark", "joblib"}

# Each key that a search may set: another value than its default, which strategies use it, and on which backends.
KEYS = {
    "n_jobs": (2, ALL, {"joblib"}),
    "estimator": ("sklearn.tree.DecisionTreeClassifier", ALL, ANY),
    "estimator_params": ({}, ALL, ANY),
    "param_grid": ({"max_depth": [1]}, ALL, ANY),
    "n_iter": (3, DRAWING, ANY),
    "batch_size": (3, ("optuna",), {"spark"}),
    "n_startup_trials": (3, ("optuna",), {"spark"}),
    "no_improvement": (3, ("random", "optuna"), {"spark"}),
    "rounds": ({"max": 3}, ("grid", "random", "optuna"), {"spark"}),
    "random_state": (3, (*DRAWING, "halving"), ANY),
    "resource": ("n_estimators", HALVING, ANY),
    "factor": (2, HALVING, ANY),
    "min_resources": (50, HALVING, ANY),
    "max_resources": (90, HALVING, ANY),
    "scoring": ("accuracy", ALL, ANY),
    "cv": (3, ALL, ANY),
    "outer_cv": (3, ALL, ANY),
    "refit": (False, ALL, ANY),
    "refit_on": ("driver", ALL, ANY),  # the joblib backend has no other place
    "keep_oof": ("best", ALL, {"spark"}),
    "error_score": (0, ALL, ANY),
    "warm_start": (["other"], ALL, {"spark"}),
    "max_time": (9.0, ALL, {"spark"}),
    "max_fit_time": (9.0, ALL, {"spark"}),
    "race": ({"burn_in": 2}, ("grid", "random", "optuna"), {"spark"}),
}
NEEDED = {"resource": ["search.max_resources=9", "search.param_grid={max_depth: [1]}"]}


def settings_of(strategy, backend, key):
    value = KEYS[key][0]
    text = value if isinstance(value, str) else str(value).replace("'", "")
    return [
        f"search.strategy={strategy}",
        f"search.backend={backend}",
        *(NEEDED.get(key, ()) if strategy in HALVING else ()),
        f"search.{key}={text}",
    ]


def test_the_table_has_every_key():
    assert {*KEYS, "strategy", "backend"} == set(SearchSection.model_fields)


@pytest.mark.parametrize("backend", sorted(ANY))
@pytest.mark.parametrize("strategy", ALL)
def test_a_setting_is_used_refused_or_told(strategy, backend):
    for key, (value, strategies, backends) in KEYS.items():
        settings = settings_of(strategy, backend, key)
        if strategy == "optuna" and backend == "joblib":
            assert "optuna runs on Spark" in problem(*settings)
        elif strategy in strategies and backend in backends:
            found = getattr(load_config([], settings).search, key)
            assert found == ({**value, "alpha": 0.05} if key == "race" else value)
        elif key in CHANGES_THE_SEARCH:
            assert key in problem(*settings), "the sentence names the key"
        else:
            (words,) = unused_warnings(load_config([], settings).search)
            assert words.startswith(f"{key}=")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["search.no_improvement=3"], "or choose strategy: random or optuna."),
        (
            ["search.no_improvement=3", "search.backend=joblib"],
            ": no_improvement=3 does nothing with strategy: grid and backend: joblib: leave it out (its default is "
            "null), or choose backend: spark and strategy: random or optuna.",
        ),
        (["search.rounds={max: 9}", "search.strategy=halving"], "or choose strategy: grid or random or optuna."),
        (["search.rounds={max: 9}", "search.backend=joblib"], "or choose backend: spark."),
        (["search.race={}", "search.strategy=halving"], "or choose strategy: grid or random or optuna."),
        (["search.race={}", "search.backend=joblib", "search.refit=one_std_err"], "or choose backend: spark."),
        (["search.warm_start=[runs/a]", "search.backend=joblib"], "or choose backend: spark."),
        (["search.keep_oof=best", "search.backend=joblib"], "or choose backend: spark."),
        (["search.max_fit_time=3", "search.backend=joblib"], "or choose backend: spark."),
        (["search.backend=joblib", "search.max_time=3.0"], "or choose backend: spark."),
    ],
    ids=str,
)
def test_what_is_refused_is_told_with_what_would_use_it(settings, said):
    assert problem(*settings).endswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["search.factor=2"], "strategy: halving or halving_random"),
        (["search.strategy=random", "search.batch_size=3"], "strategy: optuna, or random with no_improvement"),
        (
            ["search.batch_size=3", "search.backend=joblib"],
            "backend: spark and strategy: optuna, or random with no_improvement",
        ),
        (["search.n_jobs=3"], "backend: joblib"),
    ],
    ids=str,
)
def test_what_only_does_nothing_is_told_likewise(settings, said):
    (words,) = unused_warnings(load_config([], settings).search)
    assert words.endswith(f"or choose {said}")


def test_what_is_used_only_beside_another_setting():
    def unused(**given):
        return set(unused_settings(SearchSection(**given)))

    assert "batch_size" not in unused(strategy="random", no_improvement=3)
    assert "random_state" in unused(strategy="halving", resource="gamma", max_resources=9)
    assert "random_state" not in unused(strategy="halving_random", resource="gamma", max_resources=9)
