"""The generator: the shape of the real data, its traps, the planted signal, and files that are whole or not there."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

from bench.scenario import REAL_ROWS
from hpt_spark.data.schemas import GROUPS, TABLES
from hpt_spark.synthetic.files import generate
from hpt_spark.synthetic.sizes import SMALLEST_SCALE, sizes_at
from tests.synthetic.test_generate_files import members

SCALE, SEED = 0.05, 7


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    out = tmp_path_factory.mktemp("generated")
    return out, generate(out, SCALE, SEED)


@pytest.fixture(scope="module")
def tables(generated: tuple[Path, dict[str, int]]) -> dict[str, pd.DataFrame]:
    return {
        name: pd.read_csv(
            generated[0] / f"{name}.csv.zip",
            dtype={"longitude": str, "latitude": str},
            keep_default_na=False,
        )
        for name in TABLES
    }


def recorded_ids(tables: dict[str, pd.DataFrame]) -> np.ndarray:
    return tables["events"]["device_id"].unique()


class TestShape:
    def test_full_size_has_the_real_numbers_of_rows(self):
        sizes = sizes_at(1.0)
        for name, rows in REAL_ROWS.items():
            planned = {
                "gender_age_train": sizes.train,
                "gender_age_test": sizes.test,
                "phone_brand_device_model": sizes.train + sizes.test + sizes.repeated_devices,
                "label_categories": sizes.labels,
            }.get(name) or getattr(sizes, name)
            assert planned == pytest.approx(rows, rel=0.02)

    @pytest.mark.long
    def test_rows_are_in_proportion_to_the_scale(self, generated, tables):
        _, rows = generated
        assert rows == {name: len(table) for name, table in tables.items()}
        for name in REAL_ROWS.keys() - {"label_categories"}:  # of which there is a minimum
            assert rows[name] == pytest.approx(REAL_ROWS[name] * SCALE, rel=0.02), name
        assert rows["label_categories"] == 60

    def test_the_files_are_the_seven_and_their_headers_are_the_schemas(self, generated, tables):
        assert {path.name for path in generated[0].iterdir()} == {f"{name}.csv.zip" for name in TABLES}
        for name, table in tables.items():
            assert list(table.columns) == TABLES[name].column_names

    def test_the_smallest_scale_has_every_group_five_times(self, tmp_path):
        rows = generate(tmp_path, SMALLEST_SCALE, 0)
        train = pd.read_csv(tmp_path / "gender_age_train.csv.zip")
        assert rows["gender_age_train"] == 75
        assert sorted(train["group"].unique()) == sorted(GROUPS)
        assert train["group"].value_counts().min() == 5

    def test_groups_have_the_real_shares(self, tables):
        share = tables["gender_age_train"]["group"].value_counts(normalize=True)
        assert -(share * np.log(share)).sum() == pytest.approx(2.4278, abs=0.01)
        assert share["M23-26"] == pytest.approx(9605 / 74645, rel=0.05)
        assert share["F27-28"] == pytest.approx(3118 / 74645, rel=0.05)

    def test_gender_and_age_agree_with_the_group(self, tables):
        train = tables["gender_age_train"]
        assert (train["gender"] == train["group"].str[0]).all()
        for name, ages in train.groupby("group")["age"]:
            first, last = {"-": (1, name[1:-1]), "+": (name[1:-1], 99)}.get(name[-1], name[1:].split("-"))
            assert ages.between(int(first), int(last)).all(), name

    def test_group_says_nothing_about_the_order_of_the_rows(self, tables):
        train = tables["gender_age_train"]
        first, second = (half["group"].value_counts(normalize=True) for half in (train[:1866], train[1866:]))
        assert (first - second).abs().max() < 0.04


class TestDevices:
    def test_ids_are_unique_and_of_64_bits(self, tables):
        ids = pd.concat([tables["gender_age_train"]["device_id"], tables["gender_age_test"]["device_id"]])
        assert ids.dtype == np.int64
        assert ids.is_unique
        assert 0.45 < (ids < 0).mean() < 0.55
        assert (ids.abs() > 2**53).mean() > 0.99

    @pytest.mark.parametrize(("table", "column"), [("gender_age_train", "device_id"), ("app_labels", "app_id")])
    def test_some_ids_are_one_once_they_passed_through_a_float(self, tables, table, column):
        ids = tables[table][column].unique()
        assert len(np.unique(ids.astype(np.float64))) < len(ids)

    def test_three_in_ten_devices_have_events(self, tables):
        recorded = recorded_ids(tables)
        for name in ("gender_age_train", "gender_age_test"):
            assert tables[name]["device_id"].isin(recorded).mean() == pytest.approx(0.31, abs=0.01)

    def test_some_events_are_of_strangers(self, tables):
        known = pd.concat([tables["gender_age_train"], tables["gender_age_test"]])["device_id"]
        strangers = ~np.isin(recorded_ids(tables), known)
        assert 0 < strangers.mean() < 0.1

    def test_every_known_device_has_a_phone(self, tables):
        known = pd.concat([tables["gender_age_train"], tables["gender_age_test"]])["device_id"]
        assert set(tables["phone_brand_device_model"]["device_id"]) == set(known)


class TestPhones:
    def test_repeated_devices_are_partly_in_conflict(self, tables):
        phones = tables["phone_brand_device_model"]
        repeated = phones[phones["device_id"].duplicated(keep=False)]
        assert phones["device_id"].duplicated().sum() == pytest.approx(529 * SCALE, abs=1)
        different = repeated.drop_duplicates().groupby("device_id").size()
        assert (different == 1).any()
        assert (different == 2).any()

    def test_the_first_row_is_the_true_one(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hpt_spark.synthetic.phones.CONFLICTING", 0.0)
        generate(tmp_path / "agreeing", 0.01, SEED)
        monkeypatch.setattr("hpt_spark.synthetic.phones.CONFLICTING", 1.0)
        generate(tmp_path / "conflicting", 0.01, SEED)
        agreeing, conflicting = (
            pd.read_csv(tmp_path / name / "phone_brand_device_model.csv.zip") for name in ("agreeing", "conflicting")
        )
        assert not agreeing.equals(conflicting)
        firsts = [phones.drop_duplicates("device_id").set_index("device_id") for phones in (agreeing, conflicting)]
        pd.testing.assert_frame_equal(firsts[0], firsts[1].loc[firsts[0].index])

    def test_a_few_brands_and_models_have_most_devices(self, tables):
        phones = tables["phone_brand_device_model"]
        assert phones["phone_brand"].value_counts(normalize=True)[:3].sum() == pytest.approx(0.66, abs=0.06)
        assert 60 < phones["phone_brand"].nunique() <= 131
        assert 500 < phones["device_model"].nunique() <= 1_667
        assert phones["device_model"].value_counts(normalize=True)[:100].sum() > 0.5

    def test_a_model_can_occur_with_several_brands(self, tables):
        phones = tables["phone_brand_device_model"]
        assert phones.groupby("device_model")["phone_brand"].nunique().max() > 1

    def test_texts_are_chinese_and_quoted_where_csv_needs_it(self, generated, tables):
        phones = tables["phone_brand_device_model"]
        for column in ("phone_brand", "device_model"):
            assert phones[column].str.contains("[\u4e00-\u9fff]").mean() > 0.2
        assert phones["device_model"].str.contains(",").any()
        assert phones["device_model"].str.contains('"').any()
        text = members(generated[0])["phone_brand_device_model.csv.zip"].decode("utf-8")
        rows = list(csv.reader(io.StringIO(text)))
        assert {len(row) for row in rows} == {3}
        assert [row[2] for row in rows[1:]] == phones["device_model"].tolist()
        assert '""' in text


class TestEvents:
    def test_ids_count_the_rows(self, tables):
        assert tables["events"]["event_id"].tolist() == list(range(1, len(tables["events"]) + 1))

    def test_numbers_per_device_are_heavy_tailed(self, tables):
        per_device = tables["events"]["device_id"].value_counts()
        assert per_device.min() >= 1
        assert per_device.mean() > 2.5 * per_device.median()
        assert per_device.max() > 30 * per_device.median()

    def test_timestamps_are_wall_clock_of_the_week(self, tables):
        stamps = tables["events"]["timestamp"]
        assert stamps.str.fullmatch(r"2016-0[45]-\d\d \d\d:\d\d:\d\d").all()
        assert set(stamps.str[:10]) == {"2016-04-30", *(f"2016-05-0{day}" for day in range(1, 8))}
        assert pd.to_datetime(stamps, format="%Y-%m-%d %H:%M:%S").notna().all()

    def test_people_sleep(self, tables):
        hours = tables["events"]["timestamp"].str[11:13].astype(int).value_counts()
        assert sorted(hours.index) == list(range(24))
        assert hours[[2, 3, 4]].sum() < 0.4 * hours[[19, 20, 21]].sum()

    def test_degrees_have_two_decimals_and_are_often_zero(self, tables):
        for column, limit in (("longitude", 180), ("latitude", 90)):
            degrees = tables["events"][column]
            assert degrees.str.fullmatch(r"-?\d+\.\d\d").all()
            assert degrees.astype(float).abs().max() <= limit
            assert 0.2 < (degrees == "0.00").mean() < 0.5
            assert degrees.str.startswith("-").any()


class TestAppEvents:
    def test_they_go_in_the_order_of_less_than_half_of_the_events(self, tables):
        shown, events = tables["app_events"]["event_id"], tables["events"]["event_id"]
        assert shown.is_monotonic_increasing
        assert shown.isin(events).all()
        assert 0.40 < shown.nunique() / len(events) < 0.5
        assert len(shown) / shown.nunique() == pytest.approx(21.8, rel=0.05)

    def test_flags(self, tables):
        assert set(tables["app_events"]["is_installed"]) == {1}
        assert tables["app_events"]["is_active"].mean() == pytest.approx(0.39, abs=0.02)
        assert set(tables["app_events"]["is_active"]) == {0, 1}

    def test_no_event_shows_an_app_twice(self, tables):
        assert not tables["app_events"].duplicated(["event_id", "app_id"]).any()

    def test_apps_recur_between_the_events_of_a_device(self, tables):
        device = tables["events"].set_index("event_id")["device_id"]
        rows = pd.DataFrame(
            {"device": tables["app_events"]["event_id"].map(device), "app": tables["app_events"]["app_id"]}
        )
        pairs = len(rows.drop_duplicates())
        assert 1.2e6 * SCALE < pairs < 1.7e6 * SCALE

    def test_apps_follow_zipf(self, tables):
        share = tables["app_events"]["app_id"].value_counts(normalize=True)
        assert len(share) == pytest.approx(19_237 * SCALE, rel=0.1)
        assert share.iloc[:50].sum() > 0.4
        assert share.iloc[len(share) // 2 :].sum() < 0.2


class TestLabels:
    def test_pairs_repeat_and_apps_without_events_are_labelled(self, tables):
        labels, shown = tables["app_labels"], tables["app_events"]["app_id"].unique()
        assert 0 < labels.duplicated().mean() < 0.02
        assert labels["app_id"].nunique() == pytest.approx(113_211 * SCALE, rel=0.02)
        assert (~np.isin(labels["app_id"].unique(), shown)).mean() > 0.7

    def test_some_shown_apps_have_no_label(self, tables):
        shown = tables["app_events"]["app_id"].unique()
        assert 0.01 < (~np.isin(shown, tables["app_labels"]["app_id"])).mean() < 0.1

    def test_labels_are_unique_and_partly_unknown_or_unused(self, tables):
        listed, borne = tables["label_categories"]["label_id"], tables["app_labels"]["label_id"].unique()
        assert listed.is_unique
        assert (~np.isin(borne, listed)).any()
        assert (~listed.isin(borne)).any()

    def test_categories_are_null_shared_and_marked(self, tables):
        borne = tables["label_categories"]["label_id"].isin(tables["app_labels"]["label_id"])
        categories = tables["label_categories"]["category"][borne]
        assert (categories == "").any()
        texts = categories[categories != ""]
        assert texts.duplicated().any()
        for mark in ("game-", "(", ")", "_", "/"):
            assert texts.str.contains(mark, regex=False).any(), mark

    def test_categories_have_quotes_and_differ_only_before_cleaning(self, tables):
        texts = tables["label_categories"]["category"].drop_duplicates()
        cleaned = texts.str.lower().str.replace("game-", "game ").str.replace("[()_/]", " ", regex=True)
        assert cleaned.str.split().str.join(" ").duplicated().any()
        assert texts.str.contains(",").any()
        assert texts.str.contains('"').any()


@pytest.fixture(scope="module")
def losses(tables) -> dict[str, float]:
    train = tables["gender_age_train"]
    place = pd.Series(np.arange(len(train)), index=train["device_id"])
    phones = tables["phone_brand_device_model"].drop_duplicates("device_id")
    phones = phones[phones["device_id"].isin(place.index)]
    events = tables["events"][tables["events"]["device_id"].isin(place.index)]
    apps = tables["app_events"].merge(events[["event_id", "device_id"]], on="event_id")
    labels = apps[["device_id", "app_id"]].drop_duplicates().merge(tables["app_labels"], on="app_id")

    def indicators(devices: pd.Series, terms: pd.Series) -> sp.csr_matrix:
        codes, names = pd.factorize(terms)
        ones = np.ones(len(codes), np.float32)
        return sp.csr_matrix((ones, (place[devices], codes)), shape=(len(train), len(names)))

    def shares(counts: sp.csr_matrix) -> sp.csr_matrix:
        totals = np.maximum(counts.sum(axis=1), 1)
        return sp.csr_matrix(counts.multiply(1 / totals))

    hour = events["timestamp"].str[11:13]
    phone = [indicators(phones["device_id"], phones[column]) for column in ("phone_brand", "device_model")]
    features = [
        *phone,
        shares(indicators(events["device_id"], hour)),
        shares(indicators(apps["device_id"], apps["app_id"])),
        shares(indicators(labels["device_id"], labels["label_id"])),
    ]
    y = pd.Categorical(train["group"]).codes
    fitted, held = train_test_split(np.arange(len(y)), test_size=0.3, random_state=0, stratify=y)
    model = XGBClassifier(
        n_estimators=40,
        learning_rate=0.1,
        max_depth=3,
        subsample=0.5,
        colsample_bylevel=0.1,
        n_jobs=2,
        random_state=0,
    )
    X = sp.hstack(features, format="csr")
    probabilities = model.fit(X[fitted], y[fitted]).predict_proba(X[held])
    recorded = train["device_id"].isin(recorded_ids(tables)).to_numpy()[held]
    every = range(len(GROUPS))
    return {
        "all": log_loss(y[held], probabilities, labels=every),
        "with events": log_loss(y[held][recorded], probabilities[recorded], labels=every),
        "without": log_loss(y[held][~recorded], probabilities[~recorded], labels=every),
    }


class TestSignal:
    """Few rounds on few devices: the signal of the apps must show above the prior of 2.43."""

    def test_a_model_beats_the_prior(self, losses):
        assert 2.30 < losses["all"] < 2.41

    def test_devices_with_events_are_told_better(self, losses):
        assert losses["with events"] < losses["without"] - 0.05
