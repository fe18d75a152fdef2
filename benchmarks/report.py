"""How large the report of the whole grid is, and how soon it can be used.

    PYTHONPATH=workflow python benchmarks/report.py [--quick]

It generates the results of every cell of config/config.yaml (predictions of a seed, no training), writes the
report and opens it three times in headless Chromium. The plain alternative is the same page whose charts
the browser has to draw when it opens, as a page of interactive charts usually does; here they come drawn and
answer once they are in view. It prints medians in seconds.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.generated_results import write_results

from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.report.page import write_report

TIMES = """() => {
    const [load] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    return [paint.startTime / 1000, load.domContentLoadedEventEnd / 1000];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two datasets, to show that it works")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or sys.exit("no Chromium here (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = yaml.safe_load(Path("config/config.yaml").read_text())
        if options.quick:
            content["datasets"] = ["breastmnist", "isic_2016"]
        project = Project({**content, "paths": {"results": str(folder / "results")}})
        write_results(project)
        started = time.perf_counter()
        write_report(project, next(iter(project.config.studies)), folder / "index.html")
        written = time.perf_counter() - started
        size = (folder / "index.html").stat().st_size / 1e6
        print(
            f"{len(Grid(project).all_cells)} cells: {size:.1f} MB, written in {written:.0f} s (tables and "
            "all)"
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            runs = [measure(browser, folder / "index.html") for _ in range(3)]
            browser.close()
    names = ("first paint", "grid answers the mouse", "page whole", "every chart drawn by the browser")
    for what, seconds in zip(names, zip(*runs, strict=True), strict=True):
        print(f"{what:34} {np.median(seconds):.2f}")


def measure(browser: Browser, report: Path) -> list[float]:
    """Seconds from opening to first paint, to a grid that answers the mouse, to a parsed page; and if all
    charts were to be drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    started = time.perf_counter()
    page.goto(report.as_uri(), wait_until="commit")
    page.wait_for_selector("#grid-chart .drawing.live")
    page.locator("#grid-chart .mark-rect.role-mark path").first.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    answers = time.perf_counter() - started
    page.wait_for_load_state("domcontentloaded")
    paint, ready = page.evaluate(TIMES)
    started = time.perf_counter()
    page.evaluate("fillAll(document); Promise.all([...document.querySelectorAll('.drawing')].map(bring))")
    everything = ready + time.perf_counter() - started
    page.close()
    return [paint, answers, ready, everything]


if __name__ == "__main__":
    main()
