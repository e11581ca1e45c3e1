"""What the benchmarks write: sections of a page, and tables."""

from bench.page import table, write_section


def test_a_section_goes_between_its_markers_and_the_rest_stays(tmp_path):
    page = tmp_path / "docs" / "benchmarks.md"
    write_section(page, "features", "first")
    assert page.read_text() == "# Benchmarks\n\n<!-- features:start -->\nfirst\n<!-- features:end -->\n"
    write_section(page, "search", "another")
    write_section(page, "features", "second")
    assert page.read_text() == (
        "# Benchmarks\n\n<!-- features:start -->\nsecond\n<!-- features:end -->\n"
        "\n<!-- search:start -->\nanother\n<!-- search:end -->\n"
    )


def test_a_page_without_markers_keeps_all_it_has(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("# Mine\n\nanother table\n")
    write_section(page, "features", "first")
    assert page.read_text() == ("# Mine\n\nanother table\n\n<!-- features:start -->\nfirst\n<!-- features:end -->\n")


def test_a_table_aligns_its_numbers_to_the_right():
    assert table(["peer", ">seconds"], [["ours", "1.0"], ["theirs", "2.5"]]) == [
        "| peer | seconds |",
        "| --- | ---: |",
        "| ours | 1.0 |",
        "| theirs | 2.5 |",
    ]
