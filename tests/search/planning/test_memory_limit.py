"""The memory that is left is that of the machine, or less in a container."""

from __future__ import annotations

import pytest

from hpt_spark.search.planning import memory_limit
from hpt_spark.search.planning.memory_limit import MemoryLimit, free_memory

MIB = 1 << 20
VERSION_1 = {"memory.limit_in_bytes": 900 * MIB, "memory.usage_in_bytes": 500 * MIB}
UNLIMITED = {"memory.limit_in_bytes": 2**63 - 4096, "memory.usage_in_bytes": 500 * MIB}


@pytest.mark.parametrize(
    ("groups", "files", "left"),
    [
        ("0::/\n", {}, 8192),
        ("0::/\n", {"": {"memory.max": "max", "memory.current": 1}}, 8192),
        ("0::/\n", {"": {"memory.max": 600 * MIB, "memory.current": 200 * MIB}}, 400),
        ("0::/a/b\n", {"a": {"memory.max": 600 * MIB, "memory.current": 590 * MIB}, "a/b": {}}, 60),
        ("4:memory:/docker/c1\n1:cpu:/\n", {"memory": VERSION_1}, 450),
        ("4:cpu,memory:/x\n", {"memory/x": UNLIMITED}, 8192),
    ],
)
def test_what_is_left_is_the_least_of_all_limits(tmp_path, groups, files, left):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {8192 << 10} kB\n")
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for folder, texts in files.items():
        place = tmp_path / "sys/fs/cgroup" / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (place / name).write_text(f"{text}\n")
        kind = "total_inactive_file" if folder.startswith("memory") else "inactive_file"
        (place / "memory.stat").write_text(f"anon 1\n{kind} {50 * MIB if folder in ('a', 'memory') else 0}\n")
    assert free_memory(tmp_path) == left * MIB


def test_nobody_tells(tmp_path):
    assert free_memory(tmp_path) is None


def test_a_driver_on_yarn_has_its_container(monkeypatch):
    monkeypatch.setattr(memory_limit, "free_memory", lambda: 8 << 30)
    cluster = {"spark.submit.deployMode": "cluster", "spark.driver.memory": "2g"}
    raised = {**cluster, "spark.driver.memoryOverhead": "1g"}
    shared = {**cluster, "spark.driver.memoryOverheadFactor": "0.5"}
    container = "raise spark.driver.memoryOverhead"
    for master, conf, available, remedy in [
        ("yarn", {}, 8192, "let the driver have more memory"),
        ("yarn", cluster, 2048 + 384, container),
        ("yarn", raised, 3072, container),
        ("yarn", shared, 3072, container),
        ("yarn", {**cluster, "spark.driver.memory": "9g"}, 8192, "let the driver have more memory"),
        ("local[2]", cluster, 8192, "let the driver have more memory"),
    ]:
        assert memory_limit.driver_memory({"spark.master": master, **conf}) == MemoryLimit(available * MIB, remedy)
