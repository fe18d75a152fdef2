"""A view of the whole image, from which others can be cut: `inverted.upper_left`."""

from nullcrop.config.views import VIEWS, View

VIEWS.register(
    View(
        name="inverted",
        label="inverted",
        about="the whole image with light and dark exchanged",
        function=f"{__name__}:inverted",
        size="image",
        filters=True,
        resized_a_second=150,
    )
)


def inverted(image, crop_width, crop_height):
    return 255 - image
