"""What a fit prints travels to the driver, in bounds."""

from __future__ import annotations

from contextlib import redirect_stdout

from hpt_spark.search.execution import printed
from hpt_spark.search.execution.printed import Printed


def test_what_is_printed_is_kept_as_it_is():
    stream = Printed()
    with redirect_stdout(stream):
        print("a", 1, end="é\n")
        stream.writelines(["b", "c\n"])
    assert stream.text() == "a 1é\nbc\n"
    assert Printed().text() == ""


def test_of_too_much_the_beginning_is_kept_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(printed, "MOST_CHARACTERS", 10)
    stream = Printed()
    with redirect_stdout(stream):
        for _ in range(1000):
            print("abcd")
    assert stream.text() == "abcd\nabcd\n\n[4,990 more characters that a fit has printed are left out]\n"
