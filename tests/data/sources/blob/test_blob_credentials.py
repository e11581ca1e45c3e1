"""The first credential there is, in the order that is promised; no server is asked here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hpt_spark.config.layers import load_config
from hpt_spark.data.sources.blob import credentials
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.credentials import find_credential
from hpt_spark.errors import ConfigError, InputError

HERE = parse_blob_uri("http://127.0.0.1:10000/me/box")
AZURE = parse_blob_uri("https://account1.blob.core.windows.net/box")
KEY = "S3CRETKEYS3CRETKEY=="
SAS = "sv=2024-01-01&sp=rl&sig=S3CRET%3D"
CONNECTION = f"DefaultEndpointsProtocol=http;AccountName=me;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/me;"
SAS_CONNECTION = f"BlobEndpoint=http://127.0.0.1:10000/me;SharedAccessSignature={SAS}"
ALL = {
    "MINE": SAS,
    "AZURE_STORAGE_CONNECTION_STRING": CONNECTION,
    "AZURE_STORAGE_ACCOUNT": "me",
    "AZURE_STORAGE_SAS_TOKEN": f"?{SAS}",
    "AZURE_STORAGE_KEY": KEY,
}


def without(*names):
    return {name: value for name, value in ALL.items() if name.removeprefix("AZURE_STORAGE_") not in names}


@pytest.mark.parametrize(
    ("named", "environment", "kind", "value", "way"),
    [
        ("MINE", ALL, "sas", SAS, "the SAS token in the environment variable MINE"),
        (None, ALL, "key", KEY, "the account key of the connection string in the environment variable AZURE_STORAGE_C"),
        (None, without("CONNECTION_STRING"), "sas", SAS, "the SAS token in the environment variable AZURE_STORAGE_SAS"),
        (None, without("CONNECTION_STRING", "SAS_TOKEN"), "key", KEY, "the account key in the environment variable AZ"),
        (None, without("CONNECTION_STRING", "ACCOUNT"), "anonymous", None, "no credential, because none was found"),
        (None, {}, "anonymous", None, "no credential, because none was found"),
        ("anonymous", ALL, "anonymous", None, "no credential (source.credential=anonymous)"),
    ],
)
def test_the_order(named, environment, kind, value, way):
    found = find_credential(HERE, named, environment)
    assert (found.kind, found.value) == (kind, value)
    assert found.way.startswith(way)
    assert "S3CRET" not in repr(found)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (KEY, "key", KEY),
        (f" {KEY}\n", "key", KEY),
        (SAS, "sas", SAS),
        (f"?{SAS}", "sas", SAS),
        (f"http://127.0.0.1:10000/me/box?{SAS}", "sas", SAS),
        (CONNECTION, "key", KEY),
        (CONNECTION.replace("AccountName", "accountname").replace("AccountKey", "ACCOUNTKEY"), "key", KEY),
        (SAS_CONNECTION, "sas", SAS),
    ],
)
def test_a_named_variable_may_hold_each_kind(text, kind, value):
    found = find_credential(HERE, "MINE", {"MINE": text})
    assert (found.kind, found.value) == (kind, value)


def test_the_emulators_short_connection_string():
    address = parse_blob_uri("http://127.0.0.1:10000/devstoreaccount1/box")
    found = find_credential(address, None, {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"})
    assert found.kind == "key"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "names the environment variable MINE, which is not set"),
        ({"MINE": " "}, "which is not set"),
        ({"MINE": "S3CRET !"}, "holds neither a connection string nor a SAS token nor an account key"),
        ({"MINE": CONNECTION.replace("=me;", "=you;")}, "is a connection string of another account (you)"),
        ({"MINE": "AccountName=me;Foo=S3CRET"}, "with neither AccountKey nor SharedAccessSignature"),
        ({"MINE": ";S3CRET"}, "of another account (it names none)"),
        ({"MINE": f"https://you.blob.core.windows.net/me?{SAS}"}, "is a SAS URL of another account (you.blob.core.win"),
    ],
)
def test_a_named_variable_that_does_not_fit_is_refused_and_nothing_else_tried(environment, said):
    with pytest.raises(InputError) as caught:
        find_credential(HERE, "MINE", {**without("MINE"), **environment} if environment else {})
    assert said in str(caught.value)
    assert "S3CRET" not in str(caught.value)


def test_the_url_that_the_portal_shows_below_a_token_is_taken_for_the_token():
    for url in ("https://account1.blob.core.windows.net/", "https://account1.blob.core.windows.net/box"):
        environment = {"AZURE_STORAGE_ACCOUNT": "account1", "AZURE_STORAGE_SAS_TOKEN": f"{url}?{SAS}"}
        found = find_credential(AZURE, None, environment)
        assert (found.kind, found.value) == ("sas", SAS)


def test_what_is_for_another_account_is_passed_over_and_never_sent():
    environment = {**ALL, "AZURE_STORAGE_CONNECTION_STRING": CONNECTION.replace("=me;", "=you;")}
    found = find_credential(HERE, None, environment)
    assert found.kind == "sas"
    assert found.passed_over == ("AZURE_STORAGE_CONNECTION_STRING is a connection string of another account (you)",)
    found = find_credential(HERE, None, {**environment, "AZURE_STORAGE_ACCOUNT": "you"})
    assert found.kind == "anonymous"
    assert found.passed_over[1] == "AZURE_STORAGE_ACCOUNT names another account (you)"
    assert "S3CRET" not in str(found.passed_over)


def test_a_key_without_its_account_is_passed_over_and_told():
    found = find_credential(HERE, None, {"AZURE_STORAGE_KEY": KEY})
    assert found.kind == "anonymous"
    assert found.passed_over[0] == "AZURE_STORAGE_KEY is set, but not AZURE_STORAGE_ACCOUNT, which says whose it is"


def test_an_identity_is_asked_for_over_https_only(monkeypatch):
    monkeypatch.setattr(credentials, "_identity", lambda: ("an identity", ""))
    assert find_credential(AZURE, None, {}).kind == "identity"
    assert find_credential(HERE, None, {}).kind == "anonymous"
    assert find_credential(AZURE, "anonymous", {}).kind == "anonymous"
    both = {"AZURE_STORAGE_ACCOUNT": "account1", "AZURE_STORAGE_KEY": KEY}
    assert find_credential(AZURE, None, both).kind == "key"


def test_without_an_identity_it_is_said_why(monkeypatch):
    monkeypatch.setattr(credentials, "_identity", lambda: (None, "nobody is signed in"))
    found = find_credential(AZURE, None, {})
    assert (found.kind, found.passed_over) == ("anonymous", ("nobody is signed in",))


@pytest.mark.parametrize("secret", [KEY, SAS, CONNECTION, "S3CRET with spaces", "S3CRET" * 20])
def test_a_secret_in_place_of_a_variables_name_is_refused_and_not_shown(secret):
    with pytest.raises(ConfigError) as caught:
        load_config([], [f"source.credential='{secret}'"])
    assert "must be the name of an environment variable" in str(caught.value)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.process
def test_without_the_extra_a_folder_works_and_a_blob_says_what_to_install(tmp_path):
    program = (
        "import sys; sys.modules['azure'] = None\n"
        "from hpt_spark.data.sources.opening import open_source\n"
        f"open_source({str(tmp_path)!r})\n"
        "from hpt_spark.errors import MissingDependencyError\n"
        "try: open_source('http://127.0.0.1:1/me/box')\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "Blob storage needs azure-storage-blob, which is not installed; run: pip install 'hpt-spark[azure]'.\n"
    )


@pytest.mark.process
def test_a_folder_does_not_import_azure(tmp_path):
    program = f"import sys; from hpt_spark.data.sources.opening import open_source; open_source({str(tmp_path)!r})\n"
    program += "sys.exit('azure.core' in sys.modules or 'azure.storage.blob' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
