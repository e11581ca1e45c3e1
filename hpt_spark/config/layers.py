"""The configuration: how files and ``--set`` become one value, and what is said of mistakes.

`hpt_spark.config.sections` holds every key with its default. `load_config` lays over it, in this order:
the preset ``default``, each ``--conf`` file or preset, each ``--set``.
All problems are reported at once, each with the place that caused it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from hpt_spark.config.presets import presets
from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.section import Section
from hpt_spark.config.sections import (
    FeaturesSection,
    RunSection,
    SourceSection,
    SparkSection,
    TablesSection,
    UploadSection,
)
from hpt_spark.config.submit_section import SubmitSection
from hpt_spark.config.tracking_section import TrackingSection
from hpt_spark.config.yaml_text import UNFIT, RefusedYamlError, as_yaml, read_yaml, write_yaml
from hpt_spark.errors import ConfigError, did_you_mean
from hpt_spark.masking import mask_secrets, mask_setting, masked

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

GRID = "search.param_grid"
TEXTS_OF_SPARK = (("spark", "conf"), ("features", "table", "options"))  # mappings whose values Spark takes as texts

# These mappings belong to the estimator, not to this schema: a layer that gives one replaces it
# whole, or the parameters of one estimator would leak into another's.
WHOLE_KEYS = {"search.estimator_params", "search.cv", "search.outer_cv", GRID}

# What a wrong value should have been, where pydantic's own words are for programmers.
REASONS = {
    "model_type": "must be a section with keys below it",
    "dict_type": "must be a mapping of names to values",
    "list_type": "must be a list, written in [ ]",
    "string_type": "must be a text; if it is one, put it in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}

MOST_SHOWN = 200


class Config(Section):
    """The whole configuration."""

    source: SourceSection = SourceSection()
    upload: UploadSection = UploadSection()
    tables: TablesSection = TablesSection()
    features: FeaturesSection = FeaturesSection()
    search: SearchSection = SearchSection()
    run: RunSection = RunSection()
    spark: SparkSection = SparkSection()
    submit: SubmitSection = SubmitSection()
    tracking: TrackingSection = TrackingSection()


def load_config(files: Sequence[str] = (), settings: Sequence[str] = ()) -> Config:
    """Return the configuration that `files` and `settings` describe.

    Parameters
    ----------
    files : sequence of str
        YAML files, or names of presets such as ``demo``; a later one wins over an earlier one.
    settings : sequence of str
        ``key=value`` with a dotted key and a YAML value, e.g. ``features.sets=[weekday, hour]``.

    Raises
    ------
    ConfigError
        With every problem found: unknown keys (and the nearest known one), wrong values, files
        that cannot be read.
    """
    problems: list[str] = []
    values: dict[str, Any] = Config().model_dump()
    origins: dict[str, str] = {}
    for origin, read in [*_file_layers(files), *map(_setting_layer, settings)]:
        try:
            _overlay(values, read(), origin, origins)
        except ConfigError as error:
            problems.append(str(error))
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(dict(problem), origins) for problem in error.errors()]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return config


def dump_config(config: Config) -> str:
    """Return `config` as YAML with the secrets in it masked."""
    return write_yaml(masked(config.model_dump()))


def _file_layers(names: Sequence[str]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    known = presets()
    if "default" in known:
        yield "conf/default.yaml", lambda: _read_yaml("conf/default.yaml", known["default"])
    for name in names:
        # A file wins over a preset of the same name.
        file = Path(name) if name not in known or Path(name).is_file() else known[name]
        yield name, partial(_read_yaml, name, file)


def _setting_layer(setting: str) -> tuple[str, Callable[[], dict[str, Any]]]:
    key, equals, text = setting.partition("=")
    shown = mask_setting(key, text)
    origin = f"--set {mask_secrets(key)}{equals}{shown if len(shown) <= MOST_SHOWN else shown[:MOST_SHOWN] + '...'}"
    return origin, lambda: _setting_as_mapping(key, equals, text, origin)


def _read_yaml(path: str, file: Traversable) -> dict[str, Any]:
    try:
        value = read_yaml(file.read_text(encoding="utf-8"), as_written=TEXTS_OF_SPARK)
    except OSError as error:
        raise ConfigError(
            f"--conf {path} cannot be read ({error.strerror}); name an existing YAML file, or one of the presets: "
            f"{', '.join(sorted(presets()))}."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise ConfigError(f"{path} is not valid YAML{line}: {_problem(error)}.") from None
    if value is not None and not isinstance(value, dict):
        raise ConfigError(f"{path} holds {as_yaml(value)}; it needs sections such as `search:` with keys below.")
    return value or {}


def _problem(error: Exception) -> Any:
    return getattr(error, "problem", None) or getattr(error, "reason", None) or error


def _setting_as_mapping(key: str, equals: str, text: str, origin: str) -> dict[str, Any]:
    spark_settings = ("spark.conf.", "submit.secrets.")  # whose names have dots themselves
    parts = key.strip().split(".", 2) if key.strip().startswith(spark_settings) else key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"{origin} is not of the form key=value; write e.g. --set search.cv=3.")
    try:
        value = read_yaml(text, tuple(parts), TEXTS_OF_SPARK)
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            f"{origin}: the value holds {chr(error.character)!a}, which is no character of YAML; for a file with "
            "such a name, rename it, or set LC_ALL=C.UTF-8."
        ) from None
    except RefusedYamlError as error:
        raise ConfigError(f"{origin}: {error.problem}.") from None
    except yaml.YAMLError:
        raise ConfigError(f"{origin}: the value is not valid YAML; quote it if it is a text.") from None
    for part in reversed(parts):
        value = {part: value}
    return value


def _overlay(below: dict[str, Any], above: dict[str, Any], origin: str, origins: dict[str, str], at: str = "") -> None:
    """Lay `above` over `below` in place, and note for each key where its value came from."""
    for key, value in above.items():
        path = f"{at}.{key}" if at else str(key)
        if UNFIT.search(path):
            raise ConfigError(f"{origin} has the key {path!a}, with a character that no key has; leave it out.")
        origins[path] = origin
        if not isinstance(value, dict) or _replaces(path, origin):
            below[key] = value
        else:
            below[key] = _mapping_below(below.get(key), path, origin)
            _overlay(below[key], value, origin, origins, path)


def _replaces(path: str, origin: str) -> bool:
    """Return whether the mapping that `origin` gives at `path` replaces what is there, and is not laid over it."""
    if path.startswith(f"{GRID}."):
        return True  # keys of two distributions together are none
    belongs_to_the_estimator = any(f"{path}.".startswith(f"{key}.") for key in WHOLE_KEYS)
    return belongs_to_the_estimator and not origin.startswith(f"--set {path}.")


def _mapping_below(value: Any, path: str, origin: str) -> dict[str, Any]:
    """Return the mapping over which keys are laid; a list of one grid is that grid."""
    if path == GRID and isinstance(value, list):
        if len(value) > 1:
            raise ConfigError(
                f"{origin} does not say which of the {len(value)} grids of `{path}` is meant; give them whole: "
                f"--set {path}=[...]."
            )
        value = value[0] if value else {}
    return dict(value) if isinstance(value, dict) else {}


def _sentence(problem: dict[str, Any], origins: dict[str, str]) -> str:
    names = [str(part) for part in problem["loc"]]
    # pydantic appends the index in a list and the tried member of a union to the place
    known = [".".join(names[:end]) for end in range(len(names), 0, -1)]
    place = next((path for path in known if path in origins), ".".join(names[:2]))
    where = f" in {origins[place]}" if place in origins else ""
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        return f"unknown key `{place}`{where}; {_known_instead(names)}"
    if names[-1] == "[key]":
        return f"`{place}`{where} has the name {as_yaml(problem['input'])}; a name must be a text: put it in quotes."
    got = masked(problem["input"], place)
    shown = "" if isinstance(got, (dict, list)) and len(str(got)) > 60 else f"={as_yaml(got)}"
    return f"`{place}`{shown}{where}: {_reason(problem)}"


def _known_instead(names: Sequence[str]) -> str:
    keys = _keys_of(names[:-1])
    elsewhere = [key for key in _all_keys(Config) if key.rpartition(".")[2] == names[-1].lower()]
    if elsewhere and names[-1].lower() not in keys:
        return f"did you mean {' or '.join(f'`{key}`' for key in elsewhere)}?"
    prefix = "".join(f"{name}." for name in names[:-1])
    return did_you_mean(names[-1].lower(), keys, f"known keys: {', '.join(keys)}.", prefix)


def _reason(problem: dict[str, Any]) -> str:
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    reason = REASONS.get(problem["type"].replace("_parsing", "_type").replace("_from_float", "_type"), message)
    if problem["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", reason)
        if hint := did_you_mean(str(problem["input"]), allowed, otherwise=""):
            return f"{reason}; {hint}"
    return f"{reason}."


def _keys_of(path: Sequence[str]) -> list[str]:
    model: Any = Config
    for name in path:
        field = model.model_fields.get(name)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return list(model.model_fields)


def _all_keys(model: type[BaseModel], at: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{at}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _all_keys(field.annotation, f"{at}{name}.")
