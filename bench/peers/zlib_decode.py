"""Decodes every zlib chunk of the cube's arrays on two threads with the system's zlib, and drops it.

Prints one JSON line: {"name", "seconds": [...], "result": [decoded bytes], "versions"}. Python's zlib
module is a thin call into the C library that runs without the interpreter's lock.
"""

import argparse
import json
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zarr


def chunks(path: str) -> list[tuple[Path, int]]:
    """Every stored chunk with its decoded size."""
    found = []
    for name in ("red", "nir", "scl"):
        array = zarr.open_array(path, path=name, mode="r")
        size = array.dtype.itemsize
        for length in array.chunks:
            size *= length
        files = (Path(path) / name).rglob("*")
        metadata = ("zarr.json", ".zarray", ".zattrs")
        found += [(file, size) for file in files if file.is_file() and file.name not in metadata]
    return found


def decode(chunk: tuple[Path, int]) -> int:
    file, size = chunk
    # What follows the stream (a checksum of the store's own) is ignored.
    return len(zlib.decompress(file.read_bytes(), bufsize=size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", help="path of the cube")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    work = chunks(arguments.path)
    seconds, total = [], 0
    with ThreadPoolExecutor(2) as pool:
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            total = sum(pool.map(decode, work, chunksize=8))
            seconds.append(time.perf_counter() - start)
    versions = {"zlib": zlib.ZLIB_RUNTIME_VERSION}
    print(json.dumps({"name": "system zlib, two threads", "seconds": seconds, "result": [total], "versions": versions}))


if __name__ == "__main__":
    main()
