"""The working copies of the workflow's tests, and the mark of all tests here."""

from pathlib import Path

import pytest

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

HERE = Path(__file__).parent

__all__ = ["REPOSITORY", "TOY_CONFIG", "TOY_PHANTOM", "TOY_STUDY", "Checkout", "done", "finished", "fresh"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("long")
