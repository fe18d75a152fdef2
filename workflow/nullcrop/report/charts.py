"""The report's charts, as Vega-Lite specifications built with Altair.

Colours are CSS variables of the page, so that one drawing serves light, dark and print. Each chart is laid
out twice, for a page of :data:`WIDE` and for a phone; the data stand once, in the wide specification, which
carries the narrow one as ``usermeta.narrow``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from nullcrop.config.readers import architectures, in_order, label_of, look_of, place_of_architecture
from nullcrop.config.views import view_label, view_names
from nullcrop.figures.accuracy import NO_PIXELS
from nullcrop.figures.style import svg_of_mark

Spec = dict[str, Any]

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
"""Version of the grammar for vl-convert, such as 6.4."""

ALL = "all"

STEPS = (-0.4, -0.3, -0.2, -0.1, -0.03, 0.03, 0.1, 0.2, 0.3, 0.4)
"""Limits of the grid's colours: distance from the null, in which AUROC - 0.5 and accuracy - NIR agree. An
AUROC lies at most 0.5 from it."""

WIDE, NARROW = 930, 272
"""Pixels to draw in: beside the page's contents, and on the smallest phone, 320 wide."""

TEXT = 12
"""Size of all text in pixels; a chart is never drawn smaller on a screen."""

_ROWS = "rows"
"""Name of a chart's data."""

_INK, _MUTED, _FAINT = "var(--ink)", "var(--muted)", "var(--faint)"

CONFIG: Spec = {
    "aria": False,  # each chart has one text alternative; a table beside it holds the numbers
    "background": None,
    "font": "Arial, Helvetica, sans-serif",
    "view": {"stroke": _FAINT},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "domainColor": _MUTED,
        "tickColor": _MUTED,
        "gridColor": _FAINT,
        "titleFontWeight": "normal",
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "labelLimit": 200,
    },
    "header": {
        "labelColor": _INK,
        "titleColor": _INK,
        "labelFontSize": TEXT,
        "labelFontWeight": "bold",
        "labelLimit": 400,
    },
    "legend": {
        "labelColor": _INK,
        "titleColor": _INK,
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelLimit": 260,
        "titleLimit": 260,
        "orient": "top",
        "symbolStrokeWidth": 1.5,
        "gradientLength": 550,
        # Over the whole drawing: `start` would begin right of the axis labels, where a phone has no room.
        "layout": {"top": {"anchor": "middle", "direction": "vertical", "margin": 4}},
    },
    "text": {"color": _INK},
}


_CONSTANT: Spec = {
    "shape": "square",
    "filled": False,
    "stroke": _INK,
    "strokeDash": [2, 2],
    "strokeWidth": 1.2,
}
"""The frame around a constant predictor."""

DASHES = ([1, 0], [6, 2], [3, 2], [6, 2, 2, 2], [10, 3], [4, 1])


@dataclass(frozen=True)
class SeriesLook:
    """How a series (a network trained by one recipe, or a baseline) is drawn in every chart."""

    label: str
    architecture: str
    recipe: str
    colour: str
    shape: str
    """SVG path of its mark."""
    dash: list[int]


def looks_of(cells: pd.DataFrame) -> list[SeriesLook]:
    """The series among ``cells`` (columns architecture and recipe), in the order of every figure.

    Colour and mark are the reader's own, as in the figures; of several recipes the further ones are paler. A
    line is told by its dashes as well.
    """
    looks: list[SeriesLook] = []
    for architecture in in_order(cells["architecture"]):
        recipes = sorted(cells.loc[cells["architecture"] == architecture, "recipe"].unique())
        for number, recipe in enumerate(recipes):
            looks.append(
                SeriesLook(
                    label_of(architecture) + (f" ({recipe})" if len(recipes) > 1 else ""),
                    architecture,
                    recipe,
                    _paler(_series_colour(architecture), number, len(recipes)),
                    svg_of_mark(look_of(architecture).mark),
                    list(DASHES[(place_of_architecture(architecture)[0] + number) % len(DASHES)]),
                )
            )
    return looks


def series_style() -> str:
    """CSS that gives each reader its colour, on light and on dark paper."""
    looks = {name: look_of(name) for name in architectures()}
    light = "".join(f"  {_variable(name)}: {look.colour};\n" for name, look in looks.items())
    dark = "".join(f"    {_variable(name)}: {look.dark};\n" for name, look in looks.items())
    return (
        f":root {{\n{light}}}\n"
        f"@media screen and (prefers-color-scheme: dark) {{\n  :root {{\n{dark}  }}\n}}\n"
    )


def _variable(architecture: str) -> str:
    return f"--series-{architecture.replace('_', '-')}"


def _series_colour(architecture: str) -> str:
    if architecture in architectures():
        return f"var({_variable(architecture)}, var(--ink))"
    return look_of(architecture).colour


def _paler(colour: str, number: int, of: int) -> str:
    """``colour`` mixed with the paper's for the ``number``-th of so many recipes."""
    return colour if number == 0 else f"color-mix(in srgb, {colour} {100 - 75 * number // of}%, var(--paper))"


def static_svg(spec: Spec, prefix: str) -> str:
    """The chart as an SVG element for HTML, its identifiers made unique by ``prefix``."""
    svg: str = vl_convert.vegalite_to_svg(json.dumps(spec), vl_version=VEGA_LITE)
    svg = svg.replace("<svg ", '<svg aria-hidden="true" ', 1)
    for before in ('id="', "url(#"):
        for kind in ("clip", "gradient"):
            svg = svg.replace(f"{before}{kind}", f"{before}{prefix}-{kind}")
    return svg


def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script that defines ``vegaEmbed``; never fetched from a
    network."""
    script: str = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]
    return script


def grid_chart(cells: pd.DataFrame) -> Spec:
    """Every planned cell: a row a dataset (and label rule and split), columns of views, a panel a network.

    ``cells`` has a row for each planned cell of one study, with the columns row, order, split, labels, seed,
    column, column_order, view, href, done, and, where the cell is done, n, auroc, accuracy,
    no_information_rate with intervals (``…_low``, ``…_high``), constant, and, under names that begin with
    ``pooled``, the n, AUROC and accuracy of all its reader's seeds together.
    """
    spec = _finished(_grid(cells, narrow=False), cells, _grid(cells, narrow=True))
    words = " : ".join(f"measure == '{name}' ? '{what}'" for name, what in _DISTANCES.items()) + " : ''"
    for layout in (spec, spec["usermeta"]["narrow"]):
        # Vega-Lite hands a signal on to Vega, but its schema, which Altair checks, knows of texts alone.
        [legend] = [
            layer["encoding"]["color"]["legend"]
            for layer in layout["spec"]["layer"]
            if "color" in layer.get("encoding", {})
        ]
        legend["title"] = {"signal": words}
    spec["usermeta"]["narrow"]["config"] = {"legend": {**CONFIG["legend"], "gradientLength": NARROW - 12}}
    return spec


GRID_MEASURES = ("auroc", "auroc_low", "auroc_high", "accuracy", "accuracy_low", "accuracy_high", "n")
"""What a square of the grid tells, of one cell or of all its reader's cells together."""

_DISTANCES = {"auroc": "AUROC − 0.5", "accuracy": "accuracy − no-information rate"}
"""What the grid's colours can mean."""


def _grid(cells: pd.DataFrame, narrow: bool) -> alt.FacetChart:
    selected = [
        _choice("split", [ALL, *cells["split"].unique()], "split"),
        _choice("labels", [ALL, *cells["labels"].unique()], "label rule"),
        _choice("seed", [ALL, *map(str, sorted(cells["seed"].unique()))], "seed"),
        _choice("measure", list(_DISTANCES), "colour", list(_DISTANCES.values())),
    ]
    means: dict[str, Any] = {
        name: f"mean({name})"
        for name in (
            *GRID_MEASURES,
            *(f"pooled_{name}" for name in GRID_MEASURES),
            "no_information_rate",
        )
    }
    base = alt.Chart().encode(
        x=alt.X(
            "view:N",
            sort=_view_order(cells),
            title=None,
            axis=alt.Axis(labelAngle=-90, domain=False),
        ),
        y=alt.Y(
            "row:N",
            sort=alt.EncodingSortField("order"),
            title=None,
            axis=alt.Axis(domain=False, ticks=False, labelLimit=100 if narrow else 200),
        ),
        href="href:N",
        tooltip=[
            alt.Tooltip("row:N", title="dataset"),
            alt.Tooltip("column:N", title="network"),
            alt.Tooltip("view:N", title="view"),
            alt.Tooltip("auroc_text:N", title="AUROC"),
            alt.Tooltip("accuracy_text:N", title="accuracy"),
            alt.Tooltip("nir_text:N", title="no-information rate"),
            alt.Tooltip("n:Q", title="test images", format=",.0f"),
            alt.Tooltip("answer:N", title="answer"),
            alt.Tooltip("cells:N", title="cells done"),
        ],
    )
    done = base.transform_filter("datum.done > 0")
    layers = alt.layer(
        # A planned cell without a result is an empty frame with a cross, which no colour means.
        base.transform_filter("datum.done == 0").mark_rect(
            fill="transparent", stroke=_MUTED, strokeWidth=0.6, strokeDash=[2, 2]
        ),
        base.transform_filter("datum.done == 0").mark_point(
            shape="cross", angle=45, size=30, color=_MUTED, filled=True
        ),
        done.mark_rect(stroke="var(--paper)", strokeWidth=1).encode(
            color=alt.Color(
                "distance:Q",
                scale=alt.Scale(
                    type="threshold", domain=STEPS, range=[f"var(--step-{i})" for i in range(len(STEPS) + 1)]
                ),
                legend=alt.Legend(format="+.2~f"),
            )
        ),
        done.mark_text(fontSize=TEXT).encode(text="label:N"),
        done.transform_filter("datum.constant > 0").mark_point(**_CONSTANT, size=430),
    )
    side = 27 if narrow else 28
    room = WIDE - min(200, 7 * cells["row"].map(len).max())
    chart: alt.FacetChart = (
        layers.properties(width=alt.Step(side), height=alt.Step(24))
        .facet(
            alt.Facet("column:N", title=None, sort=alt.EncodingSortField("column_order")),
            columns=1 if narrow else max(1, room // (side * cells["view"].nunique() + 10)),
            spacing=10,
            data=alt.NamedData(_ROWS),
        )
        .transform_filter(
            "(split == 'all' || datum.split == split) && (labels == 'all' || datum.labels == labels) && "
            "(seed == 'all' || toString(datum.seed) == seed)"
        )
        .transform_aggregate(
            **means,
            auroc_least="min(auroc)",
            auroc_most="max(auroc)",
            accuracy_least="min(accuracy)",
            accuracy_most="max(accuracy)",
            constant="sum(constant)",
            done="sum(done)",
            planned="count()",
            groupby=["row", "order", "column", "column_order", "view", "href"],
        )
        .transform_calculate(
            # Of all seeds or folds together the pooled numbers, never a mean of theirs.
            **{name: f"seed == 'all' ? datum.pooled_{name} : datum.{name}" for name in GRID_MEASURES}
        )
        .transform_calculate(
            distance="measure == 'auroc' ? datum.auroc - 0.5 : datum.accuracy - datum.no_information_rate",
            answer=(
                "datum.done == 0 ? 'no result yet' : datum.constant == 0 ? 'varies' : 'constant: one class "
                "for over 99 % of the images' + (datum.done > 1 ? ' (' + datum.constant + ' of ' + "
                "datum.done + ' cells)' : '')"
            ),
            cells="datum.done + ' of ' + datum.planned",
            **{
                f"{name}_text": (
                    f"datum.done == 0 ? '–' : format(datum.{name}, '.3f') + (isValid(datum.{name}_low) ? ' "
                    f"(95% interval ' + format(datum.{name}_low, '.3f') + ' to ' + "
                    f"format(datum.{name}_high, '.3f') + ')' : '') + (datum.done > 1 ? '; cells from ' + "
                    f"format(datum.{name}_least, '.3f') + ' to ' + format(datum.{name}_most, '.3f') : '')"
                )
                for name in ("auroc", "accuracy")
            },
            nir_text="datum.done == 0 ? '–' : format(datum.no_information_rate, '.3f')",
        )
        .transform_calculate(
            label="measure == 'auroc' ? format(datum.auroc, '.2f') : format(100 * datum.distance, '+.0f')"
        )
        .resolve_axis(x="independent")
        .add_params(*selected)
    )
    return chart


def measure_chart(marks: pd.DataFrame, looks: Sequence[SeriesLook], title: str) -> Spec:
    """One measure by view and network (or baseline), with intervals; a row of the chart for each panel.

    ``marks`` columns: mark (`mean` of a cell over seeds, `seed`, or `null`: what an answer blind to the image
    reaches), panel, view, series, value, low, high, constant (share of seeds), and texts to hover: text,
    null, answer. ``title`` names the measure. On a phone the views stand below each other.
    """
    return _finished(
        _measure(marks, looks, title, narrow=False), marks, _measure(marks, looks, title, narrow=True)
    )


def _measure(marks: pd.DataFrame, looks: Sequence[SeriesLook], title: str, narrow: bool) -> alt.FacetChart:
    lowest = np.nanmin(marks[["value", "low"]].to_numpy(float))
    scale = alt.Scale(domain=[min(0.4, int(10 * lowest) / 10), 1], nice=False)
    across, up, places = (alt.Y, alt.X, alt.YOffset) if narrow else (alt.X, alt.Y, alt.XOffset)
    (at, at2), offset = (("x", "x2"), "yOffset") if narrow else (("y", "y2"), "xOffset")
    view = across(
        "view:N", sort=_view_order(marks), title=None, axis=alt.Axis(labelAngle=0, domain=False, ticks=False)
    )
    in_place = {
        "y" if narrow else "x": view,
        offset: places("series:N", sort=[look.label for look in looks]),
    }
    value = {at: up("value:Q", title=title, scale=scale)}
    base = alt.Chart()
    mean, seed = (base.transform_filter(f"datum.mark == '{mark}'") for mark in ("mean", "seed"))
    layers = [
        base.transform_filter("datum.mark == 'null'")
        .mark_rule(stroke=_INK, strokeDash=[5, 3])
        .encode(**value),
        mean.mark_rule(strokeWidth=1.2, stroke=_INK).encode(
            **in_place, **{at: up("low:Q", title=title, scale=scale), at2: "high:Q"}
        ),
        mean.mark_point(filled=True, size=60, opacity=1, stroke=_INK, strokeWidth=0.7).encode(
            **in_place,
            **value,
            color=_colour(looks, narrow),
            shape=_shape(looks, narrow),
            tooltip=[
                alt.Tooltip("series:N", title="network"),
                alt.Tooltip("view:N", title="view"),
                alt.Tooltip("text:N", title=title),
                alt.Tooltip("null:N", title="null"),
                alt.Tooltip("answer:N", title="answer"),
            ],
        ),
        seed.mark_tick(
            orient="vertical" if narrow else "horizontal", size=9, thickness=1.2, color=_INK
        ).encode(**in_place, **value),
        mean.transform_filter("datum.constant > 0")
        .mark_point(**_CONSTANT, size=200)
        .encode(**in_place, **value),
    ]
    long = marks["view"].nunique() * (len(looks) + 1)
    size = {"width": NARROW - 85, "height": 11 * long} if narrow else {}
    size = size or {"width": min(WIDE - 50, max(480, 16 * long)), "height": 210}
    panels = _panels(marks)
    header = alt.Header(labelOrient="top", labelAnchor="start")
    if narrow:  # one thing a line
        header.labelExpr, header.labelLimit = "split(datum.value, '; ')", NARROW - 85
    chart: alt.FacetChart = (
        alt.layer(*layers)
        .properties(**size)
        .facet(row=alt.Row("panel:N", sort=panels, title=None, header=header), data=alt.NamedData(_ROWS))
        .resolve_axis(x="independent")
    )
    return chart


def roc_chart(curves: pd.DataFrame, looks: Sequence[SeriesLook]) -> Spec:
    """ROC curves by view, one line a cell. Columns: panel, view, series, seed, x and y (lists), text."""
    return _finished(_roc(curves, looks, narrow=False), curves, _roc(curves, looks, narrow=True))


def _roc(curves: pd.DataFrame, looks: Sequence[SeriesLook], narrow: bool) -> alt.FacetChart:
    chance = (
        alt.Chart()
        .transform_aggregate(lines="count()", groupby=["view"])
        .mark_rule(strokeDash=[1, 3], stroke=_MUTED)
        .encode(x=alt.XDatum(0), y=alt.YDatum(0), x2=alt.X2Datum(1), y2=alt.Y2Datum(1))
    )
    base = alt.Chart().encode(
        x=alt.X("x:Q", title="false positive rate", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("y:Q", title="true positive rate", scale=alt.Scale(domain=[0, 1])),
        strokeDash=_dash(looks, narrow),
        order=alt.Order("index:Q"),
    )
    lines = base.mark_line(strokeWidth=1.4, interpolate="linear", clip=True).encode(
        color=_colour(looks, narrow),
        detail="seed:N",
        tooltip=[
            alt.Tooltip("series:N", title="network"),
            alt.Tooltip("seed:N"),
            alt.Tooltip("text:N", title="AUROC"),
        ],
    )
    # Flattened once for all: flattened twice, alike, Vega-Lite never ends.
    drawn = alt.LayerChart(layer=[chance, _rim(base), lines]).transform_flatten(["x", "y"])
    return _by_view(drawn, curves, narrow)


def learning_chart(histories: pd.DataFrame, looks: Sequence[SeriesLook]) -> Spec:
    """Learning curves by view. Columns: panel, view, series, seed, part, epoch, loss and accuracy (lists)."""
    return _finished(
        _learning(histories, looks, narrow=False), histories, _learning(histories, looks, narrow=True)
    )


def _learning(histories: pd.DataFrame, looks: Sequence[SeriesLook], narrow: bool) -> alt.FacetChart:
    measure = _choice("measure", ["loss", "accuracy"], "show")
    base = alt.Chart().encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title="loss, or accuracy", scale=alt.Scale(zero=False)),
        strokeDash=alt.StrokeDash(
            "part:N",
            sort=["validation", "training"],
            scale=alt.Scale(domain=["validation", "training"], range=[[1, 0], [3, 3]]),
            legend=alt.Legend(title=None, symbolStrokeColor=_INK, direction="horizontal"),
        ),
    )
    lines = base.mark_line(strokeWidth=1.4).encode(
        color=_colour(looks, narrow),
        detail="seed:N",
        tooltip=[
            alt.Tooltip("series:N", title="network"),
            alt.Tooltip("part:N"),
            alt.Tooltip("seed:N"),
            alt.Tooltip("epoch:Q"),
            alt.Tooltip("loss:Q", format=".3f"),
            alt.Tooltip("accuracy:Q", format=".3f"),
        ],
    )
    drawn = (
        alt.LayerChart(layer=[_rim(base), lines])
        .transform_flatten(["epoch", "loss", "accuracy"])
        .transform_calculate(value="measure == 'loss' ? datum.loss : datum.accuracy")
    )
    return _by_view(drawn, histories, narrow).add_params(measure)


def confusion_chart(counts: pd.DataFrame, looks: Sequence[SeriesLook], targets: Sequence[str]) -> Spec:
    """Confusion matrices, a row a network and a column a view; on a phone a menu chooses the network.

    ``counts`` columns: panel, view, series, true, predicted (names of targets), images (summed over seeds),
    share (of the true target's images).
    """
    return _finished(
        _confusion(counts, looks, targets, narrow=False),
        counts,
        _confusion(counts, looks, targets, narrow=True),
    )


def _confusion(
    counts: pd.DataFrame, looks: Sequence[SeriesLook], targets: Sequence[str], narrow: bool
) -> alt.FacetChart:
    base = alt.Chart().encode(
        x=alt.X(
            "predicted:N",
            sort=list(targets),
            title="answer",
            axis=alt.Axis(labelAngle=-40, labelLimit=80),
        ),
        # Without a title, which Vega would draw across the names; the caption tells rows from columns.
        y=alt.Y("true:N", sort=list(targets), title=None, axis=alt.Axis(labelLimit=80)),
        tooltip=[
            alt.Tooltip("series:N", title="network"),
            alt.Tooltip("view:N"),
            alt.Tooltip("true:N", title="truth"),
            alt.Tooltip("predicted:N", title="answer"),
            alt.Tooltip("images:Q", title="images", format=",d"),
            alt.Tooltip("share:Q", title="share of that class", format=".1%"),
        ],
    )
    fill = base.mark_rect(color="var(--accent)", stroke=_FAINT).encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 0.7]), legend=None)
    )
    layers = [fill]
    if len(targets) <= 3:
        layers.append(base.mark_text(fontSize=TEXT).encode(text=alt.Text("images:Q", format=",d")))
    side = {2: 40, 3: 36}.get(len(targets), 15)
    panel = side * len(targets)
    one = alt.layer(*layers).properties(width=alt.Step(side), height=alt.Step(side))
    names = [look.label for look in looks]
    data = alt.NamedData(_ROWS)
    chart: alt.FacetChart
    if narrow:
        chart = (
            one.facet(
                alt.Facet(
                    "view:N", title=None, sort=_view_order(counts), header=alt.Header(labelLimit=panel + 8)
                ),
                columns=1,
                data=data,
            )
            .transform_filter("datum.panel == panel && datum.series == series")
            .resolve_axis(x="independent", y="independent")
            .add_params(_choice("series", names, "network"))
        )
    else:
        chart = one.facet(
            row=alt.Row(
                "series:N", title=None, sort=names, header=alt.Header(labelAngle=0, labelAlign="left")
            ),
            column=alt.Column(
                "view:N", title=None, sort=_view_order(counts), header=alt.Header(labelLimit=panel + 8)
            ),
            spacing=8,
            data=data,
        ).transform_filter("datum.panel == panel")
    chart = chart.add_params(_panel_choice(counts))
    return chart


FACT_COLOURS = ("var(--tissue)", "var(--undecided)", "var(--readable)")
FACT_SHAPES = ("square", "circle", "triangle-up")


def facts_chart(told: pd.DataFrame, kinds: Sequence[str], narrow: bool = False) -> Spec:
    """AUROC of each fact with its bounds, the clearest on top; ``narrow``: for a phone, names above marks.

    ``told`` columns: name, of_what (one of the three ``kinds``), auroc, at_least, at_most, shown.
    """
    low = min(0.5, float(np.nanmin(told["at_least"]))) if told["at_least"].notna().any() else 0.5
    scale = alt.Scale(domain=[max(0.0, np.floor(low * 20) / 20), 1], nice=False)
    bounded = told.assign(at_least=told["at_least"].clip(0, 1), at_most=told["at_most"].clip(0, 1))
    # Room for a font that is wider than the one it is drawn with here.
    extent = 0 if narrow else min(250, 7.5 * told["name"].map(len).max())
    names = alt.Axis(labelLimit=250, domain=False, ticks=False, labels=not narrow, minExtent=extent)
    base = alt.Chart(alt.NamedData(_ROWS)).encode(y=alt.Y("name:N", sort=None, title=None, axis=names))
    x = alt.X("auroc:Q", title="AUROC of the fact alone", scale=scale)
    kind = alt.Legend(title=None, columnPadding=36, columns=1 if narrow else len(kinds))
    colour = alt.Color(
        "of_what:N", sort=kinds, scale=alt.Scale(domain=kinds, range=FACT_COLOURS), legend=kind
    )
    shape = alt.Shape("of_what:N", sort=kinds, scale=alt.Scale(domain=kinds, range=FACT_SHAPES), legend=kind)
    marks = base.encode(x=x, color=colour, shape=shape)
    chance = alt.Chart(alt.InlineData([{"chance": 0.5}])).mark_rule(stroke=_INK, strokeDash=[5, 3])
    layers = [
        chance.encode(x=alt.X("chance:Q", scale=scale)),
        base.mark_rule(strokeWidth=1.2, stroke=_MUTED).encode(
            x=alt.X("at_least:Q", title="AUROC of the fact alone", scale=scale), x2="at_most:Q"
        ),
        marks.transform_filter("datum.shown").mark_point(filled=True, size=70, opacity=1),
        marks.transform_filter("!datum.shown").mark_point(filled=False, size=60, opacity=1),
    ]
    if narrow:
        above = base.mark_text(align="left", x=0, dy=-14, fontSize=TEXT, limit=NARROW - 12)
        layers.append(above.encode(text="name:N"))
    chart = alt.layer(*layers).properties(
        width=NARROW - 12 if narrow else 520, height=alt.Step(38 if narrow else 20)
    )
    return _finished(chart, bounded)


def _rim(lines: alt.Chart) -> alt.Chart:
    """What is drawn beneath ``lines``, one a series and seed, so that light ones stand out from the paper."""
    rim: alt.Chart = lines.mark_line(strokeWidth=2.4, stroke=_MUTED, clip=True).encode(
        detail=["series:N", "seed:N"]
    )
    return rim


def _view_order(table: pd.DataFrame) -> list[str]:
    """Labels of the views in ``table`` in the order of every figure; what sees no pixel comes last.

    Of those alone: Altair copies a chart with each of its methods, and a page holds each chart twice.
    """
    there = set(table["view"])
    return [label for label in (*map(view_label, view_names()), NO_PIXELS) if label in there]


def _choice(name: str, options: list[str], label: str, words: list[str] | None = None) -> alt.Parameter:
    """A parameter with a menu, the first option chosen; without one where there is nothing to choose.

    ``words``: what the menu calls the options.
    """
    if len(set(options) - {ALL}) < 2:
        return alt.param(name, value=options[0])
    menu = alt.binding_select(options=options, labels=words or options, name=label)
    return alt.param(name, value=options[0], bind=menu)


def _panels(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table["panel"].dropna().unique()]


def _panel_choice(table: pd.DataFrame) -> alt.Parameter:
    return _choice("panel", _panels(table), "split and label rule")


def _by_view(layers: alt.LayerChart, table: pd.DataFrame, narrow: bool) -> alt.FacetChart:
    side = 190 if narrow else 195
    shown = alt.LayerChart(layer=[layers], width=side, height=side)
    chart: alt.FacetChart = (
        shown.transform_filter("datum.panel == panel")
        .facet(
            alt.Facet("view:N", sort=_view_order(table), title=None),
            columns=1 if narrow else 3,
            spacing=18,
            data=alt.NamedData(_ROWS),
        )
        .resolve_axis(x="independent")
        .add_params(_panel_choice(table))
    )
    return chart


def _colour(looks: Sequence[SeriesLook], narrow: bool) -> alt.Color:
    return alt.Color("series:N", title=None, scale=_scale(looks, "colour"), legend=_legend(looks, narrow))


def _shape(looks: Sequence[SeriesLook], narrow: bool) -> alt.Shape:
    return alt.Shape("series:N", title=None, scale=_scale(looks, "shape"), legend=_legend(looks, narrow))


def _dash(looks: Sequence[SeriesLook], narrow: bool) -> alt.StrokeDash:
    return alt.StrokeDash("series:N", title=None, scale=_scale(looks, "dash"), legend=_legend(looks, narrow))


def _legend(looks: Sequence[SeriesLook], narrow: bool) -> alt.Legend:
    """In as many columns as there is room for."""
    of_one = 13 * max(len(look.label) for look in looks) // 2 + 26
    return alt.Legend(columns=max(1, (NARROW if narrow else WIDE) // of_one), labelLimit=NARROW - 30)


def _scale(looks: Sequence[SeriesLook], channel: str) -> alt.Scale:
    return alt.Scale(domain=[look.label for look in looks], range=[getattr(look, channel) for look in looks])


def _finished(wide: Any, table: pd.DataFrame, narrow: Any | None = None) -> Spec:
    """The specification for a wide page, with the data and how a phone lays it out."""
    spec: Spec = {**wide.to_dict(), "config": CONFIG}
    rows = json.loads(table.to_json(orient="records"))
    spec["datasets"] = {**spec.get("datasets", {}), _ROWS: rows}  # beside what Altair put there
    if narrow is not None:
        # What both have in common the page takes from the wide one.
        own = {name: part for name, part in narrow.to_dict().items() if name not in ("$schema", "config")}
        spec["usermeta"] = {"narrow": own}
    return spec
