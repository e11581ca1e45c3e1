"""The predictions in a journal: each belongs to the record beside it, and the driver holds those of a few fits."""

from __future__ import annotations

import os
import weakref
from unittest import mock

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.journal.journal import Journal
from hpt_spark.search.results.out_of_fold import OutOfFold
from hpt_spark.storage import open_folder
from tests.search.journal.journalled import Journalled

FITS = [Fit(number, number // 2, number % 2) for number in range(6)]
CONTEXT = {"X": "1"}
X, y = make_classification(90, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)


def result_of(fit):
    return {"test_scores": 0.1 * fit.number, "fit_time": 0.5, "fit_error": None}


def predictions_of(fit):
    return np.full((2, 3), fit.number, np.float32)


def add(folder, fits, with_predictions=True):
    predictions = {fit: predictions_of(fit) for fit in fits} if with_predictions else None
    Journalled(open_folder(folder), CONTEXT, FITS).add([(fit, result_of(fit)) for fit in fits], predictions)


def kept_in(folder):
    kept = {}
    Journalled(open_folder(folder), CONTEXT, FITS, kept.__setitem__)
    return kept


def predictions_in(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".npz"))


@pytest.mark.parametrize("before", [0, 1], ids=["the first file", "a later file"])
@pytest.mark.parametrize("left", [None, 0, 40], ids=["no record", "an empty record", "a torn record"])
def test_predictions_without_a_record_are_nobodys(tmp_path, before, left):
    """A driver was killed between the two files, or the machine went down."""
    add(tmp_path, FITS[:before])
    add(tmp_path, [FITS[4]])
    lost = tmp_path / f"fits-00000{before + 1}.jsonl"
    lost.unlink() if left is None else lost.write_bytes(lost.read_bytes()[:left])
    add(tmp_path, [FITS[5]], with_predictions=False)
    assert predictions_in(tmp_path) == ["fits-000001.npz"][:before]
    kept = kept_in(tmp_path)
    assert list(kept) == FITS[:before]
    for fit, predictions in kept.items():
        np.testing.assert_array_equal(predictions, predictions_of(fit))


def test_predictions_of_the_whole_lines_of_a_torn_file_stay(tmp_path):
    add(tmp_path, FITS[:3])
    lines = tmp_path / "fits-000001.jsonl"
    lines.write_bytes(lines.read_bytes()[:-20])
    add(tmp_path, [FITS[5]], with_predictions=False)
    assert list(kept_in(tmp_path)) == FITS[:2]


@pytest.mark.parametrize(
    "lines_of",
    [
        lambda first, second: (first[::-1], second),
        lambda first, second: (first[1:], second),
        lambda first, second: (first[:1] * 2 + first[1:], second),
        lambda first, second: (second, first),
        lambda first, second: (second + first, first),
        lambda first, second: (first, first),
    ],
    ids=["reversed", "one deleted", "one twice", "swapped files", "joined files", "a file twice"],
)
def test_lines_that_were_moved_take_no_predictions_of_other_fits(tmp_path, lines_of):
    add(tmp_path, FITS[:3])
    add(tmp_path, FITS[3:])
    files = [tmp_path / f"fits-00000{number}.jsonl" for number in (1, 2)]
    for file, lines in zip(files, lines_of(*(file.read_text().splitlines(keepends=True) for file in files))):
        file.write_text("".join(lines))
    for fit, predictions in kept_in(tmp_path).items():
        np.testing.assert_array_equal(predictions, predictions_of(fit))


def test_another_searchs_journal_is_left_as_it_is(tmp_path):
    add(tmp_path, FITS[:1])
    add(tmp_path, FITS[1:2])
    (tmp_path / "fits-000002.jsonl").unlink()  # its driver may be about to write it
    Journal(open_folder(tmp_path), read_only=True).begin(CONTEXT)
    assert predictions_in(tmp_path) == ["fits-000001.npz", "fits-000002.npz"]


# --- whole searches ---


class KilledError(BaseException):
    """In place of a kill."""


def searched(journal, depths, keep_oof="all", **arguments):
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": depths}, cv=KFold(3), **arguments)
    search.set_params(journal=journal and str(journal), keep_oof=keep_oof, refit=False)
    return search.fit(X, y)


@pytest.mark.usefixtures("no_spark")
def test_a_killed_search_that_goes_on_without_predictions_leaves_those_of_no_other_fit(tmp_path, monkeypatch):
    write = Journal._write

    def dying(self, name, text):
        if name == "fits-000002.jsonl":
            raise KilledError
        write(self, name, text)

    with mock.patch.object(Journal, "_write", dying), pytest.raises(KilledError):
        searched(tmp_path, [1, 2, 3])
    assert predictions_in(tmp_path) == ["fits-000001.npz", "fits-000002.npz"]
    searched(tmp_path, [3, 2, 1], keep_oof="none")
    found, unbroken = searched(tmp_path, [1, 2, 3]), searched(None, [1, 2, 3])
    assert found.fit_counts_["resumed"] == 1
    np.testing.assert_array_equal(found.oof_predictions_, unbroken.oof_predictions_)


@pytest.fixture
def held(monkeypatch):
    """Return the list of how many arrays of predictions were alive whenever one was kept."""
    known, counts, put = [], [], OutOfFold.put

    def counting(self, fit, predictions):
        known.append(weakref.ref(predictions))
        counts.append(sum(one() is not None for one in known))
        put(self, fit, predictions)

    monkeypatch.setattr(OutOfFold, "put", counting)
    return counts


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize("place", ["journal", "warm_start without a journal", "warm_start"])
def test_a_resumed_search_holds_the_predictions_of_a_few_fits(tmp_path, held, place):
    first, own, depths = tmp_path / "first", tmp_path / "own", [1, 2, 3, 4]
    unbroken = searched(first, depths)
    held.clear()
    resumed = {
        "journal": lambda: searched(first, depths),
        "warm_start without a journal": lambda: searched(None, depths, warm_start=[str(first)]),
        "warm_start": lambda: searched(own, depths, warm_start=[str(first)]),
    }[place]()
    assert len(held) == resumed.fit_counts_["resumed"] == 12
    assert max(held) <= 2
    np.testing.assert_array_equal(resumed.oof_predictions_, unbroken.oof_predictions_)
    if own.exists():
        whole = searched(own, depths)
        assert whole.fit_counts_["resumed"] == 12, "what was read is in the search's own journal, with its predictions"
        np.testing.assert_array_equal(whole.oof_predictions_, unbroken.oof_predictions_)


@pytest.mark.usefixtures("no_spark")
def test_results_of_another_search_are_one_file_where_no_predictions_are_wanted(tmp_path):
    searched(tmp_path / "first", [1, 2])
    searched(tmp_path / "own", [1, 2], keep_oof="none", warm_start=[str(tmp_path / "first")])
    assert [path.name for path in (tmp_path / "own").glob("fits-*")] == ["fits-000001.jsonl"]
