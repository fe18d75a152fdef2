"""A treatment with a number in its name."""

from nullcrop.config.treatments import TREATMENTS, Treatment

TREATMENTS.register(
    Treatment(
        name="posterize",
        label="{} levels a channel",
        about="fine differences of level",
        function=f"{__name__}:posterize",
        numbers=(2, 128),
    )
)


def posterize(image, crop_width, crop_height, levels):
    step = 256 // levels
    return image // step * step
