"""Why fits failed: what an exception says, within bounds, and in one line its first words out of a traceback."""

from __future__ import annotations

import re

from hpt_spark.masking import mask_secrets

# scikit-learn's text of all failures has such a heading above each group of equal ones.
GROUP = re.compile(r"^-{20,}\n(\d+) fits failed with the following error:\n", re.MULTILINE)
CHAINED = re.compile(
    r"^(?:During handling of the above exception, another exception occurred|"
    r"The above exception was the direct cause of the following exception):\n",
    re.MULTILINE,
)
TRACEBACK = re.compile(r"\s*(?:Exception Group )?Traceback \(most recent call last\):\n")
IN_A_GROUP = re.compile(r"^  [|+] ?", re.MULTILINE)  # in front of each line of an ExceptionGroup's traceback
# Native code names the moment and its own source first: "[06:45:29] /__w/xgboost/src/common/quantile.cc:29: ...".
NATIVE_PLACE = re.compile(r"^(?:\[[\d:. -]+\]\s*)?(?:\S+\.(?:cc|cpp|cu|cuh|h|hpp|c):\d+:\s*)?")
MOST_LETTERS = 500
# A traceback has less; an exception may quote a whole table.
MOST_CHARACTERS = 40_000


def reason_of_most(text: str) -> str:
    """Return the reason of the largest group of failures in what scikit-learn says when all fits have failed."""
    _, *groups = GROUP.split(text)
    if not groups:
        return reason_of(text)
    counts, tracebacks = groups[::2], groups[1::2]
    return reason_of(max(zip(map(int, counts), tracebacks), key=lambda group: group[0])[1])


def reason_of(traceback: str) -> str:
    """Return the type and the first line of the exception that ends a traceback, ``XGBoostError: value -1 for ...``.

    Of chained exceptions the last one counts. What an exception says may have many lines, a stack of native
    code or the text of another traceback among them. Credentials in it are masked.
    """
    text = IN_A_GROUP.sub("", traceback)
    if TRACEBACK.match(text):
        text = TRACEBACK.sub("", CHAINED.split(text)[-1], count=1)
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if not line.startswith(" ")), 0)  # frames are indented
    if not lines:
        return "no reason was given"
    kind, _, message = lines[start].strip().partition(":")
    if not re.fullmatch(r"[\w.<>]+", kind):
        return shortened(mask_secrets(lines[start].strip()))
    message = NATIVE_PLACE.sub("", message.strip())
    if (not message or message.endswith(":")) and lines[start + 1 :]:
        message = f"{message} {NATIVE_PLACE.sub('', lines[start + 1].strip())}".strip()
    kind = kind.rpartition(".")[2]
    # Before it is shortened: half a credential would not be known for one.
    return shortened(mask_secrets(f"{kind}: {message}" if message else kind))


def shortened(text: str, most: int = MOST_LETTERS) -> str:
    """Return `text`, of which at most so many letters are left."""
    return text if len(text) <= most else f"{text[:most]}..."


def exception_text(error: BaseException) -> str:
    """Return the type and the text of an exception, also where its ``__str__`` raises."""
    try:
        text = str(error)
    except Exception:
        text = "<exception str() failed>"  # as in a traceback
    return f"{type(error).__name__}: {text}"


def first_line_of(error: BaseException) -> str:
    """Return the type of an exception and the first line of what it says, shortened; credentials are masked."""
    return shortened(masked_excerpt(exception_text(error).partition("\n")[0]))


def masked_excerpt(text: str) -> str:
    """Return `text` with the credentials in it masked, and without its middle where it is very long.

    It masks twice as much as it keeps: a credential that is cut in two would not be recognized.
    """
    if len(text) <= MOST_CHARACTERS:
        return mask_secrets(text)
    first, last = (mask_secrets(half) for half in (text[: MOST_CHARACTERS // 2], text[-MOST_CHARACTERS // 2 :]))
    middle = f"[the middle of these {len(text):,} characters is left out]"
    return f"{first[: len(first) // 2]}\n{middle}\n{last[-(len(last) // 2) :]}"
