"""What is masked wherever it is shown, and which keys may not travel in arguments."""

import pytest

from hpt_spark.config.secrets import mask_secrets, secret_keys, without_secrets


@pytest.mark.parametrize("password", ["secret", "s@cret", "a:b@c", "p@", "@"])
def test_a_password_is_masked_up_to_the_last_at(password):
    for shown in (mask_secrets, without_secrets):
        assert shown(f"https://user:{password}@host/path") == "https://user:***@host/path"


@pytest.mark.parametrize("uri", ["abfss://box@me.dfs.core.windows.net/a", "spark://host:7077", "hdfs://host:8020/a@b"])
def test_what_is_no_password_stays(uri):
    assert mask_secrets(uri) == without_secrets(uri) == uri


@pytest.mark.parametrize(
    ("key", "is_secret"),
    [
        ("spark.hadoop.xprovider.secret", True),
        ("spark.hadoop.provider.password", True),
        ("spark.hadoop.fs.azure.account.key.me.blob.core.windows.net", True),
        ("spark.hadoop.fs.azure.account.keyprovider.me", False),
        ("spark.hadoop.hadoop.security.credential.provider.path", False),
        ("spark.hadoop.fs.s3a.aws.credentials.provider", False),
    ],
)
def test_which_keys_hold_a_secret(key, is_secret):
    assert list(secret_keys("value", key)) == ([key] if is_secret else [])


@pytest.mark.parametrize("word", ["x" * 200_000, "x.y-" * 50_000])
@pytest.mark.timeout(20)
def test_a_very_long_word_is_looked_through_once(word):
    assert mask_secrets(f"{word} password=hunter2") == f"{word} password=***"
