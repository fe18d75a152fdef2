"""Read a generated store of IDC's size as a cell does: `python benchmarks/store.py [FOLDER]`.

277,524 images of 50×50 pixels, 2.1 GB. Prints how long opening takes, how many images a second are
read in random order and resized, and the memory of it; FOLDER chooses the disk (default: the
system's temporary folder). The images are noise: what is measured does not depend on them.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from nullcrop.basics.files import write_json
from nullcrop.images.resize import resize
from nullcrop.images.store import PackedView

IMAGES, SIDE, INPUT, READ = 277_524, 50, 224, 20_000


def write(folder: Path) -> Path:
    """A view of noise, as crop_views would leave it; returns its sidecar's path."""
    rng = np.random.default_rng(0)
    shape = (IMAGES, SIDE, SIDE, 3)
    pixels = np.lib.format.open_memmap(folder / "original.npy", mode="w+", dtype=np.uint8, shape=shape)
    for first in range(0, IMAGES, 10_000):
        part = pixels[first : first + 10_000]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    pixels.flush()
    sidecar = {"view": "original", "images": IMAGES, "shape": shape, "sizes": None}
    write_json(folder / "original.json", sidecar)
    return folder / "original.json"


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        started = time.monotonic()
        sidecar = write(Path(folder))
        print(
            f"written: {sidecar.with_suffix('.npy').stat().st_size / 1e9:.1f} GB in "
            f"{time.monotonic() - started:.1f} s"
        )
        started = time.monotonic()
        view = PackedView(sidecar)
        print(f"opened in {1e3 * (time.monotonic() - started):.1f} ms")
        rows = np.random.default_rng(1).permutation(IMAGES)[:READ]
        started = time.monotonic()
        for row in rows:
            resize(view[row], INPUT)
        rate = READ / (time.monotonic() - started)
        print(f"read in random order and resized to {INPUT} pixels: {rate:,.0f} images a second on one core")
        print(
            f"memory of its own {private_bytes() / 1e6:,.0f} MB; pages of the file are the system's to take "
            "back"
        )


def private_bytes() -> int:
    """Memory of this process that no file backs (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


if __name__ == "__main__":
    main()
