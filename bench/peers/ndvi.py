"""The mean NDVI of each step of a Zarr cube, as xarray, Dask and NumPy compute it.

Prints one JSON line: {"name", "seconds": [one for each repetition], "result": [one for each step],
"versions"}. Only the computation is timed: imports, the start of the cluster and the opening of
the store are not. A first, untimed computation of one step warms everything up.
"""

import argparse
import json
import time

import numpy as np
import xarray as xr

KEEP = [4, 5, 6, 7]
NODATA = 0
WHOLE_STEPS = {"time": 1, "y": -1, "x": -1}


def series(ds: xr.Dataset) -> xr.DataArray:
    """The lazy pipeline, written the way that was measured to be Dask's fastest: nodata is compared
    as an integer, where CF decoding would make more passes over floats."""
    valid = ds.scl.isin(KEEP) & (ds.red != NODATA) & (ds.nir != NODATA)
    red, nir = ds.red.astype("f4"), ds.nir.astype("f4")
    return ((nir - red) / (nir + red)).where(valid).mean(("y", "x"))


def with_dask(path: str, chunks: dict, repeats: int):
    ds = xr.open_zarr(path, chunks=chunks, mask_and_scale=False)
    series(ds.isel(time=slice(0, 1))).compute()
    for _ in range(repeats):
        # The graph is built anew each time, as a program that runs once would.
        start = time.perf_counter()
        result = series(ds).compute()
        yield time.perf_counter() - start, result.values


def with_numpy(path: str, repeats: int):
    import zarr

    # More than one of these threads would decode at once.
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    group = zarr.open_group(path, mode="r")
    red, nir, scl = group["red"], group["nir"], group["scl"]
    scl[0]
    for _ in range(repeats):
        start = time.perf_counter()
        result = [step_mean(red[i], nir[i], scl[i]) for i in range(red.shape[0])]
        yield time.perf_counter() - start, np.array(result)


def step_mean(red: np.ndarray, nir: np.ndarray, scl: np.ndarray) -> float:
    """One step in plain NumPy."""
    valid = np.isin(scl, KEEP) & (red != NODATA) & (nir != NODATA)
    red, nir = red[valid].astype("f4"), nir[valid].astype("f4")
    return float(((nir - red) / (nir + red)).mean(dtype="f8")) if red.size else float("nan")


def cluster(form: str):
    from dask.distributed import Client, LocalCluster

    processes = form == "processes"
    return Client(
        LocalCluster(
            n_workers=2 if processes else 1,
            threads_per_worker=1 if processes else 2,
            processes=processes,
            dashboard_address=None,
            # No limit: Dask's memory manager must not slow it down.
            memory_limit=0,
        )
    )


def runs(arguments):
    chunks = WHOLE_STEPS if arguments.chunks == "steps" else {}
    if arguments.engine == "numpy":
        yield from with_numpy(arguments.path, arguments.repeats)
    elif arguments.engine == "threads":
        import dask

        with dask.config.set(scheduler="threads", num_workers=2):
            yield from with_dask(arguments.path, chunks, arguments.repeats)
    else:
        with cluster(arguments.workers):
            yield from with_dask(arguments.path, chunks, arguments.repeats)


def name(arguments) -> str:
    if arguments.engine == "numpy":
        return "numpy, one thread"
    chunks = {"stored": "chunks as stored", "steps": "chunks of whole steps"}[arguments.chunks]
    if arguments.engine == "threads":
        return f"dask threads, {chunks}"
    return f"dask.distributed ({arguments.workers}), {chunks}"


def versions() -> dict:
    from importlib.metadata import version

    return {package: version(package) for package in ("dask", "distributed", "xarray", "zarr", "numcodecs", "numpy")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["distributed", "threads", "numpy"])
    parser.add_argument("path", help="path or URL of the cube")
    parser.add_argument("--chunks", choices=["stored", "steps"], default="stored")
    parser.add_argument("--workers", choices=["processes", "threads"], default="processes")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    seconds, result = zip(*runs(arguments))
    print(
        json.dumps(
            {
                "name": name(arguments),
                "seconds": seconds,
                "result": [None if np.isnan(value) else float(value) for value in result[-1]],
                "versions": versions(),
            }
        )
    )


if __name__ == "__main__":
    main()
