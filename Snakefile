# nullcrop: can a network read the diagnosis off pixels that hold none?
#
# The experiment is in the config (config/config.yaml unless --configfile names another), the
# machine in the profile. Each rule below workflow/rules is one line of `python -m nullcrop`.

from snakemake.utils import min_version


include: "workflow/rules/environment.smk"


min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


rule all:
    input:
        GRID.targets(),
    message:
        "everything the config asks for is done"


include: "workflow/rules/datasets.smk"
include: "workflow/rules/views.smk"
include: "workflow/rules/duplicates.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/cues.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/report.smk"
