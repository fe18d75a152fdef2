"""Triage of folders of two sizes beside decoding alone: `python benchmarks/triage.py [--quick] [FOLDER]`.

780 gray originals of some 560×470 pixels, and 277,524 patches of 50×50, 2 GB, written below FOLDER (default:
the system's temporary folder) and removed afterwards. The plain alternative decodes the same files with
Pillow, one after another, and looks at nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

PACKAGE = str(Path(__file__).parents[1] / "workflow")

SIZES = {"780 originals": (780, 560, 470, "L"), "277,524 patches": (277_524, 50, 50, "RGB")}
QUICK = {"20 originals": (20, 560, 470, "L"), "400 patches": (400, 50, 50, "RGB")}


def write(folder: Path, images: int, width: int, height: int, mode: str) -> None:
    """Smooth noise in two classes, with names that tell groups of 100 images."""
    rng = np.random.default_rng(0)
    for label in ("benign", "malignant"):
        (folder / label).mkdir()
    for number in range(images):
        shape = (height, width) if mode == "L" else (height, width, 3)
        noise = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        label = "malignant" if number % 3 == 0 else "benign"
        path = folder / label / f"p{number // 100:04d}_{number:06d}.png"
        noise.filter(ImageFilter.BoxBlur(1)).save(path, compress_level=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("folder", nargs="?", type=Path)
    options = parser.parse_args()
    print("| | triage, s | decoding alone on one core, s |\n|---|---|---|")
    for name, size in (QUICK if options.quick else SIZES).items():
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            write(Path(folder), *size)
            paths = sorted(Path(folder).rglob("*.png"))
            started = time.monotonic()
            for path in paths:
                with Image.open(path) as image:
                    image.load()
            plain = time.monotonic() - started
            started = time.monotonic()
            page = ["--out", str(Path(folder, "page.html"))]
            subprocess.run(
                [sys.executable, "-m", "nullcrop", "triage", folder, *page],
                env=os.environ | {"PYTHONPATH": PACKAGE},
                capture_output=True,
                check=True,
            )
            print(f"| {name} | {time.monotonic() - started:.1f} | {plain:.1f} |")


if __name__ == "__main__":
    main()
