"""The sections of the configuration: every key, its default, and what it may be."""

from __future__ import annotations

import re
from typing import Any, Literal, Union, get_args

from pydantic import Field, create_model, field_validator, model_validator

from hpt_spark.config.section import Section, each_once, refuse_non_scalars
from hpt_spark.config.table_section import TableSection
from hpt_spark.config.yaml_text import as_yaml

FeatureSet = Literal["brand_model", "weekday", "hour", "weekday_hour", "app", "label", "category", "category_word"]
FEATURE_SETS: tuple[FeatureSet, ...] = get_args(FeatureSet)

MASTERS = r"local|local\[(\*|[1-9]\d*)(, *\d+)?\]|local-cluster\[\d+, *\d+, *\d+\]|yarn|(k8s|mesos)://.+|"
MASTERS += r"spark://[^,/:]+:\d+(,[^,/:]+:\d+)*|spark://\[[0-9a-fA-F:.]+\]:\d+"


class SourceSection(Section):
    """Where the seven CSV files lie; `credential` names an environment variable and never is a secret."""

    uri: str = Field(
        "data/raw",
        min_length=1,
        description=(
            "The folder of the seven files: a local one, a blob container "
            "(`https://ACCOUNT.blob.core.windows.net/CONTAINER[/FOLDER]`, `wasbs://`, `abfss://`), or any Hadoop "
            "path."
        ),
    )
    via: Literal["auto", "sdk", "hadoop"] = Field(
        "auto",
        description=(
            "`auto`: blobs with Azure's SDK, other URIs by Hadoop. `sdk`: the same, for blobs only. `hadoop`: by "
            "the file systems and the credentials of the cluster, also for a plain path and a blob URL."
        ),
    )
    credential: Union[str, None] = Field(
        None,
        description=(
            "The name of the environment variable that holds a connection string, a SAS token or an account key; "
            "or `anonymous`. Null looks in the usual places."
        ),
    )
    downloads: str = Field(
        "data/downloads",
        min_length=1,
        description="The folder in which blobs are kept, so that an equal one is not downloaded again.",
    )
    max_bad_rows: int = Field(
        0,
        ge=0,
        strict=True,
        description="How many unparsable rows of each file may be left out; they are counted and reported.",
    )

    @field_validator("credential")
    @classmethod
    def _name_of_a_variable(cls, credential: Union[str, None]) -> Union[str, None]:
        if credential is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", credential):
            raise ValueError(
                "must be the name of an environment variable that holds the secret, never the secret itself; or "
                "`anonymous`, or null to look in the usual places"
            )
        return credential


class UploadSection(Section):
    """What the job `upload` puts into the container of ``source.uri``."""

    folder: str = Field(
        "data/raw", min_length=1, description="The folder of the seven files that `upload` sends to `source.uri`."
    )
    create_container: bool = Field(False, strict=True, description="Whether `upload` creates a missing container.")


class TablesSection(Section):
    """Where the Parquet tables are kept."""

    uri: str = Field(
        "data/tables",
        min_length=1,
        description=(
            "The folder of the Parquet tables, local or any Hadoop path. Tables that other programs wrote are "
            "read too; those of `app_events` should be in files of 10 to 15 MB, as `ingest` writes them, because "
            "a file is in memory whole."
        ),
    )


# The key is a word of Python's, which no class body can declare.
_FROM: Any = {
    "from": (
        Literal["talkingdata", "table"],
        Field(
            "talkingdata",
            description="`talkingdata`: the scenario's tables. `table`: the one table that `features.table` names.",
        ),
    )
}
_From: Any = create_model("_From", __base__=Section, **_FROM)


class FeaturesSection(_From):
    """Which features to build, and how."""

    table: TableSection = Field(TableSection(), description="See below.")
    blocks: list[str] = Field(
        [],
        description=(
            "Blocks of your own: dotted paths of functions `(tables) -> DataFrame(device_id, block, term, value)`."
        ),
    )
    sets: list[FeatureSet] = Field(
        list(FEATURE_SETS),
        min_length=1,
        description="The feature sets; each brings one block of columns, `brand_model` two.",
    )
    encoding: Literal["fraction", "indicator"] = Field(
        "fraction",
        description=(
            "`fraction`: a device's share of its events, or of its app events. `indicator`: 1 where the device "
            "has the term."
        ),
    )
    min_devices: int = Field(1, ge=1, strict=True, description="Terms that fewer training devices have are left out.")

    @field_validator("sets")
    @classmethod
    def _each_set_once(cls, sets: list[FeatureSet]) -> list[FeatureSet]:
        return each_once(sets, "each set")

    @property
    def is_from_table(self) -> bool:
        """Whether the features are those of a table of the user's own."""
        return bool(getattr(self, "from") == "table")

    @model_validator(mode="after")
    def _a_table_where_there_is_one(self) -> FeaturesSection:
        if self.is_from_table:
            self.table.refuse_without_table()
        elif self.table.is_given():
            raise ValueError("has a table, which from: talkingdata does not read; write from: table, or leave it out")
        return self


class RunSection(Section):
    """Where the results of one run are kept."""

    dir: str = Field(
        "runs/demo", min_length=1, description="The folder of the design and of all results, local or any Hadoop path."
    )
    overwrite: bool = Field(
        False,
        strict=True,
        description=(
            "Whether the results of another search may be replaced (`--overwrite`): they go, `submission.csv` "
            "too, when the new search begins."
        ),
    )


class SparkSection(Section):
    """How Spark is started; a null master leaves it to spark-submit, else ``local[*]``."""

    master: Union[str, None] = Field(None, description="Null leaves it to spark-submit, else `local[*]`.")
    conf: dict[str, Union[bool, int, float, str]] = Field(
        {},
        description=(
            "Any settings of Spark, e.g. `{spark.driver.memory: 4g}`. A Spark that a job starts on this machine "
            "opens no UI by itself: `{spark.ui.enabled: true}` does."
        ),
    )

    @property
    def conf_as_text(self) -> dict[str, str]:
        """`conf` as Spark writes it: a switch is ``true`` or ``false``."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.conf.items()
        }

    @field_validator("master")
    @classmethod
    def _one_that_spark_knows(cls, master: Union[str, None]) -> Union[str, None]:
        # Spark finds out as well, but only in Java, which writes its stack trace before any message of ours.
        if master is not None and not re.fullmatch(MASTERS, master):
            raise ValueError(
                "must be local[*], local[CORES], yarn, spark://HOST:PORT or k8s://HOST:PORT; or null, to leave it to "
                "spark-submit, else local[*]"
            )
        return master

    @field_validator("conf", mode="before")
    @classmethod
    def _scalars(cls, conf: Any) -> Any:
        if not isinstance(conf, dict):
            return conf
        odd = [name for name in conf if isinstance(name, str) and not re.fullmatch(r"[^\s=]+", name)]
        if odd:
            raise ValueError(f"has the name {as_yaml(odd[0])}; write one of Spark's, without spaces and without =")
        refuse_non_scalars(conf, "the whole name of a setting is one key, e.g. spark.driver.memory: 4g")
        return conf
