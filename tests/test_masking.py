"""What is masked wherever it is shown, and which keys may not travel in arguments."""

import json
import re

import pytest

from hpt_spark.masking import REDACTED, mask_secrets, mask_setting, secret_keys, without_secrets
from tests.configuring import problem


@pytest.mark.parametrize("password", ["secret", "s@cret", "a:b@c", "p@", "@", "s/cret", "s/cr/et", "s?cret", "12"])
def test_a_password_is_masked_up_to_the_last_at(password):
    for shown in (mask_secrets, without_secrets):
        assert shown(f"https://user:{password}@host/path") == "https://user:***@host/path"
        assert shown(f"postgresql://me@server:{password}@host/base") == "postgresql://me@server:***@host/base"


@pytest.mark.parametrize(
    "uri",
    [
        *("abfss://box@me.dfs.core.windows.net/a", "spark://host:7077", "hdfs://host:8020/a@b", "hdfs://[::1]:80/a@b"),
        '{"uri":"abfss://c@me.dfs.core.windows.net","user":"x@y.z"}',
        *("wasbs://box@me.blob.core.windows.net:443/a@b", "abfss://box@me.dfs.core.windows.net/a:b/c@d"),
        *("hdfs://me@host:8020/a:b@c", "mongodb://one:27017,two:27017/a@b"),
    ],
)
def test_what_is_no_password_stays(uri):
    assert mask_secrets(uri) == without_secrets(uri) == uri


def test_a_question_mark_in_a_local_path_begins_no_query():
    for uri in ("runs/what?", "file:///runs/a?b", "a?b/c"):
        assert without_secrets(uri) == uri
    for uri in ("https://me/box", "jdbc:mysql://me/base"):
        assert without_secrets(f"{uri}?S3CRET") == uri
    assert (
        without_secrets("me.blob.core.windows.net/box?sv=1&sig=S3CRET") == "me.blob.core.windows.net/box?sv=1&sig=***"
    )


@pytest.mark.parametrize(
    ("key", "is_secret"),
    [
        ("spark.hadoop.xprovider.secret", True),
        ("spark.hadoop.provider.password", True),
        ("spark.hadoop.fs.azure.account.key.me.blob.core.windows.net", True),
        ("spark.hadoop.fs.azure.account.keyprovider.me", False),
        ("spark.hadoop.hadoop.security.credential.provider.path", False),
        ("spark.hadoop.fs.s3a.aws.credentials.provider", False),
        ("spark.hadoop.fs.gs.auth.service.account.private.key", True),
        ("spark.hadoop.fs.s3a.encryption.key", True),
        ("spark.io.encryption.keySizeBits", False),
        ("spark.executorEnv.MY_API_KEY", True),
        ("search.estimator_params.api_key", True),
    ],
)
def test_which_keys_hold_a_secret(key, is_secret):
    assert list(secret_keys("value", key)) == ([key] if is_secret else [])
    assert not is_secret or re.search(REDACTED, key)


@pytest.mark.parametrize(
    "text",
    [
        *("password='S3CRET and more'", 'connect(password="S3CRET", port=1)', "{'password': 'S3CRET'}"),
        *('{"password": "a\\"S3CRET"}', "{'password': 'a\\'\"S3CRET'}"),
        *('password="a\\"S3CRET"', "password='\\S3CRET\\'"),
        *('{"api_key": "S3CRET"}', "url='jdbc:x;password=S3CRET'", "{'said': \"{'password': 'S3CRET'}\"}"),
    ],
)
def test_a_secret_in_quotes_is_masked(text):
    assert "S3CRET" not in mask_secrets(text)


@pytest.mark.parametrize("password", ["S3CRET", 'a"S3CRET', "a\\S3CRET", "a' S3CRET", 'a", S3CRET', "S3CRET\\"])
@pytest.mark.parametrize("within", [json.dumps, repr])
def test_a_secret_in_json_that_a_text_holds_is_masked(password, within):
    text = json.dumps({"password": password, "host": "h"})
    for _ in range(4):
        assert "S3CRET" not in mask_secrets(text)
        assert "host" in mask_secrets(text) or password.endswith("\\")
        text = within({"said": text})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=a,S3,CRET", "password=***"),
        ("password=a,S3CRET rest", "password=*** rest"),
        ("user=u,password=a,S3CRET,host=h", "user=u,password=***,host=h"),
        ("f(password=S3CRET, host=h)", "f(password=***, host=h)"),
        ("Server=s;Password=a S3, CRET;Database=d", "Server=s;Password=***;Database=d"),
        ("Server=s;Password=my S3CRET pass;", "Server=s;Password=***;"),
        ("a;password=my S3CRET pass;\nb=c", "a;password=***;\nb=c"),
        ("password=a S3CRET; user id=u", "password=***; user id=u"),
        ("password=S3CRET is wrong; use another", "password=*** is wrong; use another"),
    ],
)
def test_a_comma_may_be_of_a_password_without_quotes(text, shown):
    assert mask_secrets(text) == shown
    assert mask_secrets(mask_secrets(text)) == mask_secrets(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'Authorization': 'Bearer eyJ0eXAi.eyJhdWQi.a-B_9'}", "{'Authorization': 'Bearer ***'}"),
        ("> authorization: Basic dXNlcjpwYXNzd29yZDE=\n> x: 1", "> authorization: Basic ***\n> x: 1"),
        ("SharedKey account1:Zm9vYmFyYmF6cXV4== was refused", "SharedKey *** was refused"),
        *([text] * 2 for text in ("a basic understanding-of-things", "Bearer of tidings", "Basic authentication1")),
        *([text] * 2 for text in ("basic gradient-boosting-2024-01", "the basic /data/2024/train.csv is there")),
        *([text] * 2 for text in ("see basic https://me.org/1.5/Modules", "Basic\nspark.executor.memory=16Gigabytes")),
    ],
)
def test_what_a_header_authorizes_with_is_masked(text, shown):
    assert mask_secrets(text) == shown
    assert mask_secrets(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{spark.ssl.keyPassword: S3CRET, spark.x: 1}", "{spark.ssl.keyPassword: ***, spark.x: 1}"),
        ("{a: [{password: 'S3, CRET'}], b: {token: S3CRET}}", "{a: [{password: ***}], b: {token: ***}}"),
        ("{'password': S3CRET", "{'password': ***"),
        ("{password: 'it''S3CRET', n: 3}", "{password: ***, n: 3}"),
        ("{uri: https://host:80/x, n: 3}", "{uri: https://host:80/x, n: 3}"),
    ],
)
def test_a_secret_within_the_yaml_of_a_setting_is_masked(text, shown):
    assert mask_setting("spark.conf", text) == shown


@pytest.mark.parametrize(
    "setting",
    [
        "spark.conf={spark.ssl.keyPassword: S3CRET, a b: 1}",
        "spark.conf={spark.ssl.keyPassword: S3CRET",
        "search.estimator_params={password: S3CRET, 3: 1}",
        "tables.uri https://me:S3CRET@host/tables",
    ],
)
def test_a_message_about_a_setting_shows_no_secret_within_it(setting):
    assert "S3CRET" not in problem(setting)


@pytest.mark.parametrize(
    "word",
    ["x" * 200_000, "x.y-" * 50_000, "://a:" * 40_000, "://u:a/" * 30_000, "s://a/b," * 30_000],
)
@pytest.mark.timeout(20)
def test_a_very_long_word_is_looked_through_once(word):
    assert mask_secrets(f"{word} password=hunter2") == f"{word} password=***"
