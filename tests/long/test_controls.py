"""Baselines and shuffled targets as cells of a study."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml

from nullcrop.config.grid import STUDY_TABLES

from .conftest import Checkout

# What follows from other predictions of a dataset, in a study of one dataset.
TABLES_AND_FIGURES = [
    *("compute_metrics", "judge_readers", "compare_cells", "judge_dataset", "plot_accuracy", "plot_crops"),
    *(f"join_{table}" for table in STUDY_TABLES),
    *("plot_verdicts", "write_report", "write_report_index", "all"),
]

TRUE, SHUFFLED = (f"results/cells/one/printed/{split}" for split in ("grouped", "grouped_shuffle1"))


def test_controls_are_cells_of_their_study(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    controls = {"baselines": ["mean_rgb", "file_facts"], "shuffles": 1}
    checkout.write_study(datasets=["one"], views=["upper_left"], **controls)
    plan = checkout.plan()
    assert (plan["train_cell"], plan["fit_baselines"], plan["split_samples"]) == (2, 2, 2)
    checkout.snakemake()
    assert checkout.plan() == {}

    metrics = pd.read_csv(checkout.folder / "results/studies/toy/metrics.csv")
    assert list(metrics[["split", "view", "architecture"]].itertuples(index=False, name=None)) == [
        (split, view, architecture)
        for split in ("grouped", "grouped_shuffle1")
        for view, architecture in (
            ("original", "file_facts"),
            ("upper_left", "lenet5"),
            ("upper_left", "mean_rgb"),
        )
    ]
    tested = [
        pd.read_csv(checkout.folder / split / "upper_left/lenet5/toy/seed0/predictions.csv")[["id", "target"]]
        for split in (TRUE, SHUFFLED)
    ]
    assert tested[0].equals(tested[1])

    before = checkout.predictions()
    (checkout.folder / TRUE / "upper_left/mean_rgb/baseline/seed0/predictions.csv").unlink()
    again = ["fit_baselines", *TABLES_AND_FIGURES]
    assert checkout.plan() == Counter(again)
    checkout.snakemake()
    assert checkout.predictions() == before
    log = checkout.folder / "results/logs/fit_baselines/one/printed/grouped/seed0.log"
    assert log.read_text().count("kept: ") == len(list(Path(checkout.folder, TRUE).rglob("baseline")))

    # Another baseline of a test set that has been fitted is a matter of its metrics alone.
    checkout.write_study(
        datasets=["one"], views=["upper_left"], baselines=["majority", "raw_pixels"], shuffles=1
    )
    assert checkout.plan() == Counter([*TABLES_AND_FIGURES, "resolve_config"])


def test_a_calibration_is_a_config_like_any_other(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    size = {"datasets": 2, "patients": 30}
    (checkout.folder / "toy.yaml").write_text(
        yaml.safe_dump(
            {
                "recipes": {"quick": {"weights": "random", "epochs": 1}},
                "calibration": {
                    "recipe": "quick",
                    "series": [
                        {"cue": "none", **size, "splits": ["crossfit5", "grouped"]},
                        {"cue": "none", **size, "images_per_patient": 1},
                        {"cue": "patient", "strengths": [1], **size, "splits": ["random", "grouped"]},
                    ],
                },
            }
        )
    )
    after = ["count_alarms", "plot_calibration", "write_report_index", "all"]
    planned = Counter(["audit_phantoms", "judge_phantoms"] * 3 + after)
    assert checkout.plan() == planned
    said = checkout.snakemake()
    assert re.search(
        r"nullcrop: calibration: 6 generated datasets, about [\d.]+ s on \d+ cores? \(3 jobs of ", said
    )
    table = pd.read_csv(checkout.folder / "results/calibration/table.csv")
    assert set(table[["cue", "images_per_patient", "split"]].itertuples(index=False, name=None)) == {
        ("none", 2, "crossfit5"),
        ("none", 2, "grouped"),
        ("none", 1, "crossfit5"),
        ("patient", 2, "random"),
        ("patient", 2, "grouped"),
    }
    assert (table["datasets"] == 2).all()
    assert checkout.plan() == {}

    # What is done of an interrupted run stays; another level judges again and trains nothing.
    for name in ("predictions/none_0_from2.csv", "judged/none_0_from2.csv", "table.csv"):
        (checkout.folder / "results/calibration" / name).unlink()
    assert checkout.plan() == Counter(
        [
            *("audit_phantoms", "judge_phantoms", "count_alarms", "plot_calibration"),
            *("write_report_index", "all"),
        ]
    )
    checkout.snakemake()
    content = yaml.safe_load((checkout.folder / "toy.yaml").read_text())
    content["calibration"]["level"] = 0.1
    (checkout.folder / "toy.yaml").write_text(yaml.safe_dump(content))
    assert checkout.plan()["judge_phantoms"] == 3
    assert checkout.plan()["audit_phantoms"] == 0
