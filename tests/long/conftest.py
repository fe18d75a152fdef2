"""The working copies of the workflow's tests."""

from ..workflow.conftest import (
    REPOSITORY,
    TOY_CONFIG,
    TOY_PHANTOM,
    TOY_STUDY,
    Checkout,
    done,
    finished,
    fresh,
)

__all__ = ["REPOSITORY", "TOY_CONFIG", "TOY_PHANTOM", "TOY_STUDY", "Checkout", "done", "finished", "fresh"]
