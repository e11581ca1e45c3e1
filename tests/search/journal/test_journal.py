"""The journal's files, cut and damaged in every place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.journal.journal import Journal
from hpt_spark.search.journal.search_journal import SearchJournal
from hpt_spark.storage import open_folder
from tests.property_settings import examples
from tests.search.journal.journalled import Journalled

FITS = [Fit(number, number // 2, number % 2) for number in range(6)]
FINGERPRINT = {"X": "1", "y": "2"}
FILES = ["fits-000001.jsonl", "fits-000002.jsonl", "fits-000003.jsonl"]


def result_of(fit):
    return {"test_scores": {"a": -0.1 * fit.number, "b": float("nan")}, "fit_time": 0.5, "fit_error": None}


def opened(folder):
    return Journalled(open_folder(folder), FINGERPRINT, FITS)


def assert_results(journal, fits):
    assert set(journal.results) == set(fits)
    for fit in fits:
        np.testing.assert_equal(journal.results[fit], result_of(fit))


def write_three_files(folder: Path):
    journal = opened(folder)
    for pair in (FITS[:2], FITS[2:4], FITS[4:]):
        journal.add([(fit, result_of(fit)) for fit in pair])
    journal.add([])
    assert sorted(os.listdir(folder)) == ["context.json", *FILES]


@pytest.mark.parametrize(
    "wrong",
    [
        {"test_scores": "high"},
        {"test_scores": None},
        {"test_scores": [0.5]},
        {"test_scores": {"a": "0.5"}},
        {"train_scores": {"a": None}},
        {"fit_time": "1.5"},
        {"score_time": None},
        {"fit_error": 3},
    ],
    ids=str,
)
def test_a_line_with_other_values_than_a_result_has_is_damaged(tmp_path, wrong):
    opened(tmp_path).add([(FITS[0], result_of(FITS[0]))])
    lines = tmp_path / FILES[0]
    lines.write_text(json.dumps({**json.loads(lines.read_text()), **wrong}) + "\n")
    with pytest.raises(InputError, match=rf"{FILES[0]} is damaged in line 1; restore it, or remove the journal"):
        opened(tmp_path)
    other = Journal(open_folder(tmp_path), read_only=True)
    with pytest.raises(InputError, match=rf"{FILES[0]} is damaged in line 1; restore it, or take it out of warm_start"):
        other.begin(FINGERPRINT)


@pytest.mark.long
def test_the_last_file_may_be_cut_at_any_byte(tmp_path):
    write_three_files(tmp_path)
    last = tmp_path / FILES[-1]
    content = last.read_bytes()
    for length in range(len(content) + 1):
        last.write_bytes(content[:length])
        whole = content[:length].count(b"\n")
        journal = opened(tmp_path)
        assert_results(journal, FITS[: 4 + whole])
        # What it goes on with is not spoilt by the torn line: not now, and not the next time either.
        missing = FITS[4 + whole :]
        journal.add([(fit, result_of(fit)) for fit in missing])
        assert_results(opened(tmp_path), FITS)
        for name in os.listdir(tmp_path):
            if name.startswith("fits-") and name not in FILES[:2]:
                (tmp_path / name).unlink()


@pytest.mark.parametrize("name", FILES[:2])
def test_another_file_cut_at_any_byte_is_damaged_or_lacks_whole_fits(tmp_path, name):
    write_three_files(tmp_path)
    file = tmp_path / name
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        if length and content[:length].endswith(b"\n"):
            left = opened(tmp_path).results
            assert len(left) == 5
            for fit, result in left.items():
                np.testing.assert_equal(result, result_of(fit))
        else:
            with pytest.raises(InputError, match=rf"{name} is damaged in line \d; restore it"):
                opened(tmp_path)


@examples(30)
@given(data=st.data())
def test_a_changed_line_is_never_taken_for_another_result(tmp_path_factory, data):
    """Whatever a line is overwritten with, it is the same result, an error, or a torn end."""
    folder = tmp_path_factory.mktemp("journal")
    write_three_files(folder)
    file = folder / data.draw(st.sampled_from(FILES))
    lines = file.read_text().split("\n")
    at = data.draw(st.integers(0, 1))
    lines[at] = data.draw(st.sampled_from(["", "null", "[]", "{}", "\x00" * 40, '{"fit": [0, 0]}', "1"]))
    file.write_text("\n".join(lines))
    with pytest.raises(InputError, match=f"is damaged in line {at + 1}"):
        opened(folder)


def test_a_record_of_a_fit_that_the_search_has_not_is_another_searchs(tmp_path):
    write_three_files(tmp_path)
    record = {"fit": ["another", "0"], **result_of(Fit(99, 49, 1))}
    (tmp_path / FILES[1]).write_text(json.dumps(record) + "\n")
    assert_results(opened(tmp_path), [*FITS[:2], *FITS[4:]])


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00\x00"])
def test_a_damaged_fingerprint_is_named(tmp_path, content):
    write_three_files(tmp_path)
    (tmp_path / "context.json").write_text(content)
    with pytest.raises(InputError, match=r"context\.json is damaged in line 1"):
        opened(tmp_path)


def test_foreign_files_are_left_alone(tmp_path):
    write_three_files(tmp_path)
    foreign = ["notes.txt", ".DS_Store", "fits-notes.txt", "fits-000001.jsonl~", "fits-1.jsonl"]
    for name in foreign:
        (tmp_path / name).write_text("not mine")
    (tmp_path / "fits-000009.d").mkdir()
    assert_results(opened(tmp_path), FITS)
    assert all((tmp_path / name).read_text() == "not mine" for name in foreign)


def test_files_are_read_in_the_order_of_their_numbers(tmp_path):
    journal = opened(tmp_path)
    journal.journal._written = 999_998
    for pair in (FITS[:2], FITS[2:4], FITS[4:]):
        journal.add([(fit, result_of(fit)) for fit in pair])
    last = tmp_path / "fits-1000001.jsonl"
    last.write_bytes(last.read_bytes()[:-5])
    again = opened(tmp_path)
    assert_results(again, FITS[:5])
    again.add([(FITS[5], result_of(FITS[5]))])
    assert_results(opened(tmp_path), FITS)


def test_every_difference_is_named(tmp_path):
    write_three_files(tmp_path)
    other = {"X": "1", "y": "3", "numpy release": "9"}
    with pytest.raises(InputError, match="is of another search, different in numpy release, y; name another folder"):
        Journalled(open_folder(tmp_path), other, FITS)


def test_of_another_class_of_estimator_no_parameter_is_named(tmp_path):
    def context(name, value):
        return {"estimator": f"{name}{value}", f"the parameter `a` of a {name}": value}

    Journalled(open_folder(tmp_path), context("First", "1"), FITS)
    with pytest.raises(InputError, match="different in estimator; name"):
        Journalled(open_folder(tmp_path), context("Second", "1"), FITS)
    with pytest.raises(InputError, match="different in estimator, the parameter `a` of a First; name"):
        Journalled(open_folder(tmp_path), context("First", "2"), FITS)


def test_many_differences_are_counted(tmp_path):
    write_three_files(tmp_path)
    other = {f"x{number}": "1" for number in range(9)}
    with pytest.raises(InputError, match="different in X, x0, x1, x2, x3, x4, x5, x6 and 3 more; name another folder"):
        Journalled(open_folder(tmp_path), other, FITS)


def test_a_journal_of_another_format_is_refused_whatever_it_holds(tmp_path):
    write_three_files(tmp_path)  # has no format, as before there were any
    with pytest.raises(InputError, match=r"was written by another release of hpt_spark, .*; name another folder, or"):
        Journalled(open_folder(tmp_path), {**FINGERPRINT, "format": "2"}, FITS)


SCORES = [Decimal("0.1"), Fraction(1, 3), np.longdouble("0.1"), np.float32(0.1), np.float64(0.1), np.int64(3), 7, True]


@pytest.mark.parametrize("score", [*SCORES, Decimal("nan"), Fraction(-7, 9), np.float16(2), np.True_], ids=repr)
def test_a_score_of_any_kind_is_the_number_that_scikit_learn_makes_of_it(tmp_path, score):
    opened(tmp_path).add([(FITS[0], {**result_of(FITS[0]), "test_scores": {"a": score}})])
    read = opened(tmp_path).results[FITS[0]]["test_scores"]["a"]
    expected, found = (np.array([number], dtype=np.float64) for number in (score, read))  # as in `cv_results_`
    assert expected.tobytes() == found.tobytes()


def test_of_a_complex_score_scikit_learn_keeps_the_real_part(tmp_path):
    opened(tmp_path).add([(FITS[0], {**result_of(FITS[0]), "test_scores": {"a": 0.1 + 2j}})])
    assert opened(tmp_path).results[FITS[0]]["test_scores"] == {"a": 0.1}


@pytest.mark.parametrize("journal", ["", "   ", True, 5, b"folder", ["folder"]])
def test_a_journal_that_names_no_folder_is_refused(journal):
    with pytest.raises(
        InputError, match=r"^journal=.* names no folder; give a folder's path, or None to search without"
    ):
        SearchJournal(journal)


def test_results_without_the_fingerprint_of_their_search_are_nobodys(tmp_path):
    opened(tmp_path).add([(fit, result_of(fit)) for fit in FITS])
    (tmp_path / "context.json").unlink()  # as a kill leaves it that comes while the journal is being deleted
    (tmp_path / "notes-000001.jsonl").write_text("someone else's")
    assert opened(tmp_path).results == {}
    assert sorted(os.listdir(tmp_path)) == ["context.json", "notes-000001.jsonl"]


def test_a_journal_of_an_earlier_release_is_refused(tmp_path):
    (tmp_path / "evaluation-0.json").write_text('{"format": "2"}')
    with pytest.raises(InputError, match="was written by another release of hpt_spark"):
        opened(tmp_path)
    assert os.listdir(tmp_path) == ["evaluation-0.json"]


WRITE_ONE_RESULT = """
import os, sys
from hpt_spark.errors import InputError
from tests.search.journal import test_journal as t
from hpt_spark.storage.lock import FolderLock
from hpt_spark.storage import open_folder
folder = sys.argv[1]
if os.geteuid() == 0 and "as-nobody" in sys.argv:
    os.setuid(65534)
try:
    with FolderLock(open_folder(folder), "the journal"):
        journal = t.opened(folder)
        for _ in range(int(sys.argv[2])):
            journal.add([(fit, t.result_of(fit)) for fit in t.FITS])
except InputError as error:
    print(error)
"""


def said(*words: str | Path, within: list[str] = ()) -> str:
    command = [*within, sys.executable, "-c", WRITE_ONE_RESULT, *map(str, words)]
    root = Path(__file__).parent.parent.parent.parent
    answer = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=250)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.long
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o555)
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    message = said(folder, 1, "as-nobody")
    assert message.startswith(f"cannot write {folder}/lock-")
    assert "choose a folder in which you may create files" in message
    assert list(folder.iterdir()) == []


@pytest.mark.long
def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=64k none "$0" && "$@" && cp -r "$0" "$0.copy"'
    # A mount that only this command and its children see.
    message = said(disk, 200, within=["unshare", "--mount", "--map-root-user", "sh", "-c", mount, str(disk)])
    assert message.startswith(f"the disk is full while writing {disk}/fits-")
    copy = tmp_path / "disk.copy"
    assert not [name for name in os.listdir(copy) if name.startswith(("lock", ".writing"))]
    assert_results(opened(copy), FITS)


# --- predictions ---


def predictions_of(fit):
    return np.full((2, 3), fit.number, np.float32)


def kept_in(folder):
    """Return the results of a journal whose predictions are wanted, and these."""
    kept = {}
    return Journalled(open_folder(folder), FINGERPRINT, FITS, kept.__setitem__).results, kept


def test_predictions_come_back_with_their_results_and_failures_have_none(tmp_path):
    journal = opened(tmp_path)
    failed = {**result_of(FITS[2]), "fit_error": "ValueError: no"}
    unpredicted = {**result_of(FITS[3]), "unpredicted": "ValueError: no"}
    journal.add([(fit, result_of(fit)) for fit in FITS[:2]], {fit: predictions_of(fit) for fit in FITS[:2]})
    journal.add([(FITS[2], failed), (FITS[3], unpredicted)], {})
    journal.add([(FITS[4], result_of(FITS[4]))])
    results, kept = kept_in(tmp_path)
    assert list(results) == FITS[:4]
    assert list(kept) == FITS[:2]
    for fit, predictions in kept.items():
        np.testing.assert_array_equal(predictions, predictions_of(fit))
    assert list(opened(tmp_path).results) == FITS[:5]


def test_a_result_without_wanted_predictions_gives_way_to_the_next(tmp_path):
    opened(tmp_path).add([(FITS[0], {**result_of(FITS[0]), "fit_time": 1.0})])
    journal = Journalled(open_folder(tmp_path), FINGERPRINT, FITS, lambda *_: None)
    assert journal.results == {}
    journal.add([(FITS[0], {**result_of(FITS[0]), "fit_time": 2.0})], {FITS[0]: predictions_of(FITS[0])})
    assert kept_in(tmp_path)[0][FITS[0]]["fit_time"] == 2.0
    assert opened(tmp_path).results[FITS[0]]["fit_time"] == 2.0


def test_predictions_cut_or_changed_at_any_byte_are_never_taken_for_others(tmp_path):
    opened(tmp_path).add([(fit, result_of(fit)) for fit in FITS[:2]], {fit: predictions_of(fit) for fit in FITS[:2]})
    file = tmp_path / "fits-000001.npz"
    content = file.read_bytes()
    spoilt = [content[:at] for at in range(0, len(content), 7)]
    spoilt += [content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :] for at in range(0, len(content), 3)]
    for one in spoilt:
        file.write_bytes(one)
        results, kept = kept_in(tmp_path)
        assert set(results) == set(kept)
        for fit, predictions in kept.items():
            np.testing.assert_array_equal(predictions, predictions_of(fit))


def test_predictions_without_a_record_are_written_over(tmp_path):
    """Their driver was killed between the two files."""
    opened(tmp_path).add([(FITS[0], result_of(FITS[0]))], {FITS[0]: predictions_of(FITS[5])})
    (tmp_path / "fits-000001.jsonl").unlink()
    assert kept_in(tmp_path) == ({}, {})
    opened(tmp_path).add([(FITS[0], result_of(FITS[0]))], {FITS[0]: predictions_of(FITS[0])})
    np.testing.assert_array_equal(kept_in(tmp_path)[1][FITS[0]], predictions_of(FITS[0]))
