"""A view that asks for the mask of the lesion."""

from nullcrop.config.views import VIEWS, View

VIEWS.register(
    View(
        name="lesion_gray",
        label="lesion in gray",
        about="the whole image, the lesion without its colours",
        function=f"{__name__}:lesion_gray",
        masked=True,
        size="image",
        resized_a_second=150,
    )
)


def lesion_gray(image, mask, crop_width, crop_height):
    gray = image.copy()
    gray[mask] = image[mask].mean(axis=1, keepdims=True).round()
    return gray
