"""Take the README's pictures of a report: its upper part in Chromium, light and dark.

.venv/bin/python docs/demo/take_pictures.py results/report/demo/index.html docs/demo
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1180, 1130


def main(report: Path, folder: Path) -> None:
    chromium = shutil.which("chromium") or sys.exit("no Chromium here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            page.goto(report.resolve().as_uri())
            page.wait_for_selector("#grid-chart .drawing.live")
            image = Image.open(io.BytesIO(page.screenshot()))
            image.convert("RGB").quantize(256).save(folder / f"report_{scheme}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
