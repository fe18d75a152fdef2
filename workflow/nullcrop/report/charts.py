"""The report's charts, as Vega-Lite specifications built with Altair.

Colours are CSS variables of the page, so that one drawing serves light, dark and print.
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

STEPS = (-0.3, -0.2, -0.1, -0.03, 0.03, 0.1, 0.2, 0.3)
"""Limits of the grid's colours: distance from the null, in which AUROC - 0.5 and accuracy - NIR agree."""

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
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 220,
    },
    "header": {
        "labelColor": _INK,
        "titleColor": _INK,
        "labelFontSize": 11,
        "labelFontWeight": "bold",
        "labelLimit": 400,
    },
    "legend": {
        "labelColor": _INK,
        "titleColor": _INK,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 260,
        "symbolStrokeWidth": 1.5,
        "gradientLength": 400,
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
    """Every planned cell: a row a dataset (and label rule and split), columns of views within networks.

    ``cells`` has a row for each planned cell, with the columns row, order, split, labels,
    seed, column, view, href, state, and, where the cell is done, n, auroc, accuracy, no_information_rate
    with intervals (…_low, …_high), constant, and pooled: the AUROC of all its reader's seeds together.
    """
    selected = [
        _choice("split", [ALL, *cells["split"].unique()], "split"),
        _choice("labels", [ALL, *cells["labels"].unique()], "label rule"),
        _choice("seed", [ALL, *map(str, sorted(cells["seed"].unique()))], "seed"),
        _choice("measure", ["auroc", "accuracy"], "colour", ["AUROC", "accuracy − no-information rate"]),
    ]
    means: dict[str, Any] = {
        name: f"mean({name})"
        for name in (
            *("auroc", "auroc_low", "auroc_high", "pooled", "pooled_low", "pooled_high"),
            *("accuracy", "accuracy_low", "accuracy_high", "no_information_rate", "n"),
        )
    }
    base = (
        alt.Chart(_data(cells))
        .transform_filter(
            "(split == 'all' || datum.split == split) && (labels == 'all' || "
            "datum.labels == labels) && (seed == 'all' || toString(datum.seed) == seed)"
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
            # Of all seeds or folds together the pooled score's, never a mean of theirs.
            **{
                name: f"seed == 'all' ? datum.{name.replace('auroc', 'pooled')} : datum.{name}"
                for name in ("auroc", "auroc_low", "auroc_high")
            }
        )
        .transform_calculate(
            distance="measure == 'auroc' ? datum.auroc - 0.5 : datum.accuracy - datum.no_information_rate",
            label="measure == 'auroc' ? format(datum.auroc, '.2f') : format(100 * datum.distance, '+.0f')",
            answer=(
                "datum.done == 0 ? 'no result yet' : datum.constant == 0 ? 'varies' : 'constant: one class "
                "for over 99 % of the images' + (datum.done > 1 ? ' (' + datum.constant + ' of ' + "
                "datum.done + ' cells)' : '')"
            ),
            cells="datum.done + ' of ' + datum.planned",
            **{
                f"{name}_text": (
                    f"datum.done == 0 ? '–' : format(datum.{name}, '.3f') + (isValid(datum.{name}_low) ? ' "
                    f"(95 % interval ' + format(datum.{name}_low, '.3f') + ' to ' + "
                    f"format(datum.{name}_high, '.3f') + ')' : '') + (datum.done > 1 ? '; cells from ' + "
                    f"format(datum.{name}_least, '.3f') + ' to ' + format(datum.{name}_most, '.3f') : '')"
                )
                for name in ("auroc", "accuracy")
            },
            nir_text="datum.done == 0 ? '–' : format(datum.no_information_rate, '.3f')",
        )
        .encode(
            x=alt.X("view:N", sort=_view_order(), title=None, axis=alt.Axis(labelAngle=-60, domain=False)),
            y=alt.Y("row:N", sort=alt.EncodingSortField("order"), title=None, axis=alt.Axis(domain=False)),
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
                legend=alt.Legend(
                    title="above the null (0)",
                    orient="top",
                    format="+.2~f",
                    direction="horizontal",
                    titleOrient="left",
                ),
            )
        ),
        done.mark_text(fontSize=9.5).encode(text="label:N"),
        done.transform_filter("datum.constant > 0").mark_point(**_CONSTANT, size=430),
    )
    chart = (
        layers.properties(width=alt.Step(28), height=alt.Step(24))
        .facet(
            column=alt.Column(
                "column:N", title=None, sort=alt.EncodingSortField("column_order"), header=alt.Header()
            ),
            spacing=10,
        )
        .add_params(*selected)
    )
    return _finished(chart)


def measure_chart(marks: pd.DataFrame, looks: Sequence[SeriesLook], title: str) -> Spec:
    """One measure by view and network (or baseline), with intervals; a row of the chart for each panel.

    ``marks`` columns: mark (`mean` of a cell over seeds, `seed`, or `null`: what an answer blind to the image
    reaches), panel, view, series, value, low, high, constant (share of seeds), and texts to hover: text,
    null, answer. ``title`` names the measure.
    """
    lowest = np.nanmin(marks[["value", "low"]].to_numpy(float))
    scale = alt.Scale(domain=[min(0.4, int(10 * lowest) / 10), 1], nice=False)
    x = alt.X(
        "view:N", sort=_view_order(), title=None, axis=alt.Axis(labelAngle=0, domain=False, ticks=False)
    )
    y = alt.Y("value:Q", title=title, scale=scale)
    in_place = {"x": x, "xOffset": alt.XOffset("series:N", sort=[look.label for look in looks])}
    base = alt.Chart()
    mean, seed = (base.transform_filter(f"datum.mark == '{mark}'") for mark in ("mean", "seed"))
    layers = [
        base.transform_filter("datum.mark == 'null'").mark_rule(stroke=_INK, strokeDash=[5, 3]).encode(y=y),
        mean.mark_rule(strokeWidth=1.2, stroke=_INK).encode(
            **in_place, y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q"
        ),
        mean.mark_point(filled=True, size=60, opacity=1, stroke=_INK, strokeWidth=0.7).encode(
            **in_place,
            y=y,
            color=_colour(looks),
            shape=_shape(looks),
            tooltip=[
                alt.Tooltip("series:N", title="network"),
                alt.Tooltip("view:N", title="view"),
                alt.Tooltip("text:N", title=title),
                alt.Tooltip("null:N", title="null"),
                alt.Tooltip("answer:N", title="answer"),
            ],
        ),
        seed.mark_tick(orient="horizontal", size=9, thickness=1.2, color=_INK).encode(**in_place, y=y),
        mean.transform_filter("datum.constant > 0").mark_point(**_CONSTANT, size=200).encode(**in_place, y=y),
    ]
    chart = alt.layer(*layers, data=_data(marks)).properties(
        width=max(560, 6 * 16 * (len(looks) + 1)), height=210
    )
    panels = _panels(marks)
    if len(panels) > 1:
        header = alt.Header(labelOrient="top", labelAnchor="start")
        chart = chart.facet(row=alt.Row("panel:N", sort=panels, title=None, header=header))
    return _finished(chart)


def roc_chart(curves: pd.DataFrame, looks: Sequence[SeriesLook]) -> Spec:
    """ROC curves by view, one line a cell. Columns: panel, view, series, seed, x and y (lists), text."""
    chance = (
        alt.Chart()
        .transform_aggregate(lines="count()", groupby=["view"])
        .mark_rule(strokeDash=[1, 3], stroke=_MUTED)
        .encode(x=alt.XDatum(0), y=alt.YDatum(0), x2=alt.X2Datum(1), y2=alt.Y2Datum(1))
    )
    base = alt.Chart().encode(
        x=alt.X("x:Q", title="false positive rate", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("y:Q", title="true positive rate", scale=alt.Scale(domain=[0, 1])),
        strokeDash=_dash(looks),
        order=alt.Order("index:Q"),
    )
    lines = base.mark_line(strokeWidth=1.4, interpolate="linear", clip=True).encode(
        color=_colour(looks),
        detail="seed:N",
        tooltip=[
            alt.Tooltip("series:N", title="network"),
            alt.Tooltip("seed:N"),
            alt.Tooltip("text:N", title="AUROC"),
        ],
    )
    # Flattened once for all: flattened twice, alike, Vega-Lite never ends.
    drawn = alt.LayerChart(layer=[chance, _rim(base), lines]).transform_flatten(["x", "y"])
    return _finished(_by_view(drawn, curves))


def learning_chart(histories: pd.DataFrame, looks: Sequence[SeriesLook]) -> Spec:
    """Learning curves by view. Columns: panel, view, series, seed, part, epoch, loss and accuracy (lists)."""
    measure = _choice("measure", ["loss", "accuracy"], "show")
    base = alt.Chart().encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title="loss, or accuracy", scale=alt.Scale(zero=False)),
        strokeDash=alt.StrokeDash(
            "part:N",
            sort=["validation", "training"],
            scale=alt.Scale(domain=["validation", "training"], range=[[1, 0], [3, 3]]),
            legend=alt.Legend(title=None, symbolStrokeColor=_INK),
        ),
    )
    lines = base.mark_line(strokeWidth=1.4).encode(
        color=_colour(looks),
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
    return _finished(_by_view(drawn, histories).add_params(measure))


def confusion_chart(counts: pd.DataFrame, looks: Sequence[SeriesLook], targets: Sequence[str]) -> Spec:
    """Confusion matrices, a row a network and a column a view.

    ``counts`` columns: panel, view, series, true, predicted (names of targets), images (summed over seeds),
    share (of the true target's images).
    """
    base = (
        alt.Chart(_data(counts))
        .transform_filter("datum.panel == panel")
        .encode(
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
    )
    fill = base.mark_rect(color="var(--accent)", stroke=_FAINT).encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 0.7]), legend=None)
    )
    layers = [fill]
    if len(targets) <= 3:
        layers.append(base.mark_text(fontSize=10).encode(text=alt.Text("images:Q", format=",d")))
    side = 32 if len(targets) <= 3 else 14
    chart = (
        alt.layer(*layers)
        .properties(width=alt.Step(side), height=alt.Step(side))
        .facet(
            row=alt.Row(
                "series:N", title=None, sort=[look.label for look in looks], header=alt.Header(labelAngle=-90)
            ),
            column=alt.Column("view:N", title=None, sort=_view_order()),
            spacing=8,
        )
    )
    return _finished(chart.add_params(_panel_choice(counts)))


FACT_COLOURS = ("var(--tissue)", "var(--undecided)", "var(--readable)")
FACT_SHAPES = ("square", "circle", "triangle-up")


def facts_chart(told: pd.DataFrame, kinds: Sequence[str]) -> Spec:
    """AUROC of each fact with its bounds, the clearest on top.

    ``told`` columns: name, of_what (one of the three ``kinds``), auroc, at_least, at_most, shown.
    """
    low = min(0.5, float(np.nanmin(told["at_least"]))) if told["at_least"].notna().any() else 0.5
    scale = alt.Scale(domain=[max(0.0, np.floor(low * 20) / 20), 1], nice=False)
    bounded = told.assign(at_least=told["at_least"].clip(0, 1), at_most=told["at_most"].clip(0, 1))
    base = alt.Chart(_data(bounded)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=230, domain=False, ticks=False))
    )
    x = alt.X("auroc:Q", title="AUROC of the fact alone", scale=scale)
    kind = alt.Legend(title=None, orient="top", columnPadding=36)
    colour = alt.Color(
        "of_what:N", sort=kinds, scale=alt.Scale(domain=kinds, range=FACT_COLOURS), legend=kind
    )
    shape = alt.Shape("of_what:N", sort=kinds, scale=alt.Scale(domain=kinds, range=FACT_SHAPES))
    marks = base.encode(x=x, color=colour, shape=shape)
    chance = alt.Chart(alt.InlineData([{"chance": 0.5}])).mark_rule(stroke=_INK, strokeDash=[5, 3])
    chart = alt.layer(
        chance.encode(x=alt.X("chance:Q", scale=scale)),
        base.mark_rule(strokeWidth=1.2, stroke=_MUTED).encode(
            x=alt.X("at_least:Q", title="AUROC of the fact alone", scale=scale), x2="at_most:Q"
        ),
        marks.transform_filter("datum.shown").mark_point(filled=True, size=70, opacity=1),
        marks.transform_filter("!datum.shown").mark_point(filled=False, size=60, opacity=1),
    ).properties(width=520, height=alt.Step(20))
    return _finished(chart)


def _rim(lines: alt.Chart) -> alt.Chart:
    """What is drawn beneath ``lines``, one a series and seed, so that light ones stand out from the paper."""
    rim: alt.Chart = lines.mark_line(strokeWidth=2.4, stroke=_MUTED, clip=True).encode(
        detail=["series:N", "seed:N"]
    )
    return rim


def _view_order() -> list[str]:
    """Labels of all views in the order of every figure; what sees no pixel comes last."""
    return [*map(view_label, view_names()), NO_PIXELS]


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


def _by_view(layers: alt.LayerChart, table: pd.DataFrame) -> alt.FacetChart:
    shown = alt.LayerChart(layer=[layers], data=_data(table), width=190, height=190)
    return (
        shown.transform_filter("datum.panel == panel")
        .facet(alt.Facet("view:N", sort=_view_order(), title=None), columns=3, spacing=18)
        .add_params(_panel_choice(table))
    )


def _colour(looks: Sequence[SeriesLook]) -> alt.Color:
    return alt.Color("series:N", title=None, scale=_scale(looks, "colour"))


def _shape(looks: Sequence[SeriesLook]) -> alt.Shape:
    return alt.Shape("series:N", title=None, scale=_scale(looks, "shape"))


def _dash(looks: Sequence[SeriesLook]) -> alt.StrokeDash:
    return alt.StrokeDash("series:N", title=None, scale=_scale(looks, "dash"))


def _scale(looks: Sequence[SeriesLook], channel: str) -> alt.Scale:
    return alt.Scale(domain=[look.label for look in looks], range=[getattr(look, channel) for look in looks])


def _finished(chart: Any) -> Spec:
    spec: Spec = chart.to_dict()
    spec["config"] = CONFIG
    return spec


def _data(table: pd.DataFrame) -> alt.InlineData:
    return alt.InlineData(json.loads(table.to_json(orient="records")))
