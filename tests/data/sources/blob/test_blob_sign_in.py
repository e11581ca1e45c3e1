"""Each way into an account, used for real; and what is said where it does not lead in."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import socket
import subprocess
import threading
import time

import pytest

from bench.azurite import ACCOUNT, running_azurite
from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.container import Container
from hpt_spark.data.sources.blob.download import download
from hpt_spark.data.sources.blob.upload import upload
from hpt_spark.errors import InputError, TransferError
from tests.data.sources.blob.proxy import cut_at

pytestmark = [pytest.mark.blob, pytest.mark.usefixtures("quick")]

DATA = b"some bytes"


def sas(place, permission="rl", hours=1.0, start=None, container=""):
    from azure.storage.blob import generate_container_sas

    now = datetime.datetime.now(datetime.timezone.utc)
    return generate_container_sas(
        ACCOUNT,
        container or place.name,
        account_key=place.azurite.key,
        permission=permission,
        expiry=now + datetime.timedelta(hours=hours),
        start=start and now + datetime.timedelta(hours=start),
    )


def fetched(place, folder, named=None, uri=None):
    container = Container(parse_blob_uri(uri or place.uri), named)
    download(container, container.blobs(), folder)
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def refused(place, folder, named=None, uri=None):
    with pytest.raises(InputError) as caught:
        fetched(place, folder, named, uri)
    assert caught.value.__context__ is None  # the SDK's own error may hold the URL with the token in it
    text = str(caught.value)
    assert place.azurite.key not in text
    assert "sig=" not in text
    return text


@pytest.fixture
def variables(monkeypatch, place):
    """Set the variables of the account, and no others; the container holds a blob."""
    place.put("a.csv", DATA)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")

    def set_them(**values):
        for name, value in values.items():
            monkeypatch.setenv(name if name.startswith("MY_") else f"AZURE_STORAGE_{name}", value)

    return set_them


@pytest.fixture
def public(place):
    client = place.azurite.service().get_container_client(place.name)
    client.set_container_access_policy({}, public_access="container")


# --- what leads in


def test_an_account_key(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, KEY=place.azurite.key)
    assert fetched(place, tmp_path) == {"a.csv": DATA}


def test_a_sas_token(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=f"?{sas(place)}", KEY="d3Jvbmc=")
    assert fetched(place, tmp_path) == {"a.csv": DATA}


def test_a_connection_string(place, tmp_path, variables):
    variables(CONNECTION_STRING=place.azurite.connection_string, ACCOUNT=ACCOUNT, KEY="d3Jvbmc=")
    assert fetched(place, tmp_path) == {"a.csv": DATA}


def test_a_connection_string_with_a_sas_token(place, tmp_path, variables):
    variables(CONNECTION_STRING=f"BlobEndpoint={place.azurite.url};SharedAccessSignature={sas(place)}")
    assert fetched(place, tmp_path) == {"a.csv": DATA}


@pytest.mark.parametrize("kind", ["key", "sas", "connection_string"])
def test_a_variable_that_the_configuration_names(place, tmp_path, variables, kind):
    values = {"key": place.azurite.key, "sas": sas(place), "connection_string": place.azurite.connection_string}
    variables(MY_SECRET=values[kind], ACCOUNT=ACCOUNT, KEY="d3Jvbmc=")
    assert fetched(place, tmp_path, "MY_SECRET") == {"a.csv": DATA}


@pytest.mark.usefixtures("public")
def test_a_public_container_needs_nothing(place, tmp_path, variables):
    assert fetched(place, tmp_path) == {"a.csv": DATA}


@pytest.mark.usefixtures("public")
def test_a_public_container_though_there_is_a_credential_that_is_wrong(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, KEY="d3Jvbmc=")
    assert fetched(place, tmp_path, "anonymous") == {"a.csv": DATA}


# --- what does not


def test_a_wrong_key(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, KEY=base64.b64encode(b"wrong" * 12).decode())
    assert refused(place, tmp_path) == (
        f"{place.uri} was refused to the account key in the environment variable AZURE_STORAGE_KEY; the key is wrong "
        "or was renewed: copy it again from the account's access keys."
    )


def test_something_that_is_no_key(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, KEY="S3CRET")
    text = refused(place, tmp_path)
    assert "AZURE_STORAGE_KEY; it is not the key of an account: copy the key again." in text
    assert "S3CRET" not in text


def test_an_expired_sas_token(place, tmp_path, variables):
    token = sas(place, hours=-1)
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=token)
    assert "AZURE_STORAGE_SAS_TOKEN; it expired at 20" in refused(place, tmp_path)


def test_a_sas_token_of_the_future(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=sas(place, hours=9, start=8))
    assert "; it is valid only from 20" in refused(place, tmp_path)


def test_a_sas_token_without_the_right(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=sas(place, "r"))
    assert "; it has the permissions 'r', where r and l (read, list) on the container are needed" in refused(
        place, tmp_path
    )


def test_a_sas_token_of_another_container(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=sas(place, container="other"))
    assert "; it was not made for this container, or was cut or revoked: make a new one" in refused(place, tmp_path)


def test_a_sas_token_that_was_cut(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=sas(place)[:-6])
    assert "; it was not made for this container, or was cut or revoked" in refused(place, tmp_path)


def test_a_sas_token_that_may_not_write(place, tmp_path, variables):
    for name in TABLES:
        (tmp_path / f"{name}.csv").write_text(name)
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=sas(place))
    with pytest.raises(InputError, match=r"permissions 'rl', where r, l, c and w \(read, list, create, write\)"):
        upload(tmp_path, place.uri)


def test_a_private_container_without_a_credential(place, tmp_path, variables):
    variables(ACCOUNT="somebody", KEY="d3Jvbmc=")
    text = refused(place, tmp_path)
    assert text.startswith(f"{place.uri} was refused to no credential, because none was found; the container is")
    assert "set AZURE_STORAGE_CONNECTION_STRING, name another variable in source.credential, or run `az login`" in text
    assert "role Storage Blob Data Reader" in text
    assert "Passed over: AZURE_STORAGE_ACCOUNT names another account (somebody); an identity's token is" in text


def test_a_missing_container(place, tmp_path, variables):
    variables(CONNECTION_STRING=place.azurite.connection_string)
    uri = place.uri.replace(place.name, "no-such-one")
    text = refused(place, tmp_path, uri=uri)
    assert text == f"the account {ACCOUNT} has no container 'no-such-one': correct source.uri"


def test_a_server_that_is_not_there(place, tmp_path, variables):
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=sas(place))
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(TransferError, match="no server listens there; correct source") as caught:
        fetched(place, tmp_path, uri=f"http://127.0.0.1:{port}/{ACCOUNT}/{place.name}")
    assert "sig" not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_account_that_does_not_exist(place, tmp_path, variables, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    with pytest.raises(TransferError, match=r"its host is unknown; correct the account's name \(nosuchaccount\)"):
        fetched(place, tmp_path, "anonymous", "https://nosuchaccount.blob.core.windows.net/box")


def unknown_host(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_token_is_masked_in_the_warnings_of_the_sdks_own_libraries(place, tmp_path, variables, caplog):
    token = sas(place)
    variables(ACCOUNT=ACCOUNT, SAS_TOKEN=token)
    place.proxy.on_way = lambda exchange, part: (
        cut_at(exchange, part, 200) if exchange is place.proxy.exchanges[0] else part
    )
    with caplog.at_level("DEBUG"):
        assert fetched(place, tmp_path) == {"a.csv": DATA}
    assert "Failed to parse headers" in caplog.text
    assert token.rpartition("sig=")[2] not in caplog.text


# --- an identity: DefaultAzureCredential asks a managed identity's endpoint, Azurite checks the token


class IdentityEndpoint(http.server.BaseHTTPRequestHandler):
    """Answers as the endpoint of a managed identity does."""

    audience = "https://storage.azure.com"
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        now = int(time.time())
        claims = {"aud": self.audience, "iss": "https://sts.windows.net/0/", "iat": now, "nbf": now, "exp": now + 3600}
        parts = [{"typ": "JWT", "alg": "RS256"}, claims]
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        answer = {"access_token": f"{token}.c2lnbmF0dXJl", "expires_on": str(now + 3600), "token_type": "Bearer"}
        body = json.dumps({**answer, "resource": self.audience}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def https_azurite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    options += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(["openssl", "req", *options], check=True, capture_output=True)
    with running_azurite("--oauth", "basic", "--cert", f"{folder}/cert.pem", "--key", f"{folder}/key.pem") as server:
        service = server.service(connection_verify=str(folder / "cert.pem"))
        service.create_container("box")
        service.get_blob_client("box", "a.csv").upload_blob(DATA)
        yield server, folder / "cert.pem"


@pytest.fixture
def identity(https_azurite, monkeypatch):
    """Sign this process in; return the URI of a container over https."""
    azurite, certificate = https_azurite
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), IdentityEndpoint) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{endpoint.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        monkeypatch.setattr(IdentityEndpoint, "asked", 0)
        yield f"{azurite.url}/box"
        endpoint.shutdown()


def test_an_identity(place, tmp_path, variables, identity):
    assert fetched(place, tmp_path, uri=identity) == {"a.csv": DATA}
    assert IdentityEndpoint.asked > 0


def test_an_identity_that_is_refused(place, tmp_path, variables, identity, monkeypatch):
    monkeypatch.setattr(IdentityEndpoint, "audience", "https://example.com")
    assert refused(place, tmp_path, uri=identity) == (
        f"{identity} was refused to the identity that DefaultAzureCredential found; it needs the role Storage Blob "
        "Data Reader on the container, which takes minutes to act."
    )


def test_no_identity(place, tmp_path, variables, identity, monkeypatch):
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    monkeypatch.delenv("IDENTITY_HEADER")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    text = refused(place, tmp_path, uri=identity)
    assert "Passed over: DefaultAzureCredential found no identity" in text


def test_a_certificate_that_is_not_trusted(place, tmp_path, variables, identity, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(TransferError, match="its certificate is not trusted; name the authority's file in REQUESTS_CA"):
        fetched(place, tmp_path, "anonymous", identity)
