"""The report in a real browser: it opens from disk, answers hand and keyboard, and can be read by all."""

import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from sklearn.metrics import roc_auc_score

from nullcrop.config.models import Project
from nullcrop.report.index_page import write_index

from ..hostile import CLASSES, HOSTILE, TITLE

WIDTHS = {"wide": 1280, "tablet": 768, "phone": 390, "small phone": 320}
QUICK = {("wide", "light"), ("phone", "dark")}
"""Looks at a page by axe that are no long tests."""
PHONES = [width for width in WIDTHS.values() if width < 600]
PAPER = 680
"""Pixels between the margins of A4."""


def scroll_to(target: Locator) -> None:
    """At once: Playwright's own scroll waits for frames in which nothing moves, and a busy machine draws
    few."""
    target.evaluate("(element) => element.scrollIntoView({block: 'center', behavior: 'instant'})")


def live(page: Page, name: str) -> Locator:
    """The chart of this name, scrolled to and brought to life."""
    figure = page.locator(f"figure#{name}")
    scroll_to(figure)
    expect(figure.locator(".drawing.live svg")).to_be_visible()
    return figure


def point(page: Page, target: Locator) -> None:
    """Move the mouse to the middle of ``target``, whatever lies on top of it there."""
    scroll_to(target)
    box = target.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def unfold_everything(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    expect(page.locator("noscript")).to_have_count(0)
    for figure in page.locator("figure.chart").all():
        live(page, str(figure.get_attribute("id")))


def test_opens_from_disk_and_says_how_far_it_is(page: Page) -> None:
    expect(page).to_have_title(re.compile("First study"))
    expect(page.locator("header")).to_contain_text("20 of 36 networks done")
    expect(page.locator("main > .notice")).to_contain_text("16 of 36 cells have no result yet")
    expect(page.locator("#dataset-waiting")).to_contain_text("not listed yet")


def test_every_chart_comes_to_life(page: Page) -> None:
    unfold_everything(page)
    assert page.locator("figure.chart").count() == page.locator(".drawing.live svg").count() > 8


def test_the_grid_shows_every_planned_cell_and_tells_the_missing(page: Page) -> None:
    grid = live(page, "grid-chart")
    rows = 3  # datasets; with 3 views of 2 networks each
    expect(grid.locator(".mark-rect.role-mark path")).to_have_count(rows * 3 * 2)
    # Of the hostile dataset one view is missing, of the waiting one everything.
    expect(grid.locator(".mark-rect.role-mark path[stroke-dasharray]")).to_have_count(2 + 6)


def test_hovering_tells_numbers_and_intervals(page: Page) -> None:
    grid = live(page, "grid-chart")
    point(page, grid.locator(".mark-rect.role-mark path:not([stroke-dasharray])").first)
    tooltip = page.locator("#vg-tooltip-element")
    expect(tooltip).to_contain_text(
        re.compile(r"AUROC[01]\.\d{3} \(95% interval 0\.\d{3} to \d\.\d{3}\); cells from")
    )
    expect(tooltip).to_contain_text("no-information rate")
    expect(tooltip).to_contain_text("constant: one class for over 99 % of the images (1 of 2 cells)")


def test_the_grids_menus_filter_and_recolour(page: Page) -> None:
    grid = live(page, "grid-chart")
    numbers = grid.locator(".mark-text.role-mark text")
    before = numbers.all_text_contents()
    expect(grid.locator(".role-legend-title text")).to_have_text("AUROC − 0.5")
    grid.get_by_label("colour").select_option("accuracy − no-information rate")
    expect(grid.locator(".role-legend-title text")).to_have_text("accuracy − no-information rate")
    expect(numbers.first).to_have_text(re.compile(r"^[+−]\d+$"))
    grid.get_by_label("colour").select_option("AUROC − 0.5")
    expect(numbers.first).to_have_text(before[0])
    grid.get_by_label("seed").select_option("1")
    expect(numbers.nth(1)).not_to_have_text(before[1])


def auroc_of(cell: Path) -> float:
    answers = pd.read_csv(cell / "predictions.csv")
    return float(roc_auc_score(answers["target"], answers["logit_1"] - answers["logit_0"]))


def test_the_grids_number_is_the_auroc_of_all_seeds_together(page: Page, project: Project) -> None:
    results = Path(project.config.paths.results, "cells", "complete", "printed", "random")
    folders = [results / "upper_left" / "resnet50" / "scratch" / f"seed{seed}" for seed in (0, 1)]
    answers = [pd.read_csv(folder / "predictions.csv") for folder in folders]
    ranks = sum((table["logit_1"] - table["logit_0"]).rank() for table in answers)
    pooled, single = round(roc_auc_score(answers[0]["target"], ranks), 5), round(auroc_of(folders[1]), 5)
    assert f"{pooled:.2f}" != f"{single:.2f}"
    grid = live(page, "grid-chart")
    number = grid.locator(".mark-text.role-mark text").nth(1)
    expect(number).to_have_text(f"{pooled:.2f}")
    point(page, number)
    expect(page.locator("#vg-tooltip-element")).to_contain_text(f"AUROC{pooled:.3f} (95% interval")
    grid.get_by_label("seed").select_option("1")
    expect(number).to_have_text(f"{single:.2f}")


def test_a_verdicts_colour_tells_its_evidence(page: Page) -> None:
    names = page.locator(".verdict").evaluate_all(
        "spans => spans.map((span) => [span.className, span.innerText])"
    )
    assert names
    kinds = {
        "readable": "readable",
        "undecided": "undecided",
        "cannot": "undecided",
        "at": "bounded",
        "no": "open",
    }
    for name, words in names:
        assert kinds[words.split()[0].rstrip(",")] in name.split(), words


def test_a_cards_statements_are_those_of_the_tables(page: Page) -> None:
    """Words and numbers of the first screen stand in the table of verdicts and in that of readers."""
    unfold_everything(page)
    cards = page.locator(".verdicts > li")
    judged = 0
    for card in (cards.nth(place) for place in range(cards.count())):
        name = str(card.locator("a").first.get_attribute("href")).removeprefix("#dataset-")
        table = page.locator(f"#{name}-verdict-table table")
        word = card.locator(".verdict").inner_text()
        if not table.count():
            assert word == "no verdict yet"
            continue
        judged += 1
        assert column(table, "verdict") == [word]
        found = card.locator("dd").first.inner_text()
        assert found.startswith(column(table, "in words")[0])
        readers = page.locator(f"#{name}-readers table")
        known = {f"{float(value):.2f}" for value in column(readers, "AUROC")}
        [bound] = re.findall(r"at least (0\.\d\d) \(", found)
        assert float(bound) <= float(column(table, "at least")[0]) < float(bound) + 0.01
        [reached] = re.findall(r": (\d\.\d\d)\);", found)
        assert reached in known
    assert judged == 2


def test_a_click_leads_to_the_dataset(page: Page) -> None:
    point(page, live(page, "grid-chart").locator(".mark-text.role-mark text").first)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/index.html#dataset-complete")
    expect(page.locator("#dataset-complete h3")).to_be_in_viewport()


def test_every_link_within_the_page_leads_somewhere(page: Page) -> None:
    targets = page.eval_on_selector_all("a", "links => links.map((link) => link.getAttribute('href'))")
    assert len(targets) > 10
    for target in targets:
        assert target.startswith("#"), target
        assert page.locator(f"[id='{target[1:]}']").count() == 1, target


def cells_table(page: Page) -> Locator:
    page.locator("#complete-every summary").click()
    return page.locator("#complete-cells")


def column(table: Locator, heading: str) -> list[str]:
    place = table.locator("th").all_text_contents().index(heading)
    return table.locator(f"tbody tr:visible td:nth-child({place + 1})").all_text_contents()


def test_a_table_sorts_by_hand_and_by_keyboard(page: Page) -> None:
    table = cells_table(page)
    heading = table.get_by_role("columnheader", name="AUROC", exact=True)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    values = [float(text) for text in column(table, "AUROC")]
    assert values == sorted(values)
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in column(table, "AUROC")] == values[::-1]
    assert table.locator("th[aria-sort]").count() == 1


def test_what_is_missing_sorts_last_either_way(page: Page) -> None:
    page.locator("#hostile-every summary").click()
    table = page.locator("#hostile-cells")
    button = table.get_by_role("columnheader", name="AUROC", exact=True).get_by_role("button")
    for _ in range(2):
        button.click()
        assert column(table, "AUROC")[-4:] == ["–"] * 4
        assert "–" not in column(table, "AUROC")[:-4]


def test_a_table_filters_and_says_so(page: Page) -> None:
    table = cells_table(page)
    table.get_by_label("Filter rows").fill("upper lenet")
    assert set(column(table, "view")) == {"upper left"}
    expect(table.get_by_role("status")).to_have_text("2 of 12 rows")
    table.get_by_label("Filter rows").fill("")
    assert len(column(table, "view")) == 12


def test_a_table_is_copied_as_csv_with_every_digit(page: Page, project: Project) -> None:
    table = cells_table(page)
    table.get_by_label("Filter rows").fill("original ResNet50")
    table.get_by_role("button", name="Copy as CSV").click()
    expect(table.get_by_role("status")).to_have_text("2 rows copied")
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    heading = rows[0].index("AUROC")
    folder = Path(project.config.paths.results, "cells/complete/printed/random/original/resnet50/scratch")
    expected = [auroc_of(folder / f"seed{seed}") for seed in (0, 1)]
    assert [float(row[heading]) for row in rows[1:]] == pytest.approx(expected, rel=1e-12)
    # What the caption says of all rows is copied too, and no two columns have one name.
    assert len(set(rows[0])) == len(rows[0])
    assert {row[rows[0].index("split")] for row in rows[1:]} == {"random"}
    expect(table.locator("caption")).to_contain_text("split random; label rule printed")


def test_what_a_row_is_stays_in_sight(page: Page) -> None:
    table = cells_table(page)
    box = table.locator(".scroll")
    before = [cell.bounding_box() for cell in table.locator("tbody tr:first-child td").all()[:3]]
    box.evaluate("box => box.scrollTo(300, 0)")
    after = [cell.bounding_box() for cell in table.locator("tbody tr:first-child td").all()[:3]]
    assert before[:2] == after[:2]
    assert before[2] != after[2]


def told(tooltip: Locator, what: str) -> str:
    return (
        tooltip.locator("tr", has=tooltip.page.get_by_text(what, exact=True)).locator(".value").inner_text()
    )


@pytest.mark.parametrize("measure", ["AUROC", "accuracy"])
def test_the_same_number_has_the_same_interval_everywhere(page: Page, measure: str) -> None:
    tooltip = page.locator("#vg-tooltip-element")
    point(page, live(page, "grid-chart").locator(".mark-text.role-mark text").nth(1))
    expect(tooltip).to_contain_text("test images")
    network, view, words = (told(tooltip, what) for what in ("network", "view", measure))
    spec = json.loads(page.locator(f"#complete-{measure.lower()}-spec").text_content() or "")
    [mark] = [
        row
        for row in spec["datasets"]["rows"]
        if (row["mark"], row["series"], row["view"]) == ("mean", network, view)
    ]
    assert re.findall(r"\d\.\d+", words) == re.findall(r"\d\.\d+", mark["text"])
    page.locator("#complete-every-reader summary").click()
    table = page.locator("#complete-readers")
    row = table.locator("tbody tr").filter(has_text=view).filter(has_text=network)
    names = [measure, f"{measure}, 95 % from", f"{measure}, 95 % to"]
    places = [table.locator("th").all_text_contents().index(name) for name in names]
    assert [row.locator("td").nth(place).inner_text() for place in places] == re.findall(
        r"\d\.\d+", words.split(";")[0]
    )


def test_hostile_names_are_text(page: Page) -> None:
    unfold_everything(page)
    section = page.locator("#dataset-hostile")
    expect(section.locator("h3")).to_have_text(TITLE)
    for text in (*CLASSES, str(HOSTILE["modality"]), str(HOSTILE["citation"]), HOSTILE["homepage"]):
        expect(section.locator("dl")).to_contain_text(text)
    expect(page).to_have_title(re.compile("First study"))
    assert section.locator("b, i, h1, style, svg[onload]").count() == 0
    grid = live(page, "grid-chart")
    expect(grid.locator("svg")).to_contain_text("<script>")
    point(page, grid.locator(".mark-text.role-mark text").nth(3))
    expect(page.locator("#vg-tooltip-element")).to_contain_text("<script>")


def test_links_within_folded_parts_unfold_them(page: Page) -> None:
    page.goto(page.url + "#complete-cells")
    expect(page.locator("#complete-cells table")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(width, scheme, marks=[] if (width, scheme) in QUICK else pytest.mark.long)
        for width in WIDTHS
        for scheme in ("light", "dark")
    ],
)
def test_axe_finds_nothing_serious(page: Page, width: str, scheme: str) -> None:
    page.set_viewport_size({"width": WIDTHS[width], "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.reload()
    unfold_everything(page)
    assert serious_of(page) == []


def serious_of(page: Page) -> list[str]:
    """What axe finds wrong with a page and calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_all_studies_fills_the_window(
    context: BrowserContext, project: Project, tmp_path: Path, width: str
) -> None:
    content = json.loads(project.config.model_dump_json())
    for study in ("first", "second"):
        folder = tmp_path / "report" / study
        folder.mkdir(parents=True)
        studies = {study: content["studies"]["first"]}
        (folder / "config.json").write_text(json.dumps({**content, "studies": studies}))
        (folder / "index.html").write_text("the report")
    # Where the cells lie decides what is done; where the page lies decides which studies there are.
    (tmp_path / "cells").symlink_to(Path(project.config.paths.results, "cells"))
    write_index(tmp_path, tmp_path / "report/index.html")
    page = context.new_page()
    page.set_viewport_size({"width": WIDTHS[width], "height": 800})
    page.goto((tmp_path / "report/index.html").as_uri())
    main, body = (page.locator(name).bounding_box() for name in ("main", "body"))
    assert main is not None
    assert body is not None
    assert main["width"] > 0.85 * body["width"]
    assert page.evaluate(OVERFLOWING) == []
    assert serious_of(page) == []


TEXT_SIZES = """texts => texts.filter((text) => text.textContent).map((text) => {
    const { c, d } = text.getScreenCTM();
    return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(c, d);
})"""
"""Sizes as rendered, in pixels."""

OVERFLOWING = """() => {
    const inside = (inner, outer) => inner.left >= outer.left - 1.5 && inner.right <= outer.right + 1.5;
    const drawn = (element) => element.checkVisibility() && !element.closest(".unseen, .skip");
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        let box = text.parentElement;
        if (!text.data.trim() || box.closest("script, noscript, svg, select") || !drawn(box)) continue;
        while (getComputedStyle(box).display.startsWith("inline")) box = box.parentElement;
        const range = document.createRange();
        range.selectNodeContents(text);
        const whole = box.getBoundingClientRect();
        if (![...range.getClientRects()].every((line) => inside(line, whole))) found.push(text.data);
    }
    for (const text of document.querySelectorAll("svg text")) {
        const box = text.getBoundingClientRect();
        const svg = text.closest("svg").getBoundingClientRect();
        if (box.width && !inside(box, svg)) found.push(text.textContent);
    }
    return found;
}"""
"""Texts of the page that leave the box, or the chart, in which they stand."""


@pytest.mark.parametrize("width", WIDTHS.values())
def test_no_text_leaves_its_box_and_nothing_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.reload()
    unfold_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOWING) == []
    point(page, live(page, "grid-chart").locator(".mark-text.role-mark text").first)
    tooltip = page.locator("#vg-tooltip-element")
    expect(tooltip).to_contain_text("cells from")
    box = tooltip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert tooltip.evaluate("box => box.scrollWidth <= box.clientWidth")


@pytest.mark.parametrize("width", WIDTHS.values())
def test_charts_are_whole_on_a_phone_and_legible_everywhere(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.reload()
    unfold_everything(page)
    sizes = page.locator(".drawing svg text").evaluate_all(TEXT_SIZES)
    assert len(sizes) > 100
    assert min(sizes) > 11.9
    if width in PHONES:
        for box in page.locator(".chart .scroll").all():
            assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0, box.inner_html()[:200]


def test_printing_unfolds_everything_and_folds_it_again(page: Page) -> None:
    folded = page.locator("details:not([open])").count()
    assert folded
    assert 6 < len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) < 16
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    # Of what is too wide for paper the first columns are printed, and said to be the first.
    expect(page.locator("#complete-cells td").first).to_be_visible()
    expect(page.locator("#complete-cells tbody tr:first-child td").last).to_be_hidden()
    expect(page.locator("#complete-cells .print-only")).to_have_text(re.compile("Printed are the first"))
    expect(page.locator("nav, .tools").first).to_be_hidden()
    page.set_viewport_size({"width": PAPER, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == folded


def test_without_scripts_charts_and_tables_stand(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    expect(page.locator("#grid-chart svg")).to_be_visible()
    expect(page.locator("#dataset-complete figure svg").first).to_be_visible()
    expect(page.locator("#methods-studies table")).to_be_visible()
    page.locator("#complete-every summary").click()
    expect(page.locator("#complete-cells table")).to_be_visible()
    context.close()


def test_what_is_folded_is_soon_part_of_the_page_and_can_be_searched(page: Page) -> None:
    expect(page.locator("noscript")).to_have_count(0)
    assert page.locator("details:not([open]) td").count() > 100
