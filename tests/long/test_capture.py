"""The captured step of InceptionV3, whose second classifier takes images of 299×299 pixels and no smaller
ones."""

import pytest

from tests.unit.pretended_cuda import PretendedCuda
from tests.unit.test_capture import check_replayed_steps


def test_replayed_steps_of_inception_v3_equal_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    check_replayed_steps(PretendedCuda(monkeypatch), "inception_v3", 299, "captured_fp32")
