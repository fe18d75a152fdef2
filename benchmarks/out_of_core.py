"""Inflating a large member of an npz: nullcrop's way beside numpy.load, seconds and peak memory.

    python benchmarks/out_of_core.py [--quick] [--folder FOLDER]

Generates an npz in the layout of MedMNIST+ with one member of 4 GB (`--quick`: 64 MB) and opens it
in two processes of their own. *nullcrop* inflates every member to an .npy beside it and maps it;
*numpy.load* reads the member into memory. Both then read one image, so that both have opened it.

Two peaks are told. "anonymous" is the memory a process cannot give back (RssAnon, looked at every
5 ms); "resident" is the system's own maximum (VmHWM), which counts mapped pages of files too. What
is written waits in the page cache, which is nobody's memory and shrinks when others need it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np

SIDE = 224
PARTS = ("train", "val", "test")


def main() -> None:
    """Generate the npz, measure both ways in turn and print the table."""
    options = _options()
    if options.way:
        print(json.dumps(_measured(options.way, options.npz)))
        return
    images = (64 if options.quick else 4000) * 10**6 // (SIDE * SIDE * 3)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        npz = Path(folder, "pathmnist_224.npz")
        _generate(npz, images)
        size = images * SIDE * SIDE * 3 / 1e6
        print(
            f"one member of {size:,.0f} MB ({images:,} images), {npz.stat().st_size / 1e6:,.0f} MB in the "
            "npz\n"
        )
        found = {way: _in_a_process(way, npz) for way in WAYS}
    print(f"{'':12}{'seconds':>10}{'anonymous MB':>15}{'resident MB':>14}")
    for way, facts in found.items():
        print(f"{way:12}{facts['seconds']:10.1f}{facts['anonymous']:15,.0f}{facts['resident']:14,.0f}")
    ratios = [
        found["numpy.load"][key] / found["nullcrop"][key] for key in ("seconds", "anonymous", "resident")
    ]
    print(f"{'ratio':12}{ratios[0]:10.1f}{ratios[1]:15.1f}{ratios[2]:14.1f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="64 MB in place of 4 GB")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made (the system's temporary folder)"
    )
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--npz", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _generate(npz: Path, images: int) -> None:
    """The npz is made as it is read: in blocks. Five random bits a byte compress about as images do."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(npz, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as content:
        for part in PARTS:
            count = images if part == "train" else 1
            with content.open(f"{part}_images.npy", "w", force_zip64=True) as stream:
                header = {"descr": "|u1", "fortran_order": False, "shape": (count, SIDE, SIDE, 3)}
                np.lib.format.write_array_header_1_0(stream, header)
                for first in range(0, count, 256):
                    shape = (min(256, count - first), SIDE, SIDE, 3)
                    stream.write(rng.integers(0, 32, shape, dtype=np.uint8))
            with content.open(f"{part}_labels.npy", "w") as stream:
                np.lib.format.write_array(stream, np.zeros((count, 1), dtype=np.uint8))


def _in_a_process(way: str, npz: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--npz", str(npz)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    facts: dict[str, float] = json.loads(run.stdout)
    return facts


def _measured(way: str, npz: Path) -> dict[str, float]:
    """Seconds and peaks in MB of one way, in this process."""
    open_images = WAYS[way]
    peak, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.005):
            peak = max(peak, _status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    open_images(npz)[0].sum()
    seconds = time.perf_counter() - start
    over.set()
    watcher.join()
    return {"seconds": seconds, "anonymous": max(peak, _status("RssAnon")), "resident": _status("VmHWM")}


def _status(key: str) -> float:
    """A line of this process' status, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6


def _nullcrop(npz: Path) -> np.ndarray:
    from nullcrop.datasets.unpack import unpack

    unpack(npz, npz.parent / "arrays", "generated")
    return np.load(npz.parent / "arrays" / "train_images.npy", mmap_mode="r", allow_pickle=False)


def _numpy_load(npz: Path) -> np.ndarray:
    with np.load(npz, allow_pickle=False) as content:
        images: np.ndarray = content["train_images"]
    return images


WAYS = {"nullcrop": _nullcrop, "numpy.load": _numpy_load}

if __name__ == "__main__":
    main()
