"""What saliency maps look at."""

from typing import Annotated, Literal

from pydantic import Field

from nullcrop.config.yaml_files import Model

Method = Literal["grad_cam", "integrated_gradients"]

METHOD_LABELS: dict[Method, str] = {
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
}
"""What a reader is told they are called."""


class Saliency(Model):
    """Maps of what the networks' answers on whole images depend on; a study asks for them among its
    `figures`."""

    methods: Annotated[list[Method], Field(min_length=1)] = ["grad_cam", "integrated_gradients"]
    """How a network is asked."""
    images: Annotated[int, Field(ge=3)] = 100
    """Test images of each class that are looked at; all where there are fewer."""
    steps: Annotated[int, Field(ge=8)] = 32
    """Steps of integrated gradients from a gray image to each image."""
