# Read before all else: a Snakemake of another environment is told in one line what to run in its place.

import sys
from pathlib import Path

# The folder `workflow`; the attribute is older than Snakemake's other ways to ask for it.
sys.path.insert(0, str(Path(workflow.current_basedir.path).parent))

from nullcrop.basics.environment import unfit_environment

deployed = getattr(workflow, "deployment_settings", None)
if lacking := unfit_environment(planning_alone=bool(deployed and deployed.deployment_method)):
    sys.exit(f"nullcrop: error: {lacking}")
