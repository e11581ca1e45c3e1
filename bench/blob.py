"""The download of a blob: ours beside the SDK's bare one, from the same Azurite in the same run.

usage: python bench/blob.py --size 200 1000 --repeat 5 --out docs/benchmarks.md

Each download is a process of its own, the two kinds by turns. Ours verifies the MD5, writes its
account of ranges and flushes to the disk; the bare one is `download_blob().readinto(file)`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from azurite import Azurite, running_azurite
from page import page_parser, publish

MB = 1_000_000
BLOCK = 8 * MB
CONTAINER = "bench"
OURS, BARE, BARE_PARALLEL = "hpt_spark, verified", "bare readinto", "bare readinto, max_concurrency=8"
KINDS = (BARE, OURS, BARE_PARALLEL)


def main() -> int:
    """Run the benchmark and print its table."""
    options = parse_arguments()
    if options.child:
        download_once(options.child, options.name, options.folder)
        return 0
    with running_azurite() as azurite, tempfile.TemporaryDirectory(prefix="hpt-bench-") as folder:
        azurite.service().create_container(CONTAINER)
        lines = [line for size in options.size for line in rows(azurite, size, options.repeat, Path(folder))]
    text = page(lines, options.repeat)
    publish("blob", text, options.out)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[200], help="of the blobs, in MB")
    parser.add_argument("--repeat", type=int, default=5, help="how often each kind runs, by turns")
    for name in ("--child", "--name", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    return parser.parse_args()


def rows(azurite: Azurite, size: int, repeat: int, folder: Path) -> Iterator[str]:
    """Download a blob of `size` MB by turns and yield a line of the table for each kind."""
    name = f"{size}.bin"
    md5 = put_noise(azurite, name, size * MB)
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    peaks: dict[str, float] = dict.fromkeys(KINDS, 0.0)
    for turn in range(repeat):
        for kind in KINDS:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                rate, peak = run(azurite, kind, name, place)
                check(next(Path(place).rglob(name)), md5)
            rates[kind].append(rate * size)
            peaks[kind] = max(peaks[kind], peak)
            print(f"{size} MB, turn {turn + 1}, {kind}: {rate * size:.0f} MB/s, {peak:.0f} MB", file=sys.stderr)
    for kind in KINDS:
        ratio = statistics.median(ours / bare for ours, bare in zip(rates[kind], rates[BARE], strict=True))
        yield f"| {size} | {kind} | {statistics.median(rates[kind]):.0f} | {ratio:.2f} | {peaks[kind]:.0f} |"


def put_noise(azurite: Azurite, name: str, size: int) -> bytes:
    """Upload bytes that nothing can compress, with their MD5, and return it."""
    from azure.storage.blob import BlobBlock, ContentSettings

    blob = azurite.service().get_blob_client(CONTAINER, name)
    digest, blocks = hashlib.md5(usedforsecurity=False), []
    for at in range(0, size, BLOCK):
        data = os.urandom(min(BLOCK, size - at))
        digest.update(data)
        blocks.append(BlobBlock(f"{at:012d}"))
        blob.stage_block(blocks[-1].id, data)
    blob.commit_block_list(blocks, content_settings=ContentSettings(content_md5=bytearray(digest.digest())))
    return digest.digest()


def run(azurite: Azurite, kind: str, name: str, folder: str) -> tuple[float, float]:
    """Download in a process of its own; return downloads per second and its peak memory in MB."""
    command = [sys.executable, __file__, "--child", kind, "--name", name, "--folder", folder]
    environment = {**os.environ, "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string, "BENCH_URL": azurite.url}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    seconds, peak = map(float, re.findall(r"[\d.]+", said))
    return 1 / seconds, peak


def download_once(kind: str, name: str, folder: str) -> None:
    """Download one blob and print the seconds it took and the peak memory of this process in MB."""
    if kind == OURS:
        from hpt_spark.data.sources.blob.address import parse_blob_uri
        from hpt_spark.data.sources.blob.container import Container
        from hpt_spark.data.sources.blob.download import download

        container = Container(parse_blob_uri(f"{os.environ['BENCH_URL']}/{CONTAINER}"))
        started = time.perf_counter()
        download(container, [container.look_up(name)], Path(folder))
    else:
        from azure.storage.blob import BlobClient

        connections = 8 if kind == BARE_PARALLEL else 1
        blob = BlobClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"], CONTAINER, name)
        started = time.perf_counter()
        with Path(folder, name).open("wb") as file:
            blob.download_blob(max_concurrency=connections).readinto(file)
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def check(path: Path, md5: bytes) -> None:
    """Raise RuntimeError if the download is not what was uploaded."""
    with path.open("rb") as file:
        digest = hashlib.md5(usedforsecurity=False)
        while data := file.read(BLOCK):
            digest.update(data)
    if digest.digest() != md5:
        raise RuntimeError(f"{path} is not what was uploaded")


def page(lines: list[str], repeat: int) -> str:
    """Lay the measurements out as Markdown."""
    packages = ", ".join(f"{package} {version(package)}" for package in ("azure-storage-blob", "azure-core"))
    return "\n".join(
        [
            "## The download of a blob",
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}; Azurite on the same machine, so",
            f"that server and client share the cores. Medians of {repeat} turns; the ratio is the median of the turns'",
            "ratios; the peak is the highest resident memory of the process, Python and the SDK included.",
            "",
            f"| blob, MB | download | MB/s | times {BARE} | peak memory, MB |",
            "|---:|---|---:|---:|---:|",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
