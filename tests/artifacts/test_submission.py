"""The submission: what is predicted of the test rows, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyspark  # noqa: F401, as in every driver
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.svm import LinearSVC

from hpt_spark.artifacts.run_directory import SUBMISSION
from hpt_spark.artifacts.submission import class_probabilities, refuse_other_columns, write_predictions
from hpt_spark.config.layers import load_config
from hpt_spark.errors import InputError
from hpt_spark.matrix.design import ROWS
from jobs import predict
from tests.artifacts.searches import SEVERAL, a_design, finished


def test_a_submission_has_every_test_device_in_order_and_the_classes(tmp_path):
    design = a_design()
    probabilities = np.full((5, 3), 1 / 3)
    probabilities[1] = [0.123456789123, 0.5, 0.376543210877]
    predicted = pa.table(dict(zip(design.classes, probabilities.T)))
    write_predictions(tmp_path / "submission.csv", "device_id", design.test_device_ids, predicted)
    header, *rows = (tmp_path / "submission.csv").read_text(encoding="utf-8").splitlines()
    assert header == "device_id,F,M22-,M39+"
    assert [row.split(",")[0] for row in rows] == ["-9223372036854775808", "9", "7", "9223372036854775807", "0"]
    assert rows[1] == "9,0.123456789,0.5,0.376543211"
    assert all(abs(sum(map(float, row.split(",")[1:])) - 1) < 1e-6 for row in rows)


def test_predicted_values_keep_all_their_digits(tmp_path):
    values = [1700000000.125, -1 / 3, 1e300]
    write_predictions(tmp_path / "rows.csv", "nr", np.arange(3), pa.table({"prediction": values}))
    _, *rows = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    assert [float(row.split(",")[1]) for row in rows] == values


def test_a_column_of_ids_that_is_called_like_a_class_is_refused(tmp_path):
    predicted = pa.table({"no": [0.5], "yes": [0.5]})
    with pytest.raises(InputError, match=r"the column yes of features.table.id is the name of a class or a prediction"):
        write_predictions(tmp_path / "rows.csv", "yes", np.arange(1), predicted)
    assert not (tmp_path / "rows.csv").exists()


def test_probabilities_follow_the_classes_and_not_the_models_order():
    class Backwards:
        classes_ = np.array([2, 0, 1])

        def predict_proba(self, X):
            return np.tile(np.float32([0.5, 0.3, 0.2]), (X.shape[0], 1))

    np.testing.assert_allclose(class_probabilities(Backwards(), a_design())[0], [0.3, 0.2, 0.5], rtol=1e-6)


def test_a_model_of_other_classes_or_without_probabilities_is_refused():
    design = a_design()
    with pytest.raises(InputError, match="LinearSVC has no predict_proba"):
        class_probabilities(LinearSVC().fit(design.X_train, design.y_train), design)
    two = DummyClassifier().fit(design.X_train, design.y_train % 2)
    with pytest.raises(InputError, match="the model knows 2 classes and the design has 3"):
        class_probabilities(two, design)


def test_a_design_with_other_columns_than_the_models_is_refused(run):
    finished(run)
    refuse_other_columns(a_design(), run.finished_manifest())
    with pytest.raises(
        InputError, match=r"the design's columns \(5\), their encoding and the classes are not those .*\(4 columns\)"
    ):
        refuse_other_columns(a_design(columns=5), run.finished_manifest())


def test_a_search_that_ends_meanwhile_has_no_submission_of_the_model_before(run, monkeypatch):
    finished(run)

    def write_slowly(*given):
        write_predictions(*given)
        finished(run, SEVERAL)

    monkeypatch.setattr(predict, "write_predictions", write_slowly)
    with pytest.raises(InputError, match=r"while submission\.csv was made of the earlier ones"):
        predict.main(load_config([], [f"run.dir={run.uri}"]))
    assert not run.folder.exists(SUBMISSION)
    monkeypatch.undo()
    predict.main(load_config([], [f"run.dir={run.uri}"]))
    assert SUBMISSION in run.finished_manifest()["files"]


def test_a_submission_goes_where_the_design_has_no_test_rows_any_more(run, capsys):
    facts = {**a_design().facts, "rows_are": ROWS}
    run.save_design(replace(a_design(), facts=facts, X_test=a_design().X_test[:0], test_device_ids=np.arange(0)))
    finished(run)
    (run.folder.path / SUBMISSION).write_text("of the test rows that there were")
    run.record(SUBMISSION)
    predict.main(load_config([], [f"run.dir={run.uri}"]))
    assert "there are no test rows" in capsys.readouterr().out
    assert not run.folder.exists(SUBMISSION)
    assert SUBMISSION not in run.finished_manifest()["files"]
