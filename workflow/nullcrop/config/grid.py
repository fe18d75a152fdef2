"""The grid: the cells of a study, and where each of their files lies."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path, PurePosixPath

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.cell import CELL_FILES, Cell, ReaderOnView, baseline_cells
from nullcrop.config.dataset_files import parts_of
from nullcrop.config.detectable import fewest_folds
from nullcrop.config.figures import FIGURE_FORMATS, FIGURES, figures_of
from nullcrop.config.models import Part, Project
from nullcrop.config.names import (
    BASELINE_RECIPE,
    BY_GROUP,
    CROSSFIT,
    EARLIER,
    MEASURED,
    PUBLISHED,
    SPLITS,
    TOLD,
    UNWATCHED,
    attribute_slug,
    protocol_of,
    shuffled_split,
    split_name,
)
from nullcrop.config.places import expanded
from nullcrop.config.readers import (
    BASELINES,
    NETWORKS,
    architectures,
    input_side_of,
    reads_full_images,
    sees_pixels,
)
from nullcrop.config.resources import (
    LONGEST_BATCH_SECONDS,
    SHORT_CELLS_A_JOB,
    is_short,
    training_seconds,
)
from nullcrop.config.views import (
    is_treated,
    judging_views,
    treated_views,
    untreated,
    view_names,
    view_of,
    views_in_order,
    views_made_always,
)
from nullcrop.config.yaml_files import meant

STUDY_TABLES = ("metrics", "readers", "comparisons", "verdicts")
"""Tables of each dataset in a study, and of the study."""

RESULT_FOLDERS = ("cells", "datasets", "report", "saliency", "splits", "studies")
"""Folders of the results that hold what a user may ask for."""


class Grid:
    """Studies as cells: what each study and each dataset of it is made of."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._cells: dict[str, list[Cell]] = {}
        self._treated: dict[str, list[Cell]] = {}
        for name in project.config.studies:
            every = self._cells_of(name)
            self._treated[name] = [cell for cell in every if is_treated(cell.view)]
            self._cells[name] = [cell for cell in every if not is_treated(cell.view)]
        self._demanded = self._demands()
        for name in self.studies:
            for dataset in self.datasets(name):
                self._check_explained(name, dataset)
        self._batch_sizes: dict[tuple[str, str, str], int] = {}
        self.batches: dict[str, list[Cell]] = defaultdict(list)
        """Cells of networks that share a job, by :meth:`batch_path`."""
        for cell in self.all_cells:
            if not cell.is_baseline:
                self.batches[self.batch_path(cell)].append(cell)
        unused = [name for name in project.config.datasets or [] if name not in self.values("dataset")]
        if unused:
            raise NullcropError(
                f"datasets: no study names {listed(unused)}, so there is nothing to do for it; add it to "
                f"`datasets` of a study ({listed(project.config.studies)})"
            )

    def _cells_of(self, study: str) -> list[Cell]:
        narrowed = self.project.config.datasets
        cells: dict[Cell, None] = {}
        for part in self.project.config.studies[study].cross_products():
            for dataset in part.datasets or []:
                definition = self.project.definition(dataset)
                if narrowed is not None and dataset not in narrowed:
                    continue
                rules = [definition.default_rule if rule == "default" else rule for rule in part.labels or []]
                for rule in rules:
                    definition.targets(rule)
                if not definition.has_groups and any(
                    protocol_of(split) in BY_GROUP for split in part.splits or []
                ):
                    raise NullcropError(
                        f"studies.{study}: dataset '{dataset}' has no group key, so it cannot be split by "
                        f"group; name the key under `group:` in {self.project.definition_path(dataset)}, or "
                        "set `duplicates: group` there"
                    )
                for split in part.splits or []:
                    self._check_attribute(study, dataset, split)
                self._check_parts(study, dataset)
                self._check_masks(study, dataset, part.views or [])
                self._check_recipes(study, part.architectures or [], part.recipes or [])
                self._check_watching(study, part.splits or [], part.recipes or [])
                splits = [
                    shuffled_split(split, number) if number else split
                    for number in range((part.shuffles or 0) + 1)
                    for split in part.splits or []
                ]
                seeds = self.project.config.seeds or part.seeds or []
                runs = {
                    (labels, split): self._seeds_of(dataset, labels, split, seeds, part)
                    for labels, split in product(rules, splits)
                }
                treatments = self.project.config.studies[study].treatments
                treated = treated_views(treatments, part.views or [], definition.field)
                # Controls are of untreated images alone.
                shown = {
                    run: [*(part.views or []), *([] if split_name(run[1]).shuffle else treated)]
                    for run in runs
                }
                cells.update(
                    (Cell(dataset, *run, *point, seed), None)
                    for run, views in shown.items()
                    for point in product(views, part.architectures or [], part.recipes or [])
                    for seed in runs[run]
                )
                cells.update(
                    (cell, None)
                    for run, views in shown.items()
                    for seed in runs[run]
                    # What sees no pixel stands at `original`, whether or not networks are trained on it.
                    for cell in baseline_cells(
                        dataset, *run, seed, views_in_order(["original", *views]), part.baselines or []
                    )
                    if cell.view in views or not sees_pixels(cell.architecture)
                )
        self._check_treated(study, cells)
        return list(cells)

    def _check_treated(self, study: str, cells: Collection[Cell]) -> None:
        """Whether the treatments of ``study`` treat anything that its ``cells`` show."""
        treated = {cell.dataset for cell in cells if is_treated(cell.view)}
        untreated_datasets = {cell.dataset for cell in cells} - treated
        if self.project.config.studies[study].treatments and untreated_datasets:
            raise NullcropError(
                f"studies.{study}: treatments are looked at on `original` and on the crops on which a "
                f"verdict rests, but for {listed(sorted(untreated_datasets))} `views` names none of these"
            )

    def _seeds_of(self, dataset: str, labels: str, split: str, seeds: Sequence[int], part: Part) -> list[int]:
        """Seeds of the cells that ``seeds`` of a study stand for: of a cross-fitted split these are
        partitions.

        Of a dataset whose file states its counts as few folds are tested as suffice
        (:func:`~nullcrop.config.detectable.fewest_folds`): fixed before anything is trained. Where images
        come in groups nobody has counted yet, all are.
        """
        folds = CROSSFIT.get(protocol_of(split))
        if folds is None:
            return list(seeds)
        definition, tested = self.project.definition(dataset), folds
        counts = definition.expected_targets(labels)
        # Of a matched split nobody knows how many images remain.
        if counts and not definition.has_groups and not split_name(split).match:
            members = self.members(dataset, part)
            tested = fewest_folds(counts, folds, members, self.project.config.verdict.level)
        return [folds * partition + fold for partition in seeds for fold in range(tested)]

    def members(self, dataset: str, part: Part) -> int:
        """How many (view, reader) a verdict on ``dataset`` tests together, averages of readers among them."""
        views = set(part.views or []) & set(judging_views(self.project.definition(dataset).field))
        networks = len(part.architectures or []) * len(part.recipes or [])
        readers = networks + sum(BASELINES[name].judges for name in part.baselines or [])
        return max(1, len(views) * (readers + (readers > 1)))

    def _demands(self) -> dict[Cell, str]:
        demanded: dict[Cell, str] = {}
        for name, cells in self._cells.items():
            numerics = self.project.config.studies[name].numerics
            if numerics is None:
                continue
            for cell in (*cells, *self._treated[name]):
                if cell.is_baseline:
                    continue
                if demanded.setdefault(cell, numerics) != numerics:
                    raise NullcropError(
                        f"studies.{name}.numerics: another study demands {demanded[cell]} of {cell.path}, "
                        f"this one {numerics}; a cell is trained once, so one of them has to give way"
                    )
        return demanded

    def _check_parts(self, study: str, dataset: str) -> None:
        """Whether the datasets that ``dataset`` is made of are such whose images it can read."""
        whole = self.project.definition(dataset)
        for name in parts_of(self.project, dataset):
            part = self.project.definition(name)
            if parts_of(self.project, name):
                raise NullcropError(
                    f"studies.{study}: dataset '{dataset}' names '{name}', which is itself made of datasets; "
                    "name those"
                )
            if (part.bits, part.window) != (whole.bits, whole.window):
                raise NullcropError(
                    f"studies.{study}: gray values of '{name}' are read by the rule (bits or window) of its "
                    f"own file, which '{dataset}' does not state; write the same rule into both"
                )

    def _check_masks(self, study: str, dataset: str, views: list[str]) -> None:
        masked = [view for view in views if view_of(view).masked]
        if masked and self.project.definition(dataset).masks is None:
            raise NullcropError(
                f"studies.{study}: the view {listed(masked)} needs each image's mask, but dataset "
                f"'{dataset}' has none; name their folder under `masks:` in "
                f"{self.project.definition_path(dataset)}"
            )

    def _check_attribute(self, study: str, dataset: str, split: str) -> None:
        """Whether ``dataset`` has the attribute that ``split`` makes independent of the class; what DICOM
        files tell is not known before they are read."""
        wanted, own = split_name(split).match, self.project.definition(dataset).attributes
        known = [*map(attribute_slug, own.columns if own else []), *MEASURED]
        if wanted and wanted not in known and not wanted.startswith(TOLD):
            raise NullcropError(
                f"studies.{study}: the split '{split}' matches on '{wanted}', but dataset '{dataset}' has no "
                f"such attribute, {meant(wanted, known)}; columns of its table are named under `attributes:` "
                f"in {self.project.definition_path(dataset)}"
            )

    def _check_recipes(self, study: str, architectures: list[str], recipes: list[str]) -> None:
        for architecture, recipe in product(architectures, recipes):
            how = self.project.config.all_recipes[recipe]
            network = NETWORKS.get(architecture)
            if network and how.input_size is not None and how.input_size < network.smallest_input:
                raise NullcropError(
                    f"studies.{study}: {architecture} needs at least {network.smallest_input} pixels a side, "
                    f"but input_size of the recipe '{recipe}' is {how.input_size}"
                )
            if how.train == "head" and network and not network.heads:
                raise NullcropError(
                    f"studies.{study}: {architecture} is no encoder, so the recipe '{recipe}' cannot train "
                    "its head alone"
                )
            if (
                how.weights == "imagenet"
                and network is None
                and architecture not in self.project.config.weights
            ):
                raise NullcropError(
                    f"studies.{study}: the recipe '{recipe}' starts from published weights; name those of "
                    f"{architecture} under `weights:` (repository, revision, sha256, as its page on "
                    "huggingface.co shows them), or give it a recipe with `weights: random`"
                )
            if how.weights == "imagenet" and network and network.checkpoint is None:
                raise NullcropError(
                    f"studies.{study}: there are no ImageNet weights for {architecture}, which the recipe "
                    f"'{recipe}' asks for; give it a recipe with `weights: random`, such as `scratch`"
                )

    def _check_watching(self, study: str, splits: list[str], recipes: list[str]) -> None:
        for split, recipe in product(splits, recipes):
            keys = self.project.config.all_recipes[recipe].watching
            if keys and protocol_of(split) in UNWATCHED:
                raise NullcropError(
                    f"studies.{study}: the split '{split}' has no validation part, at which the recipe "
                    f"'{recipe}' looks ({listed(keys)}); take a split that has one, such as `random`, or a "
                    "recipe of a fixed number of epochs"
                )

    @property
    def studies(self) -> list[str]:
        """Studies that have at least one cell left after narrowing."""
        return [name for name, cells in self._cells.items() if cells]

    def cells(self, study: str, dataset: str | None = None) -> list[Cell]:
        """Cells of ``study``, or of one dataset in it, in the order of the config."""
        return [cell for cell in self._cells[study] if dataset in (None, cell.dataset)]

    def treated_cells(self, study: str, dataset: str | None = None) -> list[Cell]:
        """Cells of ``study`` on treated images; they are in no table but that of treatments."""
        return [cell for cell in self._treated[study] if dataset in (None, cell.dataset)]

    def compared_treatments(self, study: str, dataset: str) -> list[Cell]:
        """Cells from which a dataset's table of treatments is made: the treated, and the same untreated."""
        treated = self.treated_cells(study, dataset)
        return [*treated, *dict.fromkeys(replace(cell, view=untreated(cell.view)) for cell in treated)]

    def datasets(self, study: str) -> list[str]:
        """Datasets of ``study`` in the order of the config."""
        return list(dict.fromkeys(cell.dataset for cell in self._cells[study]))

    @property
    def all_cells(self) -> list[Cell]:
        """Cells of all studies, each once: studies share cells, never retrain them."""
        every = (*self._cells.values(), *self._treated.values())
        return list(dict.fromkeys(cell for cells in every for cell in cells))

    def values(self, axis: str) -> list[str]:
        """Names that stand on one axis of the grid (a field of Cell), for wildcard patterns."""
        return sorted({str(getattr(cell, axis)) for cell in self.all_cells})

    @property
    def listed_datasets(self) -> list[str]:
        """All datasets whose images are listed: those of cells, and those that one of them is made of."""
        named = self.values("dataset")
        return sorted({*named, *(part for name in named for part in parts_of(self.project, name))})

    def cell_inputs(self, cell: Cell) -> dict[str, str]:
        """What training ``cell`` reads, by role (paths below results and resources)."""
        paths = self.project.config.paths
        inputs = {
            "view": f"{paths.store}/{cell.dataset}/views/{cell.view}.json",
            "pixels": f"{paths.store}/{cell.dataset}/views/{cell.view}.npy",
            "split": split_path(paths.results, cell),
        }
        if self.project.config.all_recipes[cell.recipe].weights == "imagenet":
            pinned = self.project.config.weights.get(cell.architecture)
            inputs["weights"] = (
                f"{paths.resources}/weights/{cell.architecture}-{pinned.sha256}{PurePosixPath(pinned.file).suffix}"
                if pinned
                else f"{paths.resources}/weights/{cell.architecture}.pth"
            )
        return inputs

    def input_sides(self, dataset: str) -> list[str]:
        """Input sides in pixels of the networks that are trained on the whole images of ``dataset``, in
        order.

        A network of timm whose recipe names no side stands for its own: timm alone knows it.
        """
        sides = set()
        for cell in self.all_cells:
            if cell.dataset == dataset and cell.view == "original" and not cell.is_baseline:
                named = self.project.config.all_recipes[cell.recipe].input_size
                own = input_side_of(cell.architecture) if cell.architecture in NETWORKS else None
                sides.add(str(named or own or cell.architecture))
        return sorted(sides)

    def needs_full_originals(self, dataset: str) -> bool:
        """Whether a baseline of ``dataset`` reads whole images at full size."""
        return any(
            cell.dataset == dataset and cell.view == "original" and reads_full_images(cell.architecture)
            for cell in self.all_cells
        )

    def batch_path(self, cell: Cell) -> str:
        """The batch in which ``cell`` is trained: `cells_per_job` cells, fewer where they are long ones; if
        that is not named, some short cells or one long cell."""
        kind = (cell.dataset, cell.architecture, cell.recipe)
        if kind not in self._batch_sizes:
            config, definition = self.project.config, self.project.definition(cell.dataset)
            recipe = config.all_recipes[cell.recipe]
            longest = max(
                training_seconds(replace(cell, view=view), recipe, definition, config.device)
                for view in views_made_always()
            )
            at_most = max(1, int(LONGEST_BATCH_SECONDS / longest))
            usual = SHORT_CELLS_A_JOB if is_short(cell.architecture, recipe, definition) else 1
            self._batch_sizes[kind] = min(config.cells_per_job or usual, at_most)
        return batch_path(cell, self._batch_sizes[kind])

    @property
    def in_batches(self) -> bool:
        """Whether the rules of shared jobs train the networks, those of long cells alone.

        Where the config does not say so, results go on as they were begun, because the other rules would plan
        every finished cell again; new results begin so where cells of the config are short.
        """
        config = self.project.config
        if config.cells_per_job is not None:
            return config.cells_per_job > 1
        if Path(config.paths.results, "benchmarks", "train_cell").is_dir():
            return False
        return Path(config.paths.work, "batches").is_dir() or any(
            size > 1 for size in self._batch_sizes.values()
        )

    def demanded_numerics(self, cell: Cell) -> str | None:
        """The one arithmetic that the studies of ``cell`` demand of it; None: any, as for baselines."""
        return self._demanded.get(cell)

    def splits(self, dataset: str) -> list[str]:
        """Paths of the splits that the cells of ``dataset`` are trained on."""
        results = self.project.config.paths.results
        return sorted({split_path(results, cell) for cell in self.all_cells if cell.dataset == dataset})

    def checked_cells(self, study: str, dataset: str) -> list[Cell]:
        """Cells of the baselines that judge ``dataset``, of splits with several test parts whose labels are
        trained on, too: there the factor c is checked (calibration/ridge_twin.py)."""
        seeds: dict[tuple[str, str], set[int]] = defaultdict(set)
        for cell in self.cells(study, dataset):
            seeds[cell.labels, cell.split].add(cell.seed)
        return [
            cell
            for cell in self.judging_cells(study, dataset)
            if cell.is_baseline
            and protocol_of(cell.split) != "official"
            and len(seeds[cell.labels, cell.split]) > 1
        ]

    def judging_cells(self, study: str, dataset: str) -> list[Cell]:
        """Cells on which the verdicts of ``dataset`` in a study rest."""
        judging = set(judging_views(self.project.definition(dataset).field))
        return [
            cell
            for cell in self.cells(study, dataset)
            if cell.view in judging
            and not split_name(cell.split).shuffle
            and (not cell.is_baseline or BASELINES[cell.architecture].judges)
        ]

    def mapped_splits(self, study: str, dataset: str) -> list[str]:
        """Paths of the splits on which a leak map is read: all that the study's networks are trained on."""
        results = self.project.config.paths.results
        cells = [cell for cell in self.cells(study, dataset) if not split_name(cell.split).shuffle]
        return sorted({split_path(results, cell) for cell in cells})

    def explained_cells(self, study: str, dataset: str) -> list[Cell]:
        """Cells of which saliency maps are made: of each network on whole images, for each label rule and
        split, that of the first seed."""
        first: dict[ReaderOnView, Cell] = {}
        for cell in self.cells(study, dataset):
            if cell.view == "original" and not cell.is_baseline and not split_name(cell.split).shuffle:
                own = ReaderOnView.of(cell)
                first[own] = min(cell, first.get(own, cell))
        return list(first.values())

    def _check_explained(self, study: str, dataset: str) -> None:
        """Whether there is a network to be looked at, where a study asks for that."""
        asked = "saliency" in self.project.config.studies[study].figures
        if asked and not self.explained_cells(study, dataset):
            raise NullcropError(
                f"studies.{study}: the figure 'saliency' shows what networks look at in whole images, but "
                f"none is trained on those of '{dataset}'; add `original` to `views`, or leave the figure out"
            )

    def counts_lesions(self, dataset: str) -> bool:
        """Whether it is counted how often crops of ``dataset`` touch a lesion: where it has masks. Those that
        have to be downloaded first are not, unless a study names a view that asks for them."""
        masks = self.project.definition(dataset).masks
        if masks is None or masks.files is None:
            return masks is not None
        return any(cell.dataset == dataset and view_of(cell.view).masked for cell in self.all_cells)

    def figure_paths(self, study: str, dataset: str) -> list[str]:
        """The figure files of one dataset that a study asks for."""
        folder = f"{self.project.config.paths.results}/studies/{study}/{dataset}/figures"
        return [
            f"{folder}/{figure}.{suffix}"
            for figure in self.project.config.studies[study].figures
            for suffix in FIGURE_FORMATS
        ]

    def report_inputs(self, study: str, dataset: str | None = None) -> list[str]:
        """Tables and figures that the report of a study (of one ``dataset`` in it) is made of."""
        results = self.project.config.paths.results
        shown = [f"/{figure}.png" for figure in figures_of("dataset") if FIGURES[figure].in_page]
        inputs = []
        for name in self.datasets(study) if dataset is None else [dataset]:
            folder, counted = f"{results}/studies/{study}/{name}", f"{results}/datasets/{name}"
            inputs += [f"{folder}/{table}.csv" for table in STUDY_TABLES]
            figures = self.figure_paths(study, name)
            inputs += [path for path in figures if path.endswith(tuple(shown))]
            inputs += self.treatment_tables(study, name)
            inputs += [f"{counted}/dataset.json", f"{counted}/leaks.csv"]
            if self.counts_lesions(name):
                inputs.append(f"{counted}/masks.csv")
            if name in PUBLISHED:
                inputs.append(f"{counted}/discrepancies.csv")
            if name in (*PUBLISHED, *EARLIER):
                inputs.append(f"{results}/discrepancies.csv")
        if dataset is None and len(self.datasets(study)) > 1:
            inputs.append(f"{results}/duplicates.csv")
        if dataset is None:
            inputs += self.calibration_results()
        return list(dict.fromkeys(inputs))

    def treatment_tables(self, study: str, dataset: str) -> list[str]:
        """Path of the table that says what treatments did to a dataset, where a study names any."""
        if not self.treated_cells(study, dataset):
            return []
        return [f"{self.project.config.paths.results}/studies/{study}/{dataset}/treatments.csv"]

    def calibration_results(self) -> list[str]:
        """Table and figure of the calibration, where there is one."""
        if self.project.config.calibration is None:
            return []
        folder = f"{self.project.config.paths.results}/calibration"
        figures = [f"{folder}/calibration.{suffix}" for suffix in FIGURE_FORMATS]
        return [f"{folder}/table.csv", *figures]

    def targets(self) -> list[str]:
        """Everything `rule all` makes.

        Cells are named beside the figures they end in: Snakemake does not miss a deleted file
        that nothing still to be made needs. Duplicates between datasets need two of them; the
        published discrepancies are of interest where a dataset of one of the two papers is.
        """
        results = self.project.config.paths.results
        made = [f"{results}/cells/{cell.path}/{name}" for cell in self.all_cells for name in CELL_FILES]
        for study in self.studies:
            folder = f"{results}/studies/{study}"
            made += [f"{folder}/{table}.csv" for table in STUDY_TABLES]
            made += [
                f"{folder}/figures/{figure}.{suffix}"
                for figure in figures_of("study")
                for suffix in FIGURE_FORMATS
            ]
            for dataset in self.datasets(study):
                made += self.figure_paths(study, dataset)
                made += self.treatment_tables(study, dataset)
            if {*PUBLISHED, *EARLIER} & set(self.datasets(study)):
                made.append(f"{results}/studies/{study}/published.csv")
        made += self.calibration_results()
        datasets = self.values("dataset")
        made += [f"{results}/datasets/{dataset}/leaks.csv" for dataset in datasets]
        made += [f"{results}/datasets/{name}/masks.csv" for name in datasets if self.counts_lesions(name)]
        if len(datasets) > 1:
            made.append(f"{results}/duplicates.csv")
        published = [dataset for dataset in PUBLISHED if dataset in datasets]
        made += [f"{results}/datasets/{dataset}/discrepancies.csv" for dataset in published]
        if {*PUBLISHED, *EARLIER} & set(datasets):
            made.append(f"{results}/discrepancies.csv")
        made += [self.report_path(study) for study in self.studies]
        return [*made, f"{results}/report/index.html"]

    def report_path(self, study: str) -> str:
        """The report of ``study``."""
        return f"{self.project.config.paths.results}/report/{study}/index.html"

    def check_target(self, path: str) -> None:
        """Raise NullcropError when a path asked for names something the grid does not hold.

        Snakemake itself would say only that no rule makes the file. Paths that are no result of
        the grid (rule names, logs) pass.
        """
        results = PurePosixPath(self.project.config.paths.results)
        target = PurePosixPath(path)
        if path.startswith("~/") and (full := PurePosixPath(expanded(path))).is_relative_to(results):
            raise NullcropError(f"{path}: the shell did not replace `~`; name the file as {full}")
        if not target.is_relative_to(results):
            self._check_place(target, results)
            return
        kind, *rest = target.relative_to(results).parts or ("",)
        known_dataset = bool(rest) and rest[0] in self.values("dataset")
        labels = list(self.project.definition(rest[0]).labels) if known_dataset else self.values("labels")
        splits = list(dict.fromkeys([*SPLITS, *self.values("split")]))
        axes: dict[str, list[tuple[str, list[str]]]] = {
            "cells": [
                ("dataset", self.values("dataset")),
                ("label rule", labels),
                ("split", splits),
                ("view", list(dict.fromkeys([*view_names(), *self.values("view")]))),
                ("architecture", list(dict.fromkeys([*architectures(), *self.values("architecture")]))),
                ("recipe", [*self.project.config.all_recipes, BASELINE_RECIPE]),
                ("seed", [f"seed{seed}" for seed in self.values("seed")]),
                ("file", list(CELL_FILES)),
            ],
            "saliency": [("dataset", self.values("dataset"))],
            "studies": [("study", self.studies)],
            "datasets": [("dataset", self.listed_datasets)],
            "splits": [
                ("dataset", self.values("dataset")),
                ("label rule", labels),
                ("split", splits),
            ],
        }
        axes["report"] = [("study", ["index.html", *self.studies])]
        if kind == "report" and len(rest) > 1 and rest[0] in self.studies:
            pages = [f"{name}.html" for name in ("index", *self.datasets(rest[0]))]
            axes["report"].append(("report", [*pages, "config.json"]))
        if kind == "studies" and len(rest) > 2 and rest[0] in self.studies and rest[1] == "figures":
            names = [f"{figure}.{suffix}" for figure in figures_of("study") for suffix in FIGURE_FORMATS]
            axes["studies"] += [("folder", ["figures"]), ("figure", names)]
        elif kind == "studies" and len(rest) > 2 and rest[0] in self.studies:
            axes["studies"].append(("dataset", self.datasets(rest[0])))
            if rest[2] == "figures":
                names = [
                    f"{figure}.{suffix}" for figure in figures_of("dataset") for suffix in FIGURE_FORMATS
                ]
                axes["studies"] += [("folder", ["figures"]), ("figure", names)]
        if kind == "datasets" and len(rest) == 3 and rest[1] == "views":
            views = dict.fromkeys([*view_names(), *self.values("view")])
            names = [f"{view}.{suffix}" for view in views for suffix in ("npy", "json")]
            axes["datasets"] += [("folder", ["views"]), ("view", names)]
        for part, (axis, known) in zip(rest, axes.get(kind, []), strict=False):
            if part not in known:
                raise NullcropError(f"{path}: unknown {axis} '{part}', {meant(part, known)}")

    def _check_place(self, target: PurePosixPath, results: PurePosixPath) -> None:
        """Raise NullcropError when ``target`` names a result as if results lay elsewhere than they do, or in
        another spelling of their place than Snakemake compares."""
        for place in (PurePosixPath("results"), PurePosixPath(Path(results).absolute())):
            if target.is_relative_to(place):
                rest = target.relative_to(place)
                if len(rest.parts) > 1 and rest.parts[0] in RESULT_FOLDERS:
                    raise NullcropError(
                        f"{target}: the config's results lie in {results}, so the target is {results / rest}"
                    )


def split_path(results: str, cell: Cell) -> str:
    """The split that ``cell`` shares with every cell of its dataset, label rule, protocol and seed."""
    return f"{results}/splits/{cell.dataset}/{cell.labels}/{cell.split}/seed{cell.seed}.csv"


def batch_path(cell: Cell, size: int) -> str:
    """Where ``cell`` is trained when ``size`` cells share a job: a function of the two alone.

    Cells that differ in nothing but seed and view are counted through, view by view and seed by
    seed, so that neither a finished cell nor another seed, view or study moves one into another
    job. Places of views that no study names stay empty. Further views are counted apart, far behind
    (:meth:`~nullcrop.config.views.View.batch`).
    """
    shared = (cell.dataset, cell.labels, cell.split, cell.architecture, cell.recipe)
    return "/".join([*shared, f"batch{view_of(cell.view).batch(cell.seed, size)}"])
