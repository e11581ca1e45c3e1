"""Racing over folds: who is dropped, and that nothing else differs from scikit-learn's own search."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, OptunaSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.strategies.proposals import Proposals
from hpt_spark.search.strategies.race import Race, note_skipped
from hpt_spark.search.strategies.race_rules import TTestRules, is_worse

X, y = make_classification(120, 6, flip_y=0.1, random_state=0)
FOLDS = model_selection.RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 3, 6], "min_samples_leaf": [1, 8, 60]}
RULES = {"burn_in": 3, "alpha": 0.1}

TABLES = st.tuples(st.integers(2, 6), st.integers(4, 8)).flatmap(
    lambda shape: arrays.arrays(float, shape, elements=st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8, np.nan]))
)


# --- the test ---


@given(
    scores=arrays.arrays(float, (2, 5), elements=st.floats(0, 1).map(lambda score: round(score, 3))),
    ratio=st.floats(0, 1),
)
def test_the_test_is_that_of_nadeau_and_bengio(scores, ratio):
    own, best = scores
    differences = best - own
    if np.ptp(differences) < 1e-9:
        assert is_worse(own, best, ratio, 0.05) == (differences.mean() > 0)
        return
    plain = stats.ttest_1samp(differences, 0, alternative="greater")
    corrected = plain.statistic * np.sqrt((1 / 5) / (1 / 5 + ratio))
    p = stats.t.sf(corrected, 4)
    for alpha in (0.01, 0.05, 0.3):
        if abs(p - alpha) > 1e-9:
            assert is_worse(own, best, ratio, alpha) == (p < alpha)


# --- who is dropped ---


def evaluation_of(table):
    candidates, folds = table.shape
    rows = np.arange(12)
    return SimpleNamespace(
        fits=[Fit(number, *divmod(number, folds)) for number in range(candidates * folds)],
        folds=[(rows[:8], rows[8:])] * folds,
        candidates=[{}] * candidates,
        common={"scorer": get_scorer("neg_log_loss")},
        max_fit_time=None,
    )


def run(race, table, trainings, known=()):
    """Run a race whose scores are known; return which fits it has asked for, in waves, and the results."""
    evaluation, found, waves = evaluation_of(table), {}, []
    result = lambda fit: {"test_scores": table[fit.candidate, fit.fold], "fit_error": None, "fit_time": 1.0}  # noqa: E731
    found.update({fit: result(fit) for fit in known})
    keys = [SimpleNamespace(key=str(training)) for training in trainings]
    with mock.patch("hpt_spark.search.strategies.race_course.group_keys", return_value=keys):
        race.begin()
        for wave in race.waves(evaluation, found):
            waves.append(wave.fits)
            for fit in reversed(wave.fits):
                found[fit] = result(fit)
    race.fill(evaluation, found)
    return waves, [found[fit] for fit in evaluation.fits]


@settings(max_examples=60)
@given(table=TABLES, burn_in=st.integers(2, 3), shared=st.booleans(), data=st.data())
def test_a_candidate_is_dropped_where_all_of_its_training_are_worse_than_the_best_so_far(table, burn_in, shared, data):
    candidates, folds = table.shape
    trainings = [number // 2 if shared else number for number in range(candidates)]
    waves, results = run(Race(TTestRules(burn_in, 0.2), "score"), table, trainings)
    asked = np.zeros(table.shape, bool)
    done = None  # when the first candidates have all folds
    for wave in waves:
        for fit in wave:
            assert not asked[fit.candidate, fit.fold]
            asked[fit.candidate, fit.fold] = True
        done = asked.sum(axis=1) if done is None and asked.all(axis=1).any() else done
    assert [bool(one.get("skipped")) for one in results] == (~asked).ravel().tolist()
    is_whole = np.isfinite(table).all(axis=1)
    assert is_whole[asked.all(axis=1)].any() == is_whole.any(), "who is whole is found, though others have won first"
    assert np.array_equal(done, asked.sum(axis=1)) or not is_whole[done == folds].any()
    for end in range(burn_in, folds):
        left = np.flatnonzero(done >= end)
        whole = [one for one in left if np.isfinite(table[one, :end]).all()]
        if not whole:
            assert (done[left] > end).all()
            continue
        best = table[max(whole, key=lambda one: table[one, :end].mean()), :end]
        bad = {one for one in left if one not in whole or is_worse(table[one, :end], best, 0.5, 0.2)}
        for training in {trainings[one] for one in left}:
            members = [one for one in left if trainings[one] == training]
            assert {done[one] > end for one in members} == {not bad.issuperset(members)}
    assert (done == folds).any()
    known = data.draw(st.lists(st.sampled_from(evaluation_of(table).fits), max_size=12))
    again, same = run(Race(TTestRules(burn_in, 0.2), "score"), table, trainings, known)
    assert [set(wave) for wave in again] == [set(wave) for wave in waves], "what a journal has changes no decision"
    np.testing.assert_equal(same, results)


@pytest.mark.long
def test_a_race_counts_its_own_fits_also_where_the_journal_has_more(no_spark, tmp_path):
    arguments = {"cv": FOLDS, "refit_on": "driver", "journal": str(tmp_path)}
    alone = GridSearchCV(TREE, GRID, cv=FOLDS, refit_on="driver", race=RULES).fit(X, y)
    GridSearchCV(TREE, GRID, **arguments).fit(X, y)
    again = GridSearchCV(TREE, GRID, race=RULES, **arguments).fit(X, y)
    assert again.end_reason_ == alone.end_reason_
    np.testing.assert_array_equal(again.cv_results_["n_splits_done"], alone.cv_results_["n_splits_done"])


class Told(SearchFollower):
    def __init__(self):
        self.fits = []

    def fits_ended(self, fits, state):
        self.fits += [(fit.row, fit.fold) for fit in fits]
        self.state = state


def test_who_follows_is_told_of_the_journals_fits_that_a_race_has_asked_for(no_spark, tmp_path):
    arguments = {"cv": FOLDS, "refit": False, "journal": str(tmp_path)}
    GridSearchCV(TREE, GRID, **arguments).fit(X, y)
    search, told = GridSearchCV(TREE, GRID, race=RULES, **arguments), Told()
    search.followers = [told]
    search.fit(X, y)
    done = search.cv_results_["n_splits_done"]
    assert sorted(told.fits) == [(row, fold) for row in range(9) for fold in range(done[row])]
    assert told.state.fits_done == told.state.fits == search.fit_counts_["resumed"] == done.sum()
    assert told.state.best.row == search.best_index_
    search, told = GridSearchCV(TREE, GRID, race=RULES, **arguments), Told()
    search.followers = [told]
    with mock.patch.object(TTestRules, "stay", side_effect=KeyboardInterrupt):
        search.fit(X, y)
    assert len(told.fits) == len(set(told.fits)) == 54, "nobody was dropped"


def test_where_the_last_one_fails_who_was_dropped_last_takes_its_place():
    table = np.array([[0.5] * 6, [0.1] * 6, [0.52] * 6, [0.9] * 5 + [np.nan]])
    waves, results = run(Race(TTestRules(2, 0.2), "score"), table, range(4))
    assert {(fit.candidate, fit.fold) for fit in waves[-1]} == {(2, fold) for fold in range(2, 6)}
    skipped = np.array([bool(one.get("skipped")) for one in results]).reshape(table.shape)
    assert skipped.sum(axis=1).tolist() == [4, 4, 0, 0]


def test_the_best_of_the_batches_before_races_along():
    race = Race(TTestRules(2, 0.1), "score")
    good, bad = np.array([[0.8, 0.9, 0.81, 0.88]]), np.array([[0.1, 0.22, 0.15, 0.2], [0.2, 0.15, 0.1, 0.2]])
    run(race, good, [0])
    waves, _ = run(race, bad, [0, 1])
    assert [len(wave) for wave in waves] == [4], "none of them has all folds"
    assert race.skipped_fits(evaluation_of(bad)) == {fit for fit in evaluation_of(bad).fits if fit.fold >= 2}


# --- what comes of it ---


def expected(grid=GRID, estimator=TREE, **arguments):
    return model_selection.GridSearchCV(estimator, grid, cv=FOLDS, **arguments).fit(X, y)


def assert_like(ours, theirs, metric="score"):
    """Hold whole rows to be scikit-learn's to the last bit, and the others to have what they did."""
    found, whole = ours.cv_results_, theirs.cv_results_
    done = found["n_splits_done"]
    table = np.column_stack([found[f"split{fold}_test_{metric}"] for fold in range(6)])
    their_table = np.column_stack([whole[f"split{fold}_test_{metric}"] for fold in range(6)])
    is_done = np.arange(6) < done[:, None]
    np.testing.assert_array_equal(table, np.where(is_done, their_table, np.nan))
    mean, std = found[f"mean_test_{metric}"], found[f"std_test_{metric}"]
    has_all = done == 6
    np.testing.assert_array_equal(mean[has_all], whole[f"mean_test_{metric}"][has_all])
    np.testing.assert_array_equal(std[has_all], whole[f"std_test_{metric}"][has_all])
    for row in np.flatnonzero(~has_all):
        assert mean[row] == table[row, : done[row]].mean()
        assert std[row] == table[row, : done[row]].std()
    ranks, theirs_of = found[f"rank_test_{metric}"], whole[f"mean_test_{metric}"][has_all]
    assert ranks[has_all].tolist() == stats.rankdata(-theirs_of, method="min").astype(int).tolist()
    assert ranks[~has_all].min(initial=1 + has_all.sum()) == 1 + has_all.sum()
    assert ranks.dtype == whole[f"rank_test_{metric}"].dtype


def test_the_search_is_scikit_learns_but_for_the_folds_that_are_skipped(spark, tmp_path):
    theirs = expected(refit=False, return_train_score=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(
            TREE, GRID, cv=FOLDS, race=RULES, return_train_score=True, sc=spark, journal=str(tmp_path), refit=False
        ).fit(X, y)
    done = search.cv_results_["n_splits_done"]
    assert {3, 6} <= set(done)
    assert_like(search, theirs)
    assert search.best_index_ == theirs.best_index_
    assert search.fit_counts_["skipped"] == 54 - done.sum()
    assert search.fit_counts_["trainings"] == done.sum()
    assert np.isnan(search.cv_results_["split5_train_score"][done < 6]).all()
    # Some results of the journal are lost, as with a driver that is killed: the same decisions follow.
    for path in sorted(tmp_path.glob("fits-*.jsonl"))[2:]:
        path.unlink()
    again = GridSearchCV(
        TREE, GRID, cv=FOLDS, race=RULES, return_train_score=True, sc=spark, journal=str(tmp_path), refit=False
    ).fit(X, y)
    assert 0 < again.fit_counts_["resumed"] < done.sum()
    for name, column in search.cv_results_.items():
        if not name.endswith("_time"):
            np.testing.assert_array_equal(again.cv_results_[name], column)


def wanted_folds(journal, evaluation=0):
    """Return how many folds each candidate is to have, as the journal tells."""
    described = json.loads((journal / f"candidates-{evaluation}.json").read_text())
    return described.get("wanted_folds")


def test_the_journal_tells_who_is_dropped_before_the_next_fold_begins(spark, tmp_path):
    told = []

    class Reader(SearchFollower):
        def fits_ended(self, fits, state):
            told.extend((fit.fold, wanted_folds(tmp_path)) for fit in fits)

    search = GridSearchCV(TREE, GRID, cv=FOLDS, race=RULES, sc=spark, journal=str(tmp_path), refit=False)
    search.followers = [Reader()]
    done = search.fit(X, y).cv_results_["n_splits_done"]
    assert len(told) == done.sum()
    for fold, wanted in told:
        assert wanted == np.where(done <= fold, done, 6).tolist()
    assert wanted_folds(tmp_path) == done.tolist()


@pytest.mark.long
def test_a_shared_training_goes_on_as_long_as_one_of_its_candidates_may_win(spark):
    grid = {"n_estimators": [1, 6], "max_depth": [1, 2], "learning_rate": [1e-4, 0.4]}
    estimator = XGBClassifier(seed=0, n_jobs=1)
    scoring = {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"}
    search = GridSearchCV(estimator, grid, cv=FOLDS, race=RULES, sc=spark, **scoring).fit(X, y)
    theirs = expected(grid, estimator, **scoring)
    of_training: dict[tuple[float, int], set[int]] = {}
    for params, folds in zip(search.cv_results_["params"], search.cv_results_["n_splits_done"]):
        of_training.setdefault((params["learning_rate"], params["max_depth"]), set()).add(int(folds))
    assert all(len(folds) == 1 for folds in of_training.values())
    assert of_training[1e-4, 1] == of_training[1e-4, 2] == {3}
    assert of_training[0.4, search.best_params_["max_depth"]] == {6}
    assert_like(search, theirs, "neg_log_loss")
    assert_like(search, theirs, "accuracy")
    assert search.best_params_ == theirs.best_params_
    np.testing.assert_array_equal(search.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_a_failed_candidate_gets_no_more_folds_and_optuna_takes_a_dropped_one_for_a_worse_one(
    spark, monkeypatch, tmp_path
):
    told = []
    monkeypatch.setattr(Proposals, "tell", lambda self, scores, dropped: told.append((list(scores), dropped)))
    space = {"strategy": ["no such", "prior", "constant", "uniform"], "constant": [0], "random_state": [0]}
    arguments = {"n_iter": 4, "batch_size": 2, "cv": FOLDS, "race": RULES, "scoring": "neg_log_loss"}
    search = OptunaSearchCV(DummyClassifier(), space, sc=spark, journal=str(tmp_path), **arguments).fit(X, y)
    by_name = {
        params["strategy"]: (done, mean)
        for params, done, mean in zip(
            *(search.cv_results_[name] for name in ("params", "n_splits_done", "mean_test_score")), strict=True
        )
    }
    assert by_name["prior"][0] == 6
    assert search.best_params_["strategy"] == "prior"
    assert by_name["constant"][0] == 3
    assert by_name["no such"][0] == 3
    assert np.isnan(by_name["no such"][1])
    assert [len(scores) for scores, _ in told] == [2, 2]
    assert wanted_folds(tmp_path) + wanted_folds(tmp_path, 1) == search.cv_results_["n_splits_done"].tolist()
    dropped = [folds for _, batch in told for folds in batch]
    assert dropped == [None if one == 6 else one for one in search.cv_results_["n_splits_done"]]


def test_a_dropped_candidate_is_a_pruned_trial_whatever_its_mean():
    proposals = Proposals({"x": [1, 2, 3]}, 0, 1)
    proposals.ask(3)
    proposals.tell([0.9, 0.2, np.nan], [3, None, 3])
    assert [(trial.state.name, trial.intermediate_values) for trial in proposals._told] == [
        ("PRUNED", {3: 0.9}),
        ("COMPLETE", {}),
        ("FAIL", {}),
    ]


def test_whole_rows_come_first_and_a_failed_one_is_the_last_of_them():
    means = np.array([0.5, np.nan, 0.9, 0.5, 0.7])
    results = {"params": [{}] * 5, "mean_test_score": means, "std_test_score": np.zeros(5), "rank_test_score": means}
    table = np.tile(means[:, None], (1, 3))
    results |= {f"split{fold}_test_score": table[:, fold].copy() for fold in range(3)}
    skipped = np.zeros((5, 3), bool)
    skipped[2, 2:], skipped[4, 1:] = True, True
    note_skipped(results, [{"skipped": one} for one in skipped.ravel()])
    assert results["rank_test_score"].tolist() == [1, 3, 4, 1, 5]
    assert results["n_splits_done"].tolist() == [3, 3, 2, 3, 1]


# --- what cannot be ---


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"race": 3}, "race=3 must be a mapping of burn_in and alpha, such as"),
        ({"race": {"burn": 3}}, "must be a mapping of burn_in and alpha"),
        ({"race": {"burn_in": 1}}, "burn_in=1 must be a number of folds, 2 or more"),
        ({"race": {"burn_in": True}}, "burn_in=True must be"),
        ({"race": {"alpha": 0}}, "alpha=0 must be a number between 0 and 1"),
        ({"race": {"alpha": "5 %"}}, "alpha='5 %' must be"),
        ({"race": {"burn_in": 6}}, "burn_in=6 of 6 folds leaves no fold to save"),
        ({"race": {}, "refit": lambda results: 0}, "race= and a function as refit= do not go together"),
        (
            {"race": {}, "scoring": ["accuracy", "roc_auc"], "refit": False},
            "which one counts while it runs: give refit= its name",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_cannot_be_is_told_in_one_sentence(spark, changes, said):
    with pytest.raises(InputError, match=said):
        GridSearchCV(TREE, GRID, cv=FOLDS, sc=spark, **changes).fit(X, y)
