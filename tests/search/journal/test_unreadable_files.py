"""What lies where a journal's file should be, and is none that can be read: one sentence, and nothing is lost."""

from __future__ import annotations

import shutil

import pytest
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import OptunaSearchCV
from hpt_spark.errors import InputError
from tests.rights import without_rights
from tests.search.without_spark import without_spark

X, y = make_classification(60, 5, random_state=0)
NAMES = ["context.json", "batch_size.json", "candidates-0.json", "fits-000001.jsonl", "fits-000009.jsonl"]

REMEDIES = {
    "a folder": "it is a folder where a file is needed: move it away, and restore the file",
    "a link to nowhere": "it is a link to nowhere, where nothing is: restore that, or remove the link",
    "a link to itself": "it is a link that leads back to itself: remove the link, and restore what it stood for",
}


def searched(journal):
    search = OptunaSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, n_iter=1, cv=2, refit=False)
    return search.set_params(journal=str(journal)).fit(X, y)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    journal = tmp_path_factory.mktemp("whole") / "journal"
    with without_spark():
        searched(journal)
    return journal


@pytest.fixture
def journal(whole, tmp_path, no_spark):
    return shutil.copytree(whole, tmp_path / "journal")


def put(path, what):
    path.unlink(missing_ok=True)
    if what == "a folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere" if what == "a link to nowhere" else path.name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["a folder", "a link to nowhere", "a link to itself"])
def test_what_cannot_be_read_is_told_with_its_remedy(journal, name, what):
    put(journal / name, what)
    records = {path.name for path in journal.glob("fits-*")}
    with pytest.raises(InputError) as error:
        searched(journal)
    assert str(error.value).startswith(f"cannot read {journal / name} (")
    assert str(error.value).endswith(f"): {REMEDIES[what]}")
    assert {path.name for path in journal.glob("fits-*")} == records


@pytest.mark.parametrize("what", ["a folder", "a link to nowhere", "a link to itself"])
def test_predictions_that_cannot_be_read_are_made_again(journal, what):
    put(journal / "fits-000001.npz", what)
    assert searched(journal).fit_counts_["resumed"] == 2


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["no rights", "names alone"])
def test_a_folder_without_rights_is_told(journal, mode):
    journal.chmod(mode)
    try:
        told = r"^cannot (read .+: let this user read it|write .+: choose a folder)"
        with without_rights(), pytest.raises(InputError, match=told):
            searched(journal)
    finally:
        journal.chmod(0o755)
    assert searched(journal).fit_counts_["resumed"] == 2
