"""The account, container and folder that a blob URI names."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import SplitResult, quote, unquote, urlsplit

from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets

FORMS = (
    "https://ACCOUNT.blob.core.windows.net/CONTAINER[/FOLDER], "
    "wasbs://CONTAINER@ACCOUNT.blob.core.windows.net[/FOLDER], "
    "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/FOLDER] or, for an emulator, http://127.0.0.1:PORT/ACCOUNT/CONTAINER"
)

_WEB = ("http", "https")
_HADOOP = ("wasb", "wasbs", "abfs", "abfss")
_AZURE_HOST = re.compile(
    r"(?P<account>[a-z0-9]{3,24})(?P<zone>(?:\.z\d+)?(?:\.privatelink)?)\.(?:blob|dfs)"
    r"\.(?P<cloud>core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|core\.cloudapi\.de|storage\.azure\.net)"
)
_CONTAINER = re.compile(r"\$(root|web|logs)|[a-z0-9](-?[a-z0-9]){2,62}")


@dataclass(frozen=True)
class BlobAddress:
    """A folder of a container."""

    account_url: str  # where the account answers, e.g. ``https://ACCOUNT.blob.core.windows.net``
    account: str  # its name
    container: str
    prefix: str = ""  # what the names of the folder's blobs start with: empty, or it ends with a slash

    def __str__(self) -> str:
        return self.location_of("").rstrip("/")

    def location_of(self, name: str) -> str:
        """Return the URL of the blob `name`, for messages; it carries no secret."""
        return f"{self.account_url}/{self.container}/{quote(self.prefix + name)}"

    @property
    def encrypted(self) -> bool:
        """Whether requests go over TLS."""
        return self.account_url.startswith("https:")

    @property
    def local_name(self) -> PurePosixPath:
        """The path of its own, below a folder of downloads, that this folder has."""
        server = re.sub(r"[^A-Za-z0-9.-]", "_", self.account_url.partition("://")[2].replace("/", "+"))
        return PurePosixPath(server, self.container, self.prefix)


def parse_blob_uri(uri: str) -> BlobAddress:
    """Return the address in a URI that `hpt_spark.storage.is_blob` accepts.

    Raises
    ------
    InputError
        If it is none of the known forms, or carries a secret.
    """
    parts = urlsplit(uri)
    _refuse_secrets(uri, parts)
    address = _parse_hadoop_form(uri, parts) if parts.scheme.lower() in _HADOOP else _parse_web_form(uri, parts)
    if not _CONTAINER.fullmatch(address.container):
        raise InputError(
            f"{uri} names the container '{address.container}', which cannot exist: a name has 3 to 63 lower-case "
            f"letters, digits and single hyphens; write {FORMS}"
        )
    if {".", ".."} & set(address.prefix.split("/")):
        raise InputError(f"{uri} has '.' or '..' in its path: name the folder as it is in the container")
    return address


def _refuse_secrets(uri: str, parts: SplitResult) -> None:
    shown = without_secrets(uri).partition("#")[0]
    if "?" in uri or "#" in uri:
        raise InputError(
            f"the URI {shown} goes on with a query, which may be a secret (a SAS token): leave out "
            "the '?' and what follows, keep the token in an environment variable and name that in source.credential"
        )
    if parts.password is not None or (parts.username is not None and parts.scheme.lower() in _WEB):
        raise InputError(
            f"the URI {shown} holds a user or a password: take it out, keep the account's key in an environment "
            "variable and name that in source.credential"
        )


def _parse_web_form(uri: str, parts: SplitResult) -> BlobAddress:
    segments = unquote(parts.path).strip("/").split("/")
    azure = _AZURE_HOST.fullmatch(parts.netloc.lower())
    if azure:
        if parts.scheme.lower() == "http":
            raise InputError(f"{uri} is not encrypted: write https:// instead of http://")
        return BlobAddress(_account_url(azure), azure["account"], segments[0], _as_prefix(segments[1:]))
    if not _is_near(parts.hostname or ""):
        raise InputError(f"{uri} is not the address of a blob container: write {FORMS}")
    account, container, *folders = [*segments, ""][: max(2, len(segments))]
    return BlobAddress(f"{parts.scheme.lower()}://{parts.netloc}/{account}", account, container, _as_prefix(folders))


def _parse_hadoop_form(uri: str, parts: SplitResult) -> BlobAddress:
    # Not unquoted: for Hadoop a % is a character like any other.
    container, _, host = parts.netloc.rpartition("@")
    azure = _AZURE_HOST.fullmatch(host.lower())
    if not parts.netloc:
        raise InputError(
            f"{uri} means the default container of a cluster: read it with source.via=hadoop there, or write {FORMS}"
        )
    if not azure:
        raise InputError(f"{uri} is not the address of a blob container: write {FORMS}")
    return BlobAddress(_account_url(azure), azure["account"], container, _as_prefix(parts.path.strip("/").split("/")))


def _account_url(azure: re.Match[str]) -> str:
    return f"https://{azure['account']}{azure['zone']}.blob.{azure['cloud']}"


def _as_prefix(folders: list[str]) -> str:
    return "".join(f"{folder}/" for folder in folders if folder)


def _is_near(host: str) -> bool:
    """Return whether an emulator may answer there: this machine, a private network, a name without a domain."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and "." not in host
