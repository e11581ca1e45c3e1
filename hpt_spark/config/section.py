"""The base of every section of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from hpt_spark.config.yaml_text import UNFIT

Name = TypeVar("Name", bound=str)
LONGEST = 10 * 366 * 86_400.0  # seconds; what waits for longer overflows somewhere


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _texts_that_can_be_passed_on(cls, value: Any, info: ValidationInfo) -> Any:
        # Neither a path nor Java can hold them: each place that uses a text would fail in its own way.
        annotation = cls.model_fields[str(info.field_name)].annotation
        is_section = isinstance(annotation, type) and issubclass(annotation, Section)  # which looks itself
        if not is_section and any(map(UNFIT.search, _texts_in(value))):
            raise ValueError(
                "holds a character that no path and no setting can have (NUL, or a byte that is not UTF-8): leave it "
                "out; for a file with such a name, rename it, or set LC_ALL=C.UTF-8"
            )
        return value


def each_once(names: list[Name], what: str = "each") -> list[Name]:
    """Return `names`; raise ValueError where one is there twice."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once; name {what} once")
    return names


def refuse_non_scalars(values: dict[Any, Any], remedy: str) -> None:
    """Raise ValueError with the `remedy` where one of the `values` is no text, number or boolean."""
    wrong = [name for name, value in values.items() if not isinstance(value, (bool, int, float, str))]
    if wrong:
        raise ValueError(f"needs one text, number or boolean for {', '.join(map(str, wrong))}; {remedy}")


def is_whole_number(value: Any) -> bool:
    """Return whether `value` is an int, and no bool, which to Python is one."""
    return isinstance(value, int) and not isinstance(value, bool)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from _texts_in(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _texts_in(item)
