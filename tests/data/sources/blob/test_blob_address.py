"""Which account, container and folder a URI means, and which URIs are refused, without a secret shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.data.sources.blob.address import BlobAddress, parse_blob_uri
from hpt_spark.data.sources.opening import open_source
from hpt_spark.errors import InputError
from hpt_spark.storage import is_blob

AZURE = "https://acc1.blob.core.windows.net"
EMULATOR = "http://127.0.0.1:10000/devstoreaccount1"


@pytest.mark.parametrize(
    ("uri", "account_url", "account", "prefix"),
    [
        ("https://acc1.blob.core.windows.net/box", "https://acc1.blob.core.windows.net", "acc1", ""),
        ("https://acc1.blob.core.windows.net/box/", "https://acc1.blob.core.windows.net", "acc1", ""),
        ("HTTPS://ACC1.Blob.Core.Windows.Net/box/In/b/", "https://acc1.blob.core.windows.net", "acc1", "In/b/"),
        ("https://acc1.blob.core.windows.net/box/a%20b", "https://acc1.blob.core.windows.net", "acc1", "a b/"),
        ("https://acc1.dfs.core.windows.net/box", "https://acc1.blob.core.windows.net", "acc1", ""),
        ("https://acc1.z12.blob.storage.azure.net/box", "https://acc1.z12.blob.storage.azure.net", "acc1", ""),
        (
            "https://acc1.privatelink.blob.core.windows.net/box",
            *("https://acc1.privatelink.blob.core.windows.net", "acc1", ""),
        ),
        ("https://acc1.blob.core.chinacloudapi.cn/box/in", "https://acc1.blob.core.chinacloudapi.cn", "acc1", "in/"),
        ("wasbs://box@acc1.blob.core.usgovcloudapi.net", "https://acc1.blob.core.usgovcloudapi.net", "acc1", ""),
        ("wasb://box@acc1.blob.core.windows.net/a", "https://acc1.blob.core.windows.net", "acc1", "a/"),
        ("wasbs://box@acc1.blob.core.windows.net/a%20b", "https://acc1.blob.core.windows.net", "acc1", "a%20b/"),
        ("abfss://box@acc1.dfs.core.windows.net/a//b", "https://acc1.blob.core.windows.net", "acc1", "a/b/"),
        ("abfs://box@acc1.dfs.core.windows.net/", "https://acc1.blob.core.windows.net", "acc1", ""),
        (f"{EMULATOR}/box", EMULATOR, "devstoreaccount1", ""),
        (f"{EMULATOR}/box/in/", EMULATOR, "devstoreaccount1", "in/"),
        ("https://localhost:1/acc1/box", "https://localhost:1/acc1", "acc1", ""),
        ("http://azurite:10000/acc1/box", "http://azurite:10000/acc1", "acc1", ""),
        ("http://[::1]:10000/acc1/box", "http://[::1]:10000/acc1", "acc1", ""),
    ],
)
def test_every_form(uri, account_url, account, prefix):
    assert is_blob(uri)
    assert parse_blob_uri(uri) == BlobAddress(account_url, account, "box", prefix)


@pytest.mark.parametrize("uri", ["data/raw", "/data", "file:///data", "hdfs://host/data", "s3://bucket/data"])
def test_what_is_no_blob(uri):
    assert not is_blob(uri)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https://example.com/account/box", "is not the address of a blob container: write https://ACCOUNT.blob"),
        ("https://me.blob.core.windows.net.example.com/box", "is not the address of a blob container"),
        ("http://8.8.8.8/account/box", "is not the address of a blob container"),
        ("wasbs://box@example.com/in", "is not the address of a blob container"),
        ("wasbs:///in", "means the default container of a cluster"),
        ("http://acc1.blob.core.windows.net/box", "is not encrypted: write https://"),
        ("https://acc1.blob.core.windows.net", "names the container '', which cannot exist"),
        ("https://acc1.blob.core.windows.net/Box", "names the container 'Box', which cannot exist"),
        (f"{EMULATOR}", "names the container '', which cannot exist"),
        ("wasbs://acc1.blob.core.windows.net/in", "names the container '', which cannot exist"),
        ("https://acc1.blob.core.windows.net/box/a/../../etc", "has '.' or '..' in its path"),
    ],
)
def test_a_wrong_uri_is_refused(uri, said):
    with pytest.raises(InputError) as caught:
        parse_blob_uri(uri)
    assert str(caught.value).startswith(uri)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        f"{AZURE}/box?sv=2024&sig=S3CRET",
        f"{AZURE}/box/in?S3CRET",
        f"{AZURE}/box#S3CRET",
        f"{EMULATOR}/box?sig=S3CRET",
        "wasbs://box@me.blob.core.windows.net/in?sig=S3CRET",
        "https://me:S3CRET@me.blob.core.windows.net/box",
        "wasbs://box:S3CRET@me.blob.core.windows.net/in",
        "http://me:S3CRET@127.0.0.1:1/me/box",
    ],
)
def test_a_secret_in_a_uri_is_refused_and_not_shown(uri):
    for way in ("auto", "sdk"):
        with pytest.raises(InputError, match=r"name that in source\.credential") as caught:
            open_source(uri, way)
        assert "S3CRET" not in str(caught.value)


def test_a_query_that_is_empty_is_refused_too():
    with pytest.raises(InputError, match="goes on with a query"):
        parse_blob_uri(f"{AZURE}/box?")


NAMES = st.text("abc-._ %+äß手", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, max_size=3))
def test_the_location_means_the_same_folder_again(folders):
    address = BlobAddress(AZURE, "acc1", "box", "".join(f"{name}/" for name in folders))
    assert parse_blob_uri(str(address)) == address


@given(st.lists(st.sampled_from([f"{AZURE}/box", f"{EMULATOR}/box", f"{EMULATOR}/box/in", f"{AZURE}/box/in"])))
def test_every_folder_has_downloads_of_its_own(uris):
    assert len({parse_blob_uri(uri).local_name for uri in uris}) == len(set(uris))


def test_downloads_stay_below_their_folder():
    assert not parse_blob_uri(f"{EMULATOR}/box/in").local_name.is_absolute()
    assert str(parse_blob_uri(f"{EMULATOR}/box/in").local_name) == "127.0.0.1_10000_devstoreaccount1/box/in"
