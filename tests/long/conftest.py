"""The working copies of the workflow's tests."""

from ..workflow.conftest import Checkout, fresh

__all__ = ["Checkout", "fresh"]
