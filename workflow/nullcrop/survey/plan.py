"""What to train on a folder of images, and the two YAML files that say so."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from nullcrop.config.definitions import Definition
from nullcrop.config.detectable import enough_arrangements, inflation_of_folds, minimal_detectable
from nullcrop.config.models import Thresholds
from nullcrop.config.names import CROSSFIT
from nullcrop.config.readers import BASELINES
from nullcrop.config.views import judging_views, views_made_always
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.sentences import upper_words
from nullcrop.survey.layout import Layout
from nullcrop.survey.masks import MasksFound

STUDY = "audit"
"""The study's name."""

RECIPE = "lenet"
"""How its network is trained."""

IMAGES_SEEN = 16_000
"""Epochs × images of an audit in minutes; over four views and five folds they take less than a minute."""

MOST_EPOCHS, FEWEST_EPOCHS = 20, 10

THOROUGH_EPOCHS = 120
"""Epochs after which LeNet-5's answer on some hundred images no longer depends on their number."""

CROP = 20
"""Side of the study's crops in pixels."""


@dataclass(frozen=True)
class Plan:
    """An audit: what is trained on which views, and what it could find."""

    split: str
    seeds: Sequence[int]
    views: Sequence[str]
    architectures: Sequence[str]
    baselines: Sequence[str]
    figures: Sequence[str]
    epochs: int
    crop: int
    minimal: float
    """AUROC that would be found with a chance of 80 %; above 1: none."""
    can_tell: bool
    """Whether any result could count."""

    @property
    def words(self) -> str:
        """What could be seen, before it costs anything."""
        if not self.can_tell:
            return "too few independent images of a class for any result to count"
        if self.minimal >= 1:
            return "too few independent images to find anything but an AUROC close to 1"
        return f"an AUROC from {upper_words(self.minimal)} would be found with a chance of 80%"


def plan(layout: Layout, thorough: bool = False, epochs: int | None = None) -> Plan:
    """The audit of ``layout``: LeNet-5 and the baselines that see pixels, cross-fitted, on the crops on
    which a verdict rests.

    Five folds, because their factor c is smaller than that of ten; ``thorough`` takes ten, whose networks are
    trained on more images, two partitions into folds, all views and all baselines.
    """
    split = "crossfit" if thorough else "crossfit5"
    judging = judging_views(layout.field)  # type: ignore[arg-type]
    in_time = max(FEWEST_EPOCHS, min(MOST_EPOCHS, IMAGES_SEEN // len(layout.listing)))
    seen = sight(layout, layout.listing, split)
    return Plan(
        split=split,
        seeds=[0, 1] if thorough else [0],
        views=views_made_always() if thorough else judging,
        architectures=["lenet5"],
        baselines=list(BASELINES) if thorough else ["majority", *_pixel_baselines(), "file_facts"],
        figures=["accuracy", "samples", "crops"] if thorough else ["samples", "crops"],
        epochs=epochs or (THOROUGH_EPOCHS if thorough else in_time),
        crop=min(CROP, max(4, layout.smallest_side // 3)) if layout.smallest_side else CROP,
        minimal=seen.minimal,
        can_tell=seen.can_tell,
    )


@dataclass(frozen=True)
class Sight:
    """What an audit could see: by LeNet-5, the baselines that judge, and their average."""

    minimal: float
    """AUROC that would be found with a chance of 80 %; above 1: none."""
    can_tell: bool
    """Whether any result could count."""
    test: TestSet
    """Its images, each tested once."""
    members: int
    """Readers × views."""


def sight(layout: Layout, listing: pd.DataFrame, split: str) -> Sight:
    """What an audit of the images in ``listing`` (columns class and group) could see, cross-fitted as
    ``split`` says."""
    test = TestSet(_targets(layout, listing["class"]), listing["group"].to_numpy(str))
    members = len(judging_views(layout.field)) * (len(_pixel_baselines()) + 2)  # type: ignore[arg-type]
    folds, level, units = CROSSFIT[split], Thresholds().level, test.units_of_targets
    minimal = minimal_detectable(units, members, level, inflation_of_folds(folds, range(folds)))
    return Sight(minimal, enough_arrangements(units, level) and test.rarest_units > 1, test, members)


def _pixel_baselines() -> list[str]:
    return [name for name, one in BASELINES.items() if one.judges and one.always]


def _targets(layout: Layout, names: "pd.Series[str]") -> NDArray[np.int64]:
    if layout.positive:
        return np.array(names.isin(list(layout.positive)), np.int64)
    return np.array(names.map({name: code for code, name in enumerate(layout.classes)}), np.int64)


def dataset_file(layout: Layout, crop: int, masks: MasksFound | None = None) -> str:
    """The dataset's YAML file, with comments for who edits it; ``masks`` that are not sure stand in it as a
    comment."""
    masks = masks or MasksFound()
    window = layout.reading.window
    definition: dict[str, Any] = {
        "field": layout.field,
        "source": dict(layout.source),
        **({"group": layout.group} if layout.group else {}),
        **({"group_from": layout.group_from} if layout.group_from else {}),
        **({"bits": layout.reading.bits} if layout.reading.bits else {}),
        **({"window": {"center": window[0], "width": window[1]}} if window else {}),
        "classes": list(layout.classes),
        "labels": {"classes": {"positive": list(layout.positive)} if layout.positive else {}},
        "duplicates": "group",
        "expected": {"images": len(layout.listing), "classes": layout.counts},
        "on_mismatch": "report",
        "companions": layout.companions,
        **({"masks": dict(masks.keys)} if masks.sure else {}),
        "unreadable": "leave_out",
        "smallest_side": crop,
        **({"crop": {"width": crop, "height": crop}} if crop != CROP else {}),
    }
    Definition.model_validate(definition)
    text = _commented(
        definition, DATASET_COMMENTS, f"The images below {layout.root}, as `nullcrop audit` took them."
    )
    return text if masks.sure or not masks.keys else text + _offered("masks", masks.keys, masks.doubt)


def config_file(plan: Plan, dataset: str, out: Path, title: str, device: str) -> str:
    """The config's YAML file, with comments for who edits it."""
    config: dict[str, Any] = {
        "definitions": [str(out / "datasets")],
        "paths": {"results": str(out / "results"), "resources": str(out / "resources")},
        "device": device,
        "cells_per_job": 2 * len(plan.views),
        "recipes": {RECIPE: {"weights": "random", "learning_rate": 0.001, "epochs": plan.epochs}},
        "studies": {
            STUDY: {
                "title": title,
                "datasets": [dataset],
                "splits": [plan.split],
                "seeds": list(plan.seeds),
                "views": list(plan.views),
                "architectures": list(plan.architectures),
                "recipes": [RECIPE],
                "baselines": list(plan.baselines),
                "figures": list(plan.figures),
            }
        },
    }
    return _commented(config, CONFIG_COMMENTS, "What is trained. Edit it and run the same command again.")


DATASET_COMMENTS = {
    "field": "whole: the corners hold no lesion; tile: every crop is tissue",
    "source": "where the images are, and how their names are read (docs/your-dataset.md)",
    "group": "what keeps images together that are not independent",
    "classes": "in the order of their codes",
    "labels": "positive: classes that show what is looked for; none: each class is told from the others",
    "duplicates": "copies of an image are kept together",
    "expected": "counted when this file was written; a change is reported",
    "companions": "masks and the like beside images",
    "masks": "where the lesion of each image is; views without it: docs/masks.md",
    "unreadable": "damaged images are listed in dataset.json, and left out",
    "smallest_side": "smaller images are left out, too",
}

CONFIG_COMMENTS = {
    "cells_per_job": "networks that share a process",
    "recipes": "how the network is trained",
    "studies": "every key: config/README.md",
}


class _Short(yaml.SafeDumper):
    """A key a line, and lists of names on one line."""


_Short.add_representer(
    list, lambda dumper, names: dumper.represent_sequence("tag:yaml.org,2002:seq", names, flow_style=True)
)


def _offered(key: str, content: Mapping[str, Any], doubt: str) -> str:
    """A key as a comment, with why it is none."""
    head = f"Take the # away if these are the masks of the images. It is not sure: {doubt}."
    offered = yaml.dump({key: dict(content)}, Dumper=_Short, allow_unicode=True, sort_keys=False, width=100)
    return "".join(f"# {line}\n" for line in [*textwrap.wrap(head, 100), *offered.splitlines()])


def _commented(content: dict[str, Any], comments: dict[str, str], head: str) -> str:
    """YAML of ``content`` with a comment above each key of the first level that has one."""
    lines = [f"# {head}"]
    for key, value in content.items():
        if key in comments:
            lines.append(f"# {comments[key]}")
        lines.append(yaml.dump({key: value}, Dumper=_Short, allow_unicode=True, sort_keys=False, width=100))
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"
