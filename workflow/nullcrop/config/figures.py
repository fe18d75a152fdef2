"""The figures of a study. A new one is one record; docs/extending.md shows how to add one."""

from dataclasses import dataclass
from typing import Literal

from nullcrop.basics.errors import NullcropError
from nullcrop.config.registry import Registry

FIGURE_FORMATS = ("pdf", "svg", "png")

OTHER_INPUTS = ("cells", "splits", "samples", "views", "masks")
"""What a figure may read besides tables in the folder of a dataset or study."""


@dataclass(frozen=True)
class Figure:
    """A figure, and what it is drawn from."""

    name: str
    title: str
    """What it shows, in a few words: its heading in reports."""
    caption: str
    """What its marks mean, in whole sentences, for the reports."""
    plot: str
    """`module:function` called with a :class:`~nullcrop.figures.job.FigureJob`; it writes the files of
    `job.stem`."""
    reads: tuple[str, ...]
    """What it is drawn from: names of tables in the study's folder of the dataset (`metrics`, `comparisons`,
    `verdicts`), `cells` (the finished cells' own files), `splits` (their splits), `samples` (samples.csv),
    `views` (the packed views that every dataset has), `masks` (where lesions lie, of datasets with masks). It
    is drawn again when one of these changes."""
    of: Literal["dataset", "study"] = "dataset"
    """Whether there is one for each dataset of a study that names it, or one for each study."""
    in_page: bool = False
    """Whether the report shows it; for the others it has charts of its own."""
    priority: int = 0
    """How early it is drawn: those of 1 go before cells of other datasets."""

    def __post_init__(self) -> None:
        if self.of == "study" and (self.in_page or set(self.reads) & set(OTHER_INPUTS)):
            raise NullcropError(
                f"the figure '{self.name}' is drawn once a study: it can read nothing but the study's "
                "tables, and the report, whose sections are datasets, cannot show it"
            )


FIGURES: Registry[Figure] = Registry("figure")
"""All figures, in the order of the report."""

FIGURES.register(
    Figure(
        name="accuracy",
        title="Accuracy",
        caption=(
            "Accuracy by view and network: one bar the mean over seeds, its error bar the 95 % Wilson "
            "interval of one test set. The dashed line is the no-information rate, the share of the largest "
            "class among the test images, which an answer blind to the image reaches. A hatched bar answers "
            "one class whatever it sees: its accuracy is that class's share, and says nothing of the AUROC."
        ),
        plot="nullcrop.figures.accuracy:draw_accuracy",
        reads=("metrics",),
        priority=1,
    )
)
FIGURES.register(
    Figure(
        name="samples",
        title="Sample images",
        caption=(
            "Images of each class with the crops outlined, and the crops enlarged in the same arrangement."
        ),
        plot="nullcrop.figures.samples:draw_samples",
        reads=("samples", "views"),
        in_page=True,
        priority=1,
    )
)
FIGURES.register(
    Figure(
        name="crops",
        title="Crops to look at",
        caption=(
            "The mean crop of each class, and the crops of which the readers together are surest. What can "
            "be seen here (a logo, a rim, a tint) is what a network may read; what cannot be seen may be "
            "read all the same."
        ),
        plot="nullcrop.figures.crops:draw_crops",
        reads=("verdicts", "cells", "samples", "views"),
        in_page=True,
    )
)
FIGURES.register(
    Figure(
        name="leak_map",
        title="Where the class can be read",
        caption=(
            "AUROC of a simple reader of a small window at each place of the image, over the mean image; "
            "outlined: places that tell the class, all places tested at once. Numbers: networks at places "
            "of a coarser grid, where a study trains them there."
        ),
        plot="nullcrop.figures.leak_map:draw_leak_map",
        reads=("leak_map", "verdicts", "readers", "masks"),
        in_page=True,
    )
)
FIGURES.register(
    Figure(
        name="attributes",
        title="Through what the class can be read",
        caption=(
            "How well each attribute tells the class, and how well a simple reader of the four corners tells "
            "the attribute within each class. Lines end at bounds that hold for all attributes at once. "
            "Filled: attributes of which both are shown, so that they may be the way."
        ),
        plot="nullcrop.figures.attributes:draw_attributes",
        reads=("attributes", "verdicts"),
        in_page=True,
    )
)
FIGURES.register(
    Figure(
        name="spectrum",
        title="From what the class can be read",
        caption=(
            "AUROC of simple readers, each of one kind of information, with bounds that hold for all rows at "
            "once; filled: it tells the class. Left: of the four corners, right: of the whole image. Small "
            "marks: the study's own readers of such images, without bounds."
        ),
        plot="nullcrop.figures.spectrum:draw_spectrum",
        reads=("spectrum", "verdicts", "readers"),
        in_page=True,
    )
)
FIGURES.register(
    Figure(
        name="saliency",
        title="What networks look at in whole images",
        caption=(
            "On which places of the image the networks' answers depend, over all images of a class and for "
            "single ones, beside the same networks with random weights. Maps mislead about cues that one "
            "does not know; no verdict rests on them."
        ),
        plot="nullcrop.figures.saliency:draw_saliency",
        reads=("saliency", "verdicts"),
        in_page=True,
    )
)
FIGURES.register(
    Figure(
        name="treatments",
        title="What treatments remove, and what they cost",
        caption=(
            "How much lower the AUROC of the same readers is on treated images, on the crops and on the "
            "whole image: large marks the mean of all readers with bounds that hold for all rows at once, "
            "small marks single readers."
        ),
        plot="nullcrop.figures.treatments:draw_treatments",
        reads=("treatments", "verdicts"),
        in_page=True,
    )
)
FIGURES.register(
    Figure(
        name="scores",
        title="Accuracy, precision, recall and F-1",
        caption=(
            "Accuracy, precision, recall and F-1 by view and network, of the same cells as the accuracy "
            "figure. A hollow mark answers one class whatever it sees. A cross below zero stands for a score "
            "that does not exist, as the precision of a network that never calls an image positive."
        ),
        plot="nullcrop.figures.scores:draw_scores",
        reads=("metrics",),
        priority=1,
    )
)
FIGURES.register(
    Figure(
        name="curves",
        title="Learning curves",
        caption=(
            "Accuracy and loss by epoch on training images, and on validation images where the split has "
            "any, by view and network. Dashed lines show what needs no image: the share of the largest class "
            "among the validation images, and the loss of calling all classes equally likely."
        ),
        plot="nullcrop.figures.curves:draw_curves",
        reads=("cells", "splits"),
        priority=1,
    )
)
FIGURES.register(
    Figure(
        name="confusion",
        title="Confusion matrices",
        caption="Test images of each class by the network's answer, by view and network.",
        plot="nullcrop.figures.confusion:draw_confusion",
        reads=("cells",),
    )
)
FIGURES.register(
    Figure(
        name="verdicts",
        title="Verdicts",
        caption=(
            "The verdicts of the study. A mark is the AUROC of one reader on a crop on which the verdict "
            "rests; the line to its left ends at the simultaneous lower bound by which it is judged."
        ),
        plot="nullcrop.figures.verdict_figure:draw_verdicts",
        reads=("readers", "verdicts"),
        of="study",
    )
)


def figures_of(kind: Literal["dataset", "study"]) -> list[str]:
    """Figures of which there is one for each dataset of a study, or one for each study."""
    return [name for name, figure in FIGURES.items() if figure.of == kind]


def tables_of_figure(figure: Figure) -> list[str]:
    """Names of the tables that ``figure`` is drawn from."""
    return [name for name in figure.reads if name not in OTHER_INPUTS]
