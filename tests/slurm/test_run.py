"""The command that users type, on a cluster where nothing goes wrong, and where a GPU is missing."""

import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from .cluster import Cluster, run
from .conftest import CELLS, SlurmCheckout


def test_the_grid_runs_to_completion(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: dict[str, bytes]
) -> None:
    """From samples to report: cells in batches, two config files and keys on the command line, the profile of
    a site.

    With `device: cpu`, in jobs that were granted a GPU.
    """

    def of_this_site(profile: dict[str, Any]) -> None:
        profile["default-resources"] |= {"slurm_account": "lab", "slurm_partition": "main"}
        profile["set-resources"] = {
            "train_batch": {
                "slurm_partition": "main",
                "gpu": 0,
                "gres": "'gpu:fake:1'",
                "runtime": "20 * attempt",
            }
        }

    checkout.edit_profile(of_this_site)
    checkout.write_slow()
    (checkout.folder / "batches.yaml").write_text("cells_per_job: 6")
    checkout.configfiles.append("batches.yaml")
    before = len(cluster.history())
    output = checkout.start("--config", "datasets=[one]", "seeds=[0]").finish()
    assert "The profile slurm is profiles/slurm/config.yaml" in output
    assert checkout.predictions() == undisturbed
    assert (checkout.folder / "results/studies/toy/one/figures/accuracy.pdf").is_file()
    assert (checkout.folder / "results/report/index.html").is_file()
    rules = Counter(comment.partition("_wildcards")[0] for _, comment in cluster.history()[before:])
    assert rules["rule_train_batch"] == rules["rule_compute_metrics"] == 1
    # Steps of a second stay on the machine where Snakemake runs.
    assert not {"rule_collect_cell", "rule_train_cell", "rule_judge_dataset", "rule_join_metrics"} & set(
        rules
    )


def test_a_job_asks_for_the_gpu_it_needs_and_status_tells_where_it_runs(
    cluster: Cluster, checkout: SlurmCheckout
) -> None:
    """One GPU of the model that the profile names, and the time and memory of its rule."""

    def of_this_model(profile: dict[str, Any]) -> None:
        profile["set-resources"] = {"train_cell": {"gpu": 1, "gpu_model": "fake"}}

    checkout.edit_profile(of_this_model)
    started = checkout.start(checkout.target(CELLS[1]))
    checkout.hold(CELLS[1])
    [job] = cluster.jobs()
    facts = dict(word.partition("=")[::2] for word in run("scontrol", "show", "job", job).split())
    status = [sys.executable, "-m", "nullcrop", "status", "--configfile", "toy.yaml"]
    environment = {**checkout.environment(), "PYTHONPATH": "workflow"}
    told = subprocess.check_output(status, cwd=checkout.folder, env=environment, text=True)
    started.kill()
    assert "Running: one/printed/grouped/upper_left/lenet5/toy/seed0" in told
    assert f"Slurm job {job})" in told
    assert facts["TresPerJob"] == "gres:gpu:fake:1"
    assert facts["MinMemoryNode"] == "6000M"
    assert facts["TimeLimit"] == "00:15:00"
    assert facts["Requeue"] == "1"


@pytest.mark.parametrize(("device", "cells_per_job"), [("auto", 1), ("auto", 6), ("cuda", 1)])
def test_a_job_that_was_granted_a_gpu_and_sees_none_fails_at_once_in_words(
    cluster: Cluster, checkout: SlurmCheckout, device: str, cells_per_job: int
) -> None:
    """The GPU that the rule itself asks for."""
    checkout.edit_profile(lambda profile: profile.pop("set-resources"))
    checkout.write_slow(device=device, cells_per_job=cells_per_job)
    before = set(cluster.ended())
    output = checkout.start(checkout.target(CELLS[1]), "--retries", "0").finish(fails=True)
    [(job, state)] = [(number, state) for number, state in cluster.ended().items() if number not in before]
    facts = dict(word.partition("=")[::2] for word in run("scontrol", "show", "job", job).split())
    assert (state, facts["TresPerJob"]) == ("FAILED", "gres:gpu:1")
    words = rf"Slurm gave job {job} GPU \d of node {facts['BatchHost']}, but torch sees none there \(torch "
    assert re.search(words, output)
    assert "Traceback" not in output
    assert re.search(words, checkout.log(CELLS[1]))
    assert re.search(words, checkout.nullcrop("status", "--configfile", "toy.yaml"))
    assert "epoch" not in checkout.log(CELLS[1])
    assert not checkout.checkpoint(CELLS[1]).exists()
