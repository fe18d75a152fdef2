"""A view that asks for the mask of the lesion."""

from nullcrop.config.views import VIEWS, View

VIEWS.register(
    View(
        name="lesion_hidden",
        label="lesion hidden",
        about="the whole image with the lesion filled by the mean of the rest",
        function=f"{__name__}:lesion_hidden",
        masked=True,
        size="image",
        lesion_free=("whole",),
        resized_a_second=150,
    )
)


def lesion_hidden(image, mask, crop_width, crop_height):
    hidden = image.copy()
    if mask.any() and not mask.all():
        hidden[mask] = image[~mask].mean(axis=0).round()
    return hidden
