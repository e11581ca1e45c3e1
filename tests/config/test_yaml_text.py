"""YAML as the configuration reads and writes it."""

from __future__ import annotations

import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.config.layers import dump_config, load_config
from hpt_spark.config.yaml_text import as_yaml, read_yaml, write_yaml
from hpt_spark.errors import ConfigError

NUMBER_LIKE = st.text("0123456789+-.eE_:xobinfa", max_size=8)
TEXTS = st.one_of(NUMBER_LIKE, st.text(max_size=20), st.sampled_from(["1e-3", "1E5", "-.5", "yes", "null", "=", "<<"]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 0.001), ("1e4", 1e4), ("1E5", 1e5), ("+1e+2", 100.0), ("1.e3", 1e3), ("-.5", -0.5), (".5e1", 5.0)],
)
def test_a_number_needs_no_point(text, number):
    found = read_yaml(f"[{text}]")
    assert found == [number]
    assert isinstance(found[0], float)


@pytest.mark.parametrize("text", ["3", "08", "0x1F", "1e", "e3", "1e3.5", "-", ".", "1.2.3", "1e-3x", "'1e-3'"])
def test_everything_else_is_what_pyyaml_takes_it_for(text):
    assert read_yaml(text) == yaml.safe_load(text)
    assert type(read_yaml(text)) is type(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text", ["2024-02-30", "2024-13-01", "2024-01-01 25:00:00", "0b_", "!!int x", "!!bool x", "!!float ''"]
)
def test_a_value_that_cannot_be_is_an_error_with_its_place(text):
    with pytest.raises(yaml.MarkedYAMLError, match="is no valid ") as refused:
        read_yaml(f"a:\n  b: [1, {text}]")
    assert refused.value.problem_mark.line == 1


@pytest.mark.parametrize("text", ["017", "-010", "0_17"])
def test_a_number_with_a_leading_zero_does_not_count_by_eights(text):
    with pytest.raises(yaml.MarkedYAMLError, match="a number with a leading zero counts by eights"):
        read_yaml(f"a: [{text}]")
    assert read_yaml(f"['{text}', 00, 07]") == [text, 0, 7]
    with pytest.raises(ConfigError, match="random_state=017: a number with a leading zero"):
        load_config(settings=["search.random_state=017"])


@pytest.mark.parametrize("text", ["1:30", "-10:00:00", "0:08.5", "!!int 1:30"])
def test_a_number_with_a_colon_does_not_count_by_sixties(text):
    written = text.rpartition(" ")[2]
    with pytest.raises(yaml.MarkedYAMLError, match="numbers with a colon count by sixties"):
        read_yaml(f"a: [{text}]")
    assert read_yaml(f"['{written}', a:1, 1:2:x]") == [written, "a:1", "1:2:x"]
    with pytest.raises(ConfigError, match="max_time=1:30: numbers with a colon"):
        load_config(settings=["search.max_time=1:30"])


@pytest.mark.parametrize("secret", ["2024-02-30", "12:34:56", "01234", "9" * 5000])
def test_a_secret_that_is_no_value_of_yaml_is_not_shown(tmp_path, secret):
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"submit: {{livy: {{password: {secret}}}}}\n")
    for arguments in ({"settings": [f"submit.livy.password={secret}"]}, {"files": [mine]}):
        with pytest.raises(ConfigError, match="in quotes") as refused:
            load_config(**arguments)
        assert secret[:5] not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in ("yes", "On", "TRUE")],
        *[(word, False) for word in ("no", "off", "False")],
        *[(word, word) for word in ("y", "n", "0o17", "NaN", "inf")],
        *[("1_000", 1000), ("0b11", 3), ("0x1F", 31), (".inf", float("inf")), ("-.inf", -float("inf"))],
        ("2024-01-31", datetime.date(2024, 1, 31)),
    ],
)
def test_what_yaml_knows_beside_texts_and_decimals(text, value):
    found = read_yaml(f"[{text}]")
    assert found == [value]
    assert type(found[0]) is type(value)


def test_words_and_dates_that_should_be_texts_are_refused_where_a_text_is_needed():
    for word in ("no", "on", "2024-01-31", "1_000", "1e3"):
        with pytest.raises(ConfigError, match="must be a text; if it is one, put it in quotes"):
            load_config(settings=[f"features.table.label={word}"])


@pytest.mark.parametrize(
    ("text", "told"),
    [("{a: 1, a: 2}", "the key a is given twice"), ("{a: 2024-02-30}", "2024-02-30}: the value is no valid")],
)
def test_what_is_refused_of_a_setting_is_told(text, told):
    with pytest.raises(ConfigError, match=told):
        load_config(settings=[f"search.estimator_params={text}"])


AS_WRITTEN = ("yes", "NO", "on", "true", "1e3", "0o17", "017", "12:30:00", "1_000", "-999.00", "2024-01-01", "!!int 7")


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_a_value_is_a_text_where_it_is_wanted_as_it_is_written(text):
    written = text.rpartition(" ")[2]
    below = [("a", "b")]
    assert read_yaml(f"{{a: {{b: {{x.y: {text}}}}}}}", as_written=below) == {"a": {"b": {"x.y": written}}}
    assert read_yaml(f"{{b: {{x: {text}}}}}", ("a",), below) == {"b": {"x": written}}
    assert read_yaml(text, ("a", "b", "x"), below) == written
    for at in ((), ("a",), ("a", "b"), ("a", "c", "x"), ("b", "a", "x")) if text not in ("017", "12:30:00") else ():
        assert read_yaml(text, at, below) == read_yaml(text)


def test_what_is_as_it_is_written_may_be_merged_and_shared():
    text = "{n: &n 0x1F, m: &m {x: yes}, a: {b: {<<: [*m, {z: 1e3}], y: *n, none: null, quoted: '~'}}}"
    found = read_yaml(text, as_written=[("a", "b")])
    assert found["a"]["b"] == {"x": "yes", "z": "1e3", "y": "0x1F", "none": None, "quoted": "~"}
    assert (found["n"], found["m"]) == (31, {"x": True}), "which are of other keys"


def test_a_mapping_that_has_merged_another_one_may_be_merged_itself():
    text = "{deep: {one: &a {x: 1}, two: {three: &b {<<: *a, x: 2}}}, flat: {<<: *b, y: 3}}"
    assert read_yaml(text)["flat"] == {"x": 2, "y": 3}
    assert read_yaml(text)["deep"]["two"]["three"] == {"x": 2}
    with pytest.raises(yaml.MarkedYAMLError, match="the key x is given twice"):
        read_yaml("{a: &a {x: 1}, b: {<<: *a, x: 2, x: 3}}")


def test_the_yaml_of_others_stays_as_it_is():
    assert yaml.safe_load("1e-3") == "1e-3"
    assert yaml.safe_dump("1e-3", default_flow_style=True).startswith("1e-3")


@given(VALUES)
def test_what_is_written_is_read_as_the_same_value(value):
    for text in (write_yaml(value), as_yaml(value)):
        found = read_yaml(text)
        assert found == value
        assert repr(found) == repr(value), "1, 1.0 and True are equal"


@given(NUMBER_LIKE, st.floats(allow_nan=False))
def test_a_dumped_configuration_keeps_texts_and_numbers_apart(text, number):
    given_params = {"text": text, "number": number, "list": [text, number]}
    config = load_config([], [f"search.estimator_params={as_yaml(given_params)}"])
    assert config.search.estimator_params == given_params
    assert read_yaml(dump_config(config))["search"]["estimator_params"] == given_params


@given(TEXTS)
def test_a_value_in_a_message_has_one_line(text):
    assert len(as_yaml(text).splitlines()) == 1
    assert len(as_yaml([text]).splitlines()) == 1
