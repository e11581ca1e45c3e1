"""What the files in conf/ say, and what they may say."""

from __future__ import annotations

import re
from pathlib import Path

from hpt_spark.config.layers import load_config

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


def properties(file: Path, **others: str) -> dict[str, str]:
    """Return the properties of a Java properties file and `others`, with the references to one another resolved."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    found = {**dict(line.split("=", 1) for line in lines), **others}
    return {name: re.sub(r"\$\{(\w+)\}", lambda ref: found[ref[1]], value) for name, value in found.items()}


def bash_blocks(file: Path) -> list[str]:
    """Return the blocks of a Markdown file that are marked as bash."""
    return re.findall(r"^```bash\n(.*?)^```$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
