"""The section of the configuration that says how `hpt-spark submit` hands a job to a cluster."""

from __future__ import annotations

import re
from typing import Literal, Union
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from hpt_spark.config.section import LONGEST, Section
from hpt_spark.config.yaml_text import as_yaml

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class SubmitSection(Section):
    """How `hpt-spark submit` hands a job to spark-submit or to Livy; a path is local or any Hadoop path."""

    target: Literal["spark-submit", "livy"] = Field(
        "spark-submit", description="Who starts the job: spark-submit on this machine, or a Livy server (`--target`)."
    )
    deploy_mode: Union[Literal["client", "cluster"], None] = Field(
        None,
        description="Where spark-submit runs the driver; null: as it is configured. Livy's server decides for itself.",
    )
    bundle: Union[str, None] = Field(
        None,
        min_length=1,
        description=(
            "The folder that `make bundle` made. Livy needs one that its cluster can read. Null takes the jobs of the "
            "installed package, which the driver's Python then needs as well."
        ),
    )
    environment: Union[str, None] = Field(
        None,
        min_length=1,
        description=(
            "The archive of a Python environment; each container unpacks it as `./env`. Null: every node has the "
            "Python already."
        ),
    )
    properties: Union[str, None] = Field(
        None,
        min_length=1,
        description="A local file of Spark properties, such as `conf/hdinsight/spark.properties`; `spark.conf` wins.",
    )
    files: list[str] = Field([], description="More files for the working folder of each container.")
    py_files: list[str] = Field([], description="Modules of your own (`.py`, `.zip`), such as that of an estimator.")
    queue: Union[str, None] = Field(None, min_length=1, description="The queue of YARN.")
    name: Union[str, None] = Field(
        None, min_length=1, description="The application's name; null is `hpt-spark` and the job's name."
    )
    secrets: dict[str, str] = Field(
        {},
        description=(
            "Spark settings with a secret value, each with the name of the environment variable that holds it: "
            "`{spark.hadoop.fs.azure.account.key.ACCOUNT.blob.core.windows.net: AZURE_STORAGE_KEY}`. spark-submit "
            "reads them from a file that only this user can read. Livy cannot have any."
        ),
    )
    livy_url: Union[str, None] = Field(
        None,
        description=(
            "The Livy server, such as `https://CLUSTER.azurehdinsight.net/livy`. `HPT_SPARK_LIVY_USER` and "
            "`HPT_SPARK_LIVY_PASSWORD` sign in."
        ),
    )
    livy_poll: float = Field(10, gt=0, le=3600, strict=True, description="Seconds between two looks at a batch.")
    livy_patience: float = Field(
        600,
        gt=0,
        le=LONGEST,
        strict=True,
        description="Seconds for which requests are repeated while Livy is unreachable or answers 429 or 5xx.",
    )

    @field_validator("livy_url")
    @classmethod
    def _one_of_a_server(cls, url: Union[str, None]) -> Union[str, None]:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits or parts.query or parts.fragment or not re.fullmatch("[!-~]+", url):
            raise ValueError("must be http://HOST:PORT or https://CLUSTER.azurehdinsight.net/livy")
        if "@" in parts.netloc:
            raise ValueError(
                "must not hold a user or a password; put them into HPT_SPARK_LIVY_USER and HPT_SPARK_LIVY_PASSWORD"
            )
        return url.rstrip("/").removesuffix("/batches")

    @field_validator("files", "py_files")
    @classmethod
    def _separable(cls, paths: list[str]) -> list[str]:
        odd = [path for path in paths if not path or "," in path]
        if odd:
            raise ValueError(f"has {as_yaml(odd[0])}; spark-submit separates paths by commas: rename it")
        return paths

    @field_validator("secrets")
    @classmethod
    def _names_alone(cls, secrets: dict[str, str]) -> dict[str, str]:
        # The value is not shown: it may be the secret itself.
        for setting, variable in secrets.items():
            if not re.fullmatch(r"spark\.[^\s=:]+", setting):
                raise ValueError(f"has the name {as_yaml(setting)}; write one of Spark's, such as spark.hadoop.fs...")
            if not VARIABLE.fullmatch(variable):
                raise ValueError(
                    f"needs for {setting} the name of an environment variable that holds the secret, never the secret "
                    "itself"
                )
        return secrets
