"""CUDA's streams and graphs on a CPU, as far as a captured step depends on them.

A capture records each operation that torch runs, and its memory. A replay runs these operations again on
the same memory, and none of the Python around them. What the recorded step computed is overwritten with NaN
afterwards, because a real capture computes nothing. Whatever would make Python wait for the GPU fails, as it
does there, and so does whatever is not deterministic on one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique")
"""Operations whose result, or its size, Python waits for."""

NOT_DETERMINISTIC = (
    *("_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "avg_pool3d_backward"),
    *("reflection_pad2d_backward", "nll_loss2d_forward", "grid_sampler_2d_backward", "cumsum", "median"),
    *("upsample_bilinear2d_backward", "upsample_bicubic2d_backward", "histc", "put_", "kthvalue"),
)
"""Operations that raise on CUDA when algorithms are to be deterministic, by torch's own documentation of
torch.use_deterministic_algorithms; those that images are likely to meet."""


class Stream:
    """Work is done at once, so that there is nothing to wait for."""

    def wait_stream(self, other: "Stream") -> None:
        """Nothing."""


DEFAULT = Stream()


class Graph(TorchDispatchMode):
    """What a step did; stands for torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        super().__init__()
        self.replays = 0
        self._calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func`` and note it."""
        name = func._schema.name.removeprefix("aten::")
        if name in WAITS:
            raise RuntimeError(f"operation not permitted when stream is capturing ({name})")
        if name in NOT_DETERMINISTIC:
            raise RuntimeError(f"{name}_cuda does not have a deterministic implementation")
        out = func(*args, **(kwargs or {}))
        # Outputs that are memory of their own: neither views nor what was changed in place.
        new = [] if any(each.alias_info for each in func._schema.returns) else tree_leaves(out)
        made = [each for each in new if isinstance(each, Tensor)]
        if func.namespace == "aten":
            self._calls.append((func, args, kwargs or {}, made))
        return out

    def ended(self) -> None:
        """Forget what was computed while it was recorded."""
        for *_, made in self._calls:
            for values in made:
                if values.is_floating_point():
                    values.detach().fill_(float("nan"))

    def replay(self) -> None:
        """Do it again."""
        self.replays += 1
        with torch._C._AutoDispatchBelowAutograd():
            for func, args, kwargs, made in self._calls:
                again = [each for each in tree_leaves(func(*args, **kwargs)) if isinstance(each, Tensor)]
                if made:
                    for old, new in zip(made, again, strict=True):
                        old.copy_(new)


class PretendedCuda:
    """torch.cuda's streams and graphs, replaced for one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current = DEFAULT
        self.graphs: list[Graph] = []
        self.captured_on: list[Stream] = []
        self.fails_to_end = False
        """Whether ending a capture raises, as after an operation that was not permitted."""
        for name, stands in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "graph": self._graph,
            "stream": self._stream,
            "current_stream": lambda: self.current,
            "default_stream": lambda: DEFAULT,
        }.items():
            monkeypatch.setattr(torch.cuda, name, stands)

    @contextmanager
    def _stream(self, stream: Stream | None) -> Iterator[None]:
        before, self.current = self.current, stream or self.current
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def _graph(self, graph: Graph, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        """As torch's: where the end of the capture fails, its stream stays the current one."""
        assert stream is not DEFAULT, "the default stream cannot be captured"
        before, self.current = self.current, stream
        try:
            with graph:
                yield
        finally:
            if self.fails_to_end:
                raise RuntimeError("operation failed due to a previous error during capture")
            self.current = before
        graph.ended()
        self.graphs.append(graph)
        self.captured_on.append(stream)
