"""The client of Azure's SDK for a container, without retries of its own and without secrets in its log."""

from __future__ import annotations

import logging
from typing import Any

from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.data.sources.blob.credentials import Credential
from hpt_spark.errors import MissingDependencyError
from hpt_spark.masking import mask_secrets

NO_AZURE = "Blob storage needs azure-storage-blob, which is not installed; run: pip install 'hpt-spark[azure]'."

CONNECT_TIMEOUT, SILENCE = 20.0, 20.0  # seconds


def open_client(address: BlobAddress, credential: Credential) -> Any:
    """Return the SDK's client of a container."""
    try:
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import ContainerClient
    except ImportError:
        raise MissingDependencyError(NO_AZURE) from None
    value = credential.value
    if credential.kind == "key":
        value = AzureNamedKeyCredential(address.account, value)
    elif credential.kind == "sas":
        value = AzureSasCredential(value)
    _mask_urllib3_logs()
    transport = RequestsTransport(connection_timeout=CONNECT_TIMEOUT, read_timeout=SILENCE)
    transport.open()
    transport.session.hooks["response"].append(_keep_packed)
    return ContainerClient(
        address.account_url,
        address.container,
        credential=value,
        retry_total=0,  # `Retry` tries again, whatever the failure
        transport=transport,
    )


def _keep_packed(response: Any, **_: Any) -> None:
    """Let a range of a blob stay as it lies: where the blob has a Content-Encoding, it would be unpacked by itself."""
    if "x-ms-range" in response.request.headers:
        response.raw.headers.pop("Content-Encoding", None)


def _mask_urllib3_logs() -> None:
    """Mask the URLs of requests in urllib3's log lines: a SAS token is part of them."""
    for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
        log = logging.getLogger(f"urllib3.{name}")
        if _mask not in log.filters:
            log.addFilter(_mask)


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = mask_secrets(record.getMessage()), ()
    return True
