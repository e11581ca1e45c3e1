"""A fit gets the threads of a Spark task where it would take all cores."""

from __future__ import annotations

import pickle
import re
import warnings

import numpy as np
import pytest
from catboost import CatBoostClassifier
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn import model_selection
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import shuffle
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.planning.threads import ThreadCaps, uncapped, warnings_of, with_threads
from hpt_spark.tuning import joblib_backend
from tests.property_settings import examples
from tests.search import in_process

X, y = shuffle(*load_iris(return_X_y=True), random_state=0)


class OwnXGB(XGBClassifier):
    """A class of the user's own takes all cores as well."""


class Holder(BaseEstimator):
    """Holds estimators where no parameter's name leads."""

    def __init__(self, held=None):
        self.held = held


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (XGBClassifier(), {"n_jobs": 3}),
        (XGBClassifier(n_jobs=-1), {"n_jobs": 3}),
        (XGBClassifier(n_jobs=np.int64(-1)), {"n_jobs": 3}),
        (XGBClassifier(n_jobs=0), {"n_jobs": 3}),
        (XGBClassifier(n_jobs=1), {"n_jobs": 1}),
        (XGBClassifier(n_jobs=2), {"n_jobs": 2}),
        (XGBClassifier(nthread=2), {"n_jobs": None, "nthread": 2}),
        (XGBClassifier(nthread=-1), {"n_jobs": None, "nthread": 3}),
        (OwnXGB(), {"n_jobs": 3}),
        (LGBMClassifier(n_jobs=None), {"n_jobs": 3}),
        (LGBMClassifier(n_jobs=-2), {"n_jobs": 3}),
        (LGBMClassifier(num_threads=-1), {"num_threads": 3}),
        (LGBMClassifier(num_threads=2), {"n_jobs": None, "num_threads": 2}),
        (CatBoostClassifier(), {"thread_count": 3}),
        (CatBoostClassifier(thread_count=-1), {"thread_count": 3}),
        (CatBoostClassifier(thread_count=2), {"thread_count": 2}),
        (RandomForestClassifier(), {"n_jobs": None}),
        (RandomForestClassifier(n_jobs=-1), {"n_jobs": 3}),
        (RandomForestClassifier(n_jobs=1), {"n_jobs": 1}),
        (RandomForestClassifier(n_jobs=8), {"n_jobs": 8}),
        (make_pipeline(StandardScaler(), XGBClassifier()), {"xgbclassifier__n_jobs": 3}),
        (VotingClassifier([("a", XGBClassifier())], n_jobs=-1), {"n_jobs": 3, "a__n_jobs": 1}),
        (VotingClassifier([("a", CatBoostClassifier())]), {"n_jobs": None, "a__thread_count": 3}),
        (BaggingClassifier(RandomForestClassifier(n_jobs=-1), n_jobs=3), {"n_jobs": 3, "estimator__n_jobs": 1}),
        (BaggingClassifier(RandomForestClassifier(n_jobs=-1), n_jobs=1), {"n_jobs": 1, "estimator__n_jobs": 3}),
    ],
    ids=str,
)
def test_whose_threads_are_set(estimator, expected):
    found = with_threads(clone(estimator), 3).get_params()
    assert {name: found[name] for name in expected} == expected


def test_an_estimator_without_threads_stays_as_it_is():
    scaler = StandardScaler()
    assert with_threads(scaler, 3) is scaler


leaves = st.one_of(
    st.builds(XGBClassifier, n_jobs=st.sampled_from([None, -1, 0, 1])),
    st.builds(RandomForestClassifier, n_jobs=st.sampled_from([None, -1, -2, 1])),
    st.builds(CatBoostClassifier, thread_count=st.sampled_from([None, -1, 1])),
    st.builds(LGBMClassifier, num_threads=st.sampled_from([None, -1, 1])),
)
estimators = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda one, n: BaggingClassifier(one, n_jobs=n), inner, st.sampled_from([None, -1])),
        st.builds(lambda a, b, n: VotingClassifier([("a", a), ("b", b)], n_jobs=n), inner, inner, st.just(-1)),
        st.builds(lambda one: Pipeline([("scale", StandardScaler()), ("clf", one)]), inner),
    ),
    max_leaves=4,
)


def threads_of(estimator, around=1):
    """Return how many threads an estimator takes at most with those inside it; infinity for all cores."""
    params = estimator.get_params(deep=False)
    given_one = next((params[n] for n in ("num_threads", "thread_count", "n_jobs") if params.get(n) is not None), None)
    if given_one is None:
        given_one = -1 if isinstance(estimator, (XGBClassifier, LGBMClassifier, CatBoostClassifier)) else 1
    own = around * (given_one if given_one > 0 else np.inf)
    held = [params.get("estimator"), *(one for _, one in params.get("estimators") or params.get("steps") or [])]
    return max([own, *(threads_of(one, own) for one in held if one is not None)])


@pytest.mark.long
@given(estimators, st.integers(1, 4))
@examples(30)
def test_all_that_runs_at_the_same_time_takes_no_more_than_the_task_has(estimator, threads):
    held = with_threads(clone(estimator), threads)
    assert threads_of(held) <= threads
    assert str(with_threads(clone(held), threads)) == str(held), "what is held is not changed again"
    assert uncapped(estimator, [{}], threads) == []


@pytest.mark.parametrize(
    ("estimator", "params", "expected"),
    [
        (RandomForestClassifier(), {"n_jobs": -1}, {"n_jobs": 2}),
        (LGBMClassifier(), {"num_threads": -1}, {"num_threads": 2, "n_jobs": None}),
        (XGBClassifier(), {"nthread": 5}, {"nthread": 5, "n_jobs": None}),
        (XGBClassifier(), {"n_jobs": 1}, {"n_jobs": 1}),
        (CatBoostClassifier(iterations=3), {"depth": 2}, {"thread_count": 2}),
        (CatBoostClassifier(iterations=3), {"thread_count": -1}, {"thread_count": 2}),
        (Pipeline([("clf", None)]), {"clf": XGBClassifier()}, {"clf__n_jobs": 2}),
        (Pipeline([("clf", None)]), {"clf": LGBMClassifier(), "clf__n_jobs": -1}, {"clf__n_jobs": 2}),
        (Pipeline([("clf", None)]), {"clf": CatBoostClassifier()}, {"clf__thread_count": 2}),
        (BaggingClassifier(n_jobs=2), {"estimator": RandomForestClassifier(n_jobs=-1)}, {"estimator__n_jobs": 1}),
    ],
    ids=str,
)
def test_a_candidate_s_own_values_are_held_too_and_stay_as_they_are_given(estimator, params, expected):
    as_given = {name: str(value) for name, value in params.items()}
    capped = pickle.loads(pickle.dumps(ThreadCaps(estimator, 2).candidate(params)))
    assert {name: str(value) for name, value in capped.items()} == as_given, "what is printed of it is the user's"
    configured = clone(estimator).set_params(**clone(capped, safe=False)).get_params()
    assert {name: configured[name] for name in expected} == expected
    assert {name: str(value) for name, value in params.items()} == as_given


def test_what_holds_a_candidate_is_that_of_no_other():
    pipeline = Pipeline([("clf", XGBClassifier(max_depth=2))])
    caps = ThreadCaps(pipeline, 2)
    unlike = [{"clf__max_depth": 3}, {"clf": "passthrough"}, {"clf__n_jobs": 5}, {"clf": LogisticRegression(n_jobs=-1)}]
    unlike += [{"nothing": 1}, {"clf__max_depth": 4}, {"clf": XGBClassifier()}, {"clf__n_jobs": -1}]
    one = {"clf__n_jobs": 2}
    held = [one, {}, {}, {"clf__n_jobs": 2}, {}, one, one, one]
    for _ in range(2):
        assert [caps.candidate(params).caps for params in unlike] == held


def test_parameters_that_do_not_fit_are_left_to_scikit_learn():
    assert ThreadCaps(RandomForestClassifier(), 2).candidate({"nothing": 1}) == {"nothing": 1}
    with pytest.raises(ValueError, match="nothing"):
        in_process.GridSearchCV(RandomForestClassifier(), {"nothing": [1]}).fit(X, y)


def jobs_of(estimator, X, y):
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    params = last.get_params()
    jobs = params.get("n_jobs", params.get("thread_count"))
    return -99 if jobs is None else jobs


TWO = [XGBClassifier(n_estimators=2), LGBMClassifier(n_estimators=2, verbose=-1)]
CATBOOST = CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False)


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (RandomForestClassifier(2), {"n_jobs": [-1, -2]}),
        (TWO[0], {"n_jobs": [-1, None, 0], "n_estimators": [1, 2]}),
        (TWO[1], {"n_jobs": [-1, None], "n_estimators": [1, 2]}),
        (CATBOOST, {"depth": [2, 3]}),
        (CATBOOST, {"thread_count": [-1]}),
        (Pipeline([("clf", None)]), {"clf": [*TWO, CATBOOST, RandomForestClassifier(2, n_jobs=-1)]}),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["in_process", "joblib"])
def test_fits_are_held_and_results_show_what_was_given(estimator, grid, where, monkeypatch):
    if where == "joblib":
        search = joblib_backend.GridSearchCV(estimator, grid, scoring=jobs_of, cv=2, n_jobs=1)
    else:
        search = in_process.GridSearchCV(estimator, grid, scoring=jobs_of, cv=2)
        monkeypatch.setattr(search, "threads", 1, raising=False)
    search.fit(X, y)
    assert set(search.cv_results_["mean_test_score"]) == {1}
    theirs = list(model_selection.ParameterGrid(grid))
    assert list(map(str, search.cv_results_["params"])) == list(map(str, theirs))
    refitted = clone(estimator).set_params(**clone(search.best_params_, safe=False)).fit(X, y)
    assert str(search.best_estimator_.get_params()) == str(refitted.get_params()), "the refit has what was given"


def test_what_is_printed_of_a_candidate_is_what_was_given(capsys):
    printed = []
    for search_class in (joblib_backend.GridSearchCV, model_selection.GridSearchCV):
        search_class(RandomForestClassifier(2), {"n_jobs": [-1]}, cv=2, verbose=2, refit=False).fit(X, y)
        printed.append(re.sub(r"total time=.*", "", capsys.readouterr().out))
    assert printed[0] == printed[1]
    assert "n_jobs=-1" in printed[0]


@pytest.mark.parametrize(
    ("estimator", "candidates", "threads", "expected"),
    [
        (XGBClassifier(n_jobs=4), [{}], 2, ["n_jobs=4 of XGBClassifier"]),
        (XGBClassifier(n_jobs=2), [{}], 2, []),
        (XGBClassifier(nthread=5), [{}], 1, ["nthread=5 of XGBClassifier"]),
        (XGBClassifier(), [{"n_jobs": 2}, {"n_jobs": 6}, {"n_jobs": -1}], 2, ["n_jobs=6 of XGBClassifier"]),
        (make_pipeline(XGBClassifier(n_jobs=7)), [{}], 1, ["xgbclassifier__n_jobs=7 of XGBClassifier"]),
        (CatBoostClassifier(thread_count=4), [{}], 1, ["thread_count=4 of CatBoostClassifier"]),
        (Pipeline([("a", None)]), [{"a": LogisticRegression(n_jobs=8)}], 1, ["a__n_jobs=8 of LogisticRegression"]),
        (
            BaggingClassifier(RandomForestClassifier(n_jobs=2), n_jobs=2),
            [{}],
            2,
            ["estimator__n_jobs=2 of RandomForestClassifier"],
        ),
        (
            model_selection.GridSearchCV(RandomForestClassifier(), {"n_jobs": [-1, 1]}, n_jobs=-1),
            [{}],
            1,
            ["param_grid['n_jobs']=-1 of GridSearchCV"],
        ),
        (FunctionTransformer(kw_args={"n_jobs": -1}), [{}], 1, ["kw_args['n_jobs']=-1 of FunctionTransformer"]),
        (
            Holder([RandomForestClassifier(n_jobs=-1), LogisticRegression()]),
            [{}],
            1,
            ["n_jobs=-1 of RandomForestClassifier in held of Holder"],
        ),
        (
            Holder({"model": XGBClassifier()}),
            [{}],
            1,
            ["n_jobs=None of XGBClassifier in held['model'] of Holder"],
        ),
        (StackingClassifier([("a", XGBClassifier())], final_estimator=XGBClassifier(), n_jobs=-1), [{}], 2, []),
        (RandomForestClassifier(), [{"nothing": 1}, {"n_jobs": 3}], 1, ["n_jobs=3 of RandomForestClassifier"]),
    ],
    ids=str,
)
def test_what_is_left_uncapped(estimator, candidates, threads, expected):
    assert list(map(str, uncapped(estimator, candidates, threads))) == expected


def test_what_is_left_uncapped_is_told_with_what_to_change():
    found = uncapped(
        Pipeline([("clf", None)]),
        [{"clf": XGBClassifier(n_jobs=jobs)} for jobs in (3, 4)] + [{"clf": RandomForestClassifier(n_jobs=8)}],
        2,
    )
    assert warnings_of(found, 2) == [
        "clf__n_jobs=4 is set, and XGBoost may use 2: a Spark task has spark.task.cpus=2. Set spark.task.cpus=4, or "
        "leave clf__n_jobs out.",
        "A Spark task has spark.task.cpus=2, and its fit may take more threads than that: clf__n_jobs=8 of "
        "RandomForestClassifier. Set fewer there, or raise spark.task.cpus.",
    ]
    assert warnings_of([], 2) == []


def test_it_warns_where_xgboost_would_take_fewer_threads_than_it_is_told(spark):
    search = GridSearchCV(XGBClassifier(n_jobs=3, n_estimators=1), {"max_depth": [1]}, cv=2, sc=spark)
    with pytest.warns(UserWarning, match=r"n_jobs=3 is set, and XGBoost may use 1: .* Set spark.task.cpus=3, or leave"):
        search.fit(X, y)


@pytest.mark.long
def test_processes_that_take_too_many_cores_together_are_told_once(monkeypatch):
    monkeypatch.setattr(joblib_backend, "cpu_count", lambda: 4)
    monkeypatch.setattr(joblib_backend, "effective_n_jobs", lambda n_jobs: 2)
    search = joblib_backend.HalvingGridSearchCV(
        RandomForestClassifier(2), {"n_jobs": [3, 2], "max_depth": [1, 2]}, n_jobs=1, cv=2, min_resources=30, factor=2
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    told = [str(one.message) for one in caught if "processes" in str(one.message)]
    assert told == [
        "2 processes fit at the same time on 4 cores, and each may take more than its share: n_jobs=3 of "
        "RandomForestClassifier. Set fewer there, or lower search.n_jobs."
    ]
    assert len(search.n_resources_) > 1
