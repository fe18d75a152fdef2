"""docs/records.md: every view, network, baseline, treatment, figure and source, as their records say."""

from collections.abc import Sequence
from pathlib import Path

from nullcrop.basics.files import written_whole
from nullcrop.config.figures import FIGURES
from nullcrop.config.readers import BASELINES, NETWORKS, Baseline
from nullcrop.config.sources import SOURCES
from nullcrop.config.treatments import TREATMENTS, treatment_names
from nullcrop.config.views import VIEWS

INTRODUCTION = """\
<!-- Made by `make docs`; edit the records it reads (workflow/nullcrop/config), not this page. -->

# Views, networks, baselines, treatments, figures and sources

What a config and a dataset's file may name. How to add one: [extending.md](extending.md).
"""


def page() -> str:
    """The page: a table for each kind of record."""
    return "\n".join(
        [
            INTRODUCTION,
            _section(
                "Views",
                ["view", "shows", "size", "holds no lesion", "a verdict rests on it", "made"],
                [
                    [
                        f"`{name}`",
                        view.about,
                        f"the {view.size}'s",
                        _fields(view.lesion_free),
                        _fields(view.judges),
                        "always" if view.always else "where a study names it",
                    ]
                    for name, view in VIEWS.items()
                ],
            ),
            _section(
                "Networks",
                ["network", "name", "input side", "smallest", "ImageNet weights", "from"],
                [
                    [
                        f"`{name}`",
                        network.label,
                        str(network.input_side),
                        str(network.smallest_input),
                        network.checkpoint or "none",
                        network.package or "nullcrop",
                    ]
                    for name, network in NETWORKS.items()
                ],
            ),
            "Any network of timm besides, as `timm:NAME`.\n",
            _section(
                "Baselines",
                ["baseline", "name", "what it is fitted to", "sees", "a verdict rests on it"],
                [
                    [f"`{name}`", one.label, one.about, _seen(one), "yes" if one.judges else "no"]
                    for name, one in BASELINES.items()
                ],
            ),
            _section(
                "Treatments",
                ["treatment", "does", "takes away", "from"],
                [
                    [f"`{called}`", one.label.format("n"), one.about, one.source or "nullcrop"]
                    for called, one in zip(treatment_names(), TREATMENTS.values(), strict=True)
                ],
            ),
            _section(
                "Figures",
                ["figure", "shows", "of each", "drawn from", "in the report"],
                [
                    [
                        f"`{name}`",
                        figure.title,
                        figure.of,
                        ", ".join(figure.reads),
                        "yes" if figure.in_page else "no: it has charts of its own",
                    ]
                    for name, figure in FIGURES.items()
                ],
            ),
            _section(
                "Sources",
                ["source", "images are"],
                [[f"`{name}`", source.way] for name, source in SOURCES.items()],
            ),
        ]
    )


def write_page(out: Path) -> None:
    """Write the page."""
    with written_whole(out) as aside:
        aside.write_text(page(), encoding="utf-8")


def _section(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return f"## {heading}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _seen(baseline: Baseline) -> str:
    of = {"image": "all", "square": "resized to 20×20", "levels": "counts of their levels"}
    return baseline.sees + (f": {of[baseline.reads]}" if baseline.sees == "pixels" else "")


def _fields(fields: Sequence[str]) -> str:
    return (
        " and ".join(f"of a `{field}` field" if field == "whole" else "of a `tile`" for field in fields)
        or "no"
    )
