# From a fresh clone: `make demo` runs the audit on generated images, `make test` the checks.
# Both make the environment they need (.venv, exact pins in envs/constraints.txt).

PYTHON ?= python3
CORES ?= $(shell nproc)
BIN := .venv/bin
ENV := .venv/complete

# The checks run on small jobs, where torch's own threads only wait for one another.
export OMP_NUM_THREADS ?= 1
# Else each of a run's many processes compiles the package anew, where an image of a container asks for that.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help:
	@echo "make demo    audit generated images, with and without a planted cue (a few minutes)"
	@echo "make calibration  count the audit's false alarms and its power on 580 generated datasets (two hours)"
	@echo "make test    every quick check: format, lint, types, unit, workflow and browser tests (a quarter of an hour on two cores)"
	@echo "make test-long  whole audits: the demo, every study at toy size, controls, reruns, a calibration, small benchmarks, and every test that takes its time"
	@echo "make test-slurm  what a cluster may do to a run, on a real Slurm that it installs and starts (Debian, root)"
	@echo "make mutants  plant random faults in the core and count those that the tests notice (hours; goes on)"
	@echo "make lint    the quick checks alone"
	@echo "make bench   the benchmarks, each beside its plain alternative (some 10 GB of disk for a while)"
	@echo "make format  format Python and Snakemake files"
	@echo "make env     the environment alone (.venv)"
	@echo "make pictures  run the demo and take its figures into the README"
	@echo "make audits  audit BUSI and HAM10000 and write docs/audits (an hour of CPU)"
	@echo "make docs    write the pages of docs/ that come from tables, dataset files, records and schemas"
	@echo "make site    build docs/ as a site, in site/"
	@echo "make schema  write workflow/schemas from the config models"

.PHONY: env
env: $(ENV)

$(ENV): pyproject.toml envs/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "nullcrop needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 --constraint envs/constraints.txt --editable '.[dev]'
	touch $@

.PHONY: demo
demo: $(ENV)
	$(BIN)/snakemake --cores $(CORES) --quiet host reason --configfile config/demo.yaml
	@$(BIN)/python -m nullcrop status --configfile config/demo.yaml
	@$(BIN)/python -m nullcrop verdicts --configfile config/demo.yaml
	@echo
	@echo "Look at: results/studies/demo/figures/verdicts.png                 what may be said of each, at a glance"
	@echo "         results/studies/demo/phantom_clean/figures/accuracy.png    no cue: nothing to find in the corners"
	@echo "         results/studies/demo/phantom_session/figures/accuracy.png  a cue in the background: found there"
	@echo "         results/studies/demo/phantom_jpeg/figures/accuracy.png     a cue in the compression: found there"
	@echo "         results/studies/demo/*/figures/samples.png                 what the images and their crops look like"
	@echo "         results/studies/demo/metrics.csv                           every number behind the figures"
	@echo "The report, for any browser: $(CURDIR)/results/report/demo/index.html"

# False alarms and power of the audit on generated datasets; the results are a table and a figure.
.PHONY: calibration
calibration: $(ENV)
	$(BIN)/snakemake --cores $(CORES) --quiet host reason --configfile config/calibration.yaml
	@echo "Look at: results/calibration/calibration.png and results/calibration/table.csv"

# The README's pictures are the demo's own: its report in Chromium, and its figures.
.PHONY: pictures
pictures: demo
	$(BIN)/python docs/demo/take_pictures.py results/report/demo/index.html docs/demo
	$(BIN)/python docs/demo/audit_picture.py docs/audit.svg
	cp results/studies/demo/phantom_session/figures/accuracy.png docs/demo/accuracy.png
	cp results/studies/demo/phantom_clean/figures/accuracy.png docs/demo/accuracy_clean.png

# The images are no part of the clone: who has them elsewhere sets the paths in the two dataset files.
IMAGES := ../shared/data

.PHONY: audits
audits: $(ENV)
	@if [ -d $(IMAGES)/busi ]; then \
		$(BIN)/snakemake --cores $(CORES) --quiet host reason --configfile config/audits/busi.yaml; \
	else echo "SKIPPED: the audit of BUSI, because its images are not in $(IMAGES)/busi"; fi
	@if [ -f $(IMAGES)/ham10000_200/images.zip ]; then \
		$(BIN)/python -m zipfile -e $(IMAGES)/ham10000_200/images.zip results/audits/images/ham10000_200 && \
		$(BIN)/python -m zipfile -e $(IMAGES)/ham10000_200/masks.zip results/audits/images/ham10000_200_masks && \
		$(BIN)/snakemake --cores $(CORES) --quiet host reason --configfile config/audits/ham10000.yaml; \
	else echo "SKIPPED: the audit of HAM10000, because $(IMAGES)/ham10000_200/images.zip is not there"; fi
	$(BIN)/python docs/audits/write_pages.py results/audits docs/audits

.PHONY: lint
lint: $(ENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint --configfile config/demo.yaml

.PHONY: test
test: lint
	$(BIN)/pytest -m "not long" --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder --durations 20

# Apart from `make test`, which is run often.
.PHONY: test-long
test-long: $(ENV)
	$(BIN)/pytest -m long --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder --durations 20

# By hand and before a release. ROOMS names some of tests/mutants.py; MUTANTS="--mutants 20" draws fewer.
MUTATION := .venv/mutation

$(MUTATION): $(ENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 --constraint envs/constraints.txt --editable '.[dev,mutants]'
	touch $@

.PHONY: mutants
mutants: $(MUTATION)
	PYTHONPATH=workflow nice $(BIN)/python -m tests.mutants $(MUTANTS) $(ROOMS)

.PHONY: bench
bench: $(ENV)
	PYTHONPATH=workflow $(BIN)/python benchmarks/out_of_core.py
	PYTHONPATH=workflow $(BIN)/python benchmarks/six_views.py
	PYTHONPATH=workflow $(BIN)/python benchmarks/originals.py
	PYTHONPATH=workflow $(BIN)/python benchmarks/report.py
	PYTHONPATH=workflow $(BIN)/python benchmarks/cpu_training.py

# Apart from `make test`, because it installs Debian's packages and needs root for it.
.PHONY: test-slurm
test-slurm: $(ENV)
	$(BIN)/python -m tests.slurm.install
	$(BIN)/pytest tests/slurm

.PHONY: format
format: $(ENV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

.PHONY: schema
schema: $(ENV)
	$(BIN)/python -m nullcrop write-schemas

.PHONY: docs
docs: $(ENV)
	$(BIN)/python -m nullcrop list-discrepancies --published resources/published/*.csv --definitions config/datasets \
		--out results/discrepancies.csv
	$(BIN)/python -m nullcrop describe-discrepancies --table results/discrepancies.csv --out docs/discrepancies.md
	$(BIN)/python -m nullcrop describe-printed --published resources/published/*.csv --definitions config/datasets \
		--out docs/printed-values.md
	$(BIN)/python -m nullcrop describe-datasets --definitions config/datasets config/companions --out docs/datasets.md
	$(BIN)/python -m nullcrop describe-records --out docs/records.md
	$(BIN)/python -m nullcrop describe-keys --out docs

# Strict: a broken link, or a page that docs/_toc.yml leaves out, stops it.
.PHONY: site
site: $(ENV)
	rm -rf docs/api
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs site
	@echo "Open: $(CURDIR)/site/index.html"
