"""What the files in conf/ say, and what they may say."""

from __future__ import annotations

import re

from hpt_spark.config.layers import Config, load_config

SETTING = re.compile(r"--set[\s\"',]+([a-z_]+(?:\.[A-Za-z_]+)+)=")


def settings_in(text: str) -> set[str]:
    """Return the keys that ``--set`` gives in `text`; each must be one of the configuration."""
    assert text.count("--set") == len(SETTING.findall(text)), "each --set has a key"
    keys = set(SETTING.findall(text))
    known = load_config().model_dump()
    for key in keys:
        value = known
        for name in key.split("."):
            assert name in value, f"{key} is no key of the configuration"
            value = value[name]
    return keys


def accepts(*settings: str) -> Config:
    """Return the configuration of these settings, over a preset if the first is no setting."""
    presets = [setting for setting in settings if "=" not in setting]
    return load_config(presets, [setting for setting in settings if "=" in setting])
