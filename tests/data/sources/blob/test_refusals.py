"""What is said of a refused SAS token goes by what the token says of itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.credentials import Credential
from hpt_spark.data.sources.blob.refusals import translate_errors

HERE = parse_blob_uri("https://account1.blob.core.windows.net/box")


class RefusedError(Exception):
    """An answer of the server."""

    response = SimpleNamespace(status_code=403)
    error_code = "AuthenticationFailed"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("sv=2024-01-01&sr=c&sp=r&sig=x", "it has the permissions 'r', where r and l"),
        ("sv=2024-01-01&sr=c&si=readers&sig=x", "it was not made for this container, or was cut or revoked"),
    ],
    ids=["its own permissions", "those of a stored access policy"],
)
def test_what_is_said_of_a_refused_token(token, said):
    credential = Credential("sas", "the SAS token", token)
    assert f"was refused to the SAS token; {said}" in str(translate_errors(RefusedError(), HERE, credential))
