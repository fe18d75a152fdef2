"""A figure of one dataset."""

from nullcrop.config.figures import FIGURES, Figure

FIGURES.register(
    Figure(
        name="auroc_by_view",
        title="AUROC by view",
        caption="One mark a cell: its AUROC on the test images. Dashed line: 0.5, no information.",
        plot=f"{__name__}:plot",
        reads=("metrics",),
        in_page=True,
    )
)


def plot(job):
    from matplotlib.figure import Figure as Canvas

    from nullcrop.config.readers import label_of, look_of
    from nullcrop.config.views import view_label, views_in_order
    from nullcrop.figures.style import figure_style, save_figure

    metrics = job.table("metrics")
    views = views_in_order(metrics["view"])
    with figure_style(job.style):
        canvas = Canvas(layout="constrained")
        ax = canvas.subplots()
        for name, cells in metrics.groupby("architecture"):
            look = look_of(name)
            places = cells["view"].map(views.index)
            ax.plot(places, cells["auroc"], look.mark, color=look.colour, label=label_of(name))
        ax.axhline(0.5, linestyle="--")
        ax.set_xticks(range(len(views)), [view_label(view) for view in views])
        if job.style.title:
            ax.set_title(job.definition.title)
        ax.legend()
        save_figure(canvas, job.stem, job.style)
