"""The example of a table: what its page says is what its commands do."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hpt_spark import load_model
from tests.jobs.running import done_here

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "own_table"

pytestmark = pytest.mark.long


def test_the_page_says_what_its_commands_do(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    conf = ["--conf", EXAMPLE / "own.yaml", "--set", f"run.dir={tmp_path / 'run'}"]
    said = done_here("pipeline", *conf, spark=spark)
    block = re.search(r"The search ends with\n\n```\n(.*?)```", page, re.DOTALL)
    assert block is not None
    assert block[1] in said

    again = done_here("pipeline", *conf, spark=spark)
    assert again.count("nothing has changed since it ran") == 4
    new = EXAMPLE / "new_customers.csv"
    told = done_here("predict", *conf, "--input", new, "--output", tmp_path / "predicted.csv", spark=spark)
    assert told == f"{tmp_path / 'predicted.csv'}: 40 rows\n"

    rows = [row for part in sorted((tmp_path / "predicted.csv").glob("*.csv")) for row in csv.DictReader(part.open())]
    predicted = pd.DataFrame(rows).astype(float).set_index("customer").sort_index()
    assert list(predicted.columns) == ["no", "yes"]
    customers = pd.read_csv(new).sort_values("customer")
    model = load_model(str(tmp_path / "run"))
    assert model.classes == ["no", "yes"]
    np.testing.assert_allclose(model.predict_proba(customers), predicted.to_numpy(), rtol=1e-6)
    assert list(predicted.index) == list(customers["customer"])
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    report = report.partition('<section id="settings"')[0]  # which shows every key, features.min_devices too
    shown = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]*>", " ", report, flags=re.DOTALL)
    assert "training rows" in shown
    assert "device" not in shown
