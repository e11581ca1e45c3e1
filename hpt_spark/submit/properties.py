"""Files of Spark properties, such as ``spark-defaults.conf``."""

from __future__ import annotations

import re
from pathlib import Path

from hpt_spark.errors import InputError

# Spark reads them as Java's Properties: the first blank, = or : ends the name.
LINE = re.compile(r"([^\s=:#!]+)\s*[=:\s]\s*(.*)")


def read_properties(path: str) -> dict[str, str]:
    """Return the properties of a file.

    Raises
    ------
    InputError
        When it cannot be read, or Spark would not accept a line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(
            f"submit.properties={path} cannot be read ({reason}); name a local file of Spark properties."
        ) from None
    found: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line[0] in "#!":
            continue
        parts = LINE.fullmatch(line)
        if parts is None or not parts[1].startswith("spark.") or "\\" in line:
            # The line may be a secret that somebody has put there: it is not shown.
            raise InputError(
                f"submit.properties={path}: line {number} is no property of Spark; write the name, which begins with "
                "spark., a space and the value, on one line and without a backslash."
            )
        found[parts[1]] = parts[2].strip()
    return found


def write_properties(path: Path, properties: dict[str, str], below: str) -> None:
    """Write properties that only this user can read, after the text `below` of a file that they override."""
    path.touch(mode=0o600)
    lines = [f"{_escaped(name)} {_escaped(value)}" for name, value in properties.items()]
    path.write_text("\n".join([below, *lines, ""]), encoding="utf-8", errors="surrogateescape")


def _escaped(text: str) -> str:
    """Return `text` as Java's Properties read it back."""
    marked = re.sub(r"[\\=:#! ]", r"\\\g<0>", text).replace("\n", r"\n").replace("\t", r"\t").replace("\r", r"\r")
    codes = marked.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(codes[at : at + 2], "big") for at in range(0, len(codes), 2))
    return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}" for unit in units)
