"""A step of training as a CUDA graph: recorded once, replayed at will."""

import gc
from collections.abc import Callable

import torch

from nullcrop.training.arithmetic import EngineError

WARM_UP_STEPS = 3
"""Eager steps before the capture, in which libraries choose their kernels and make their workspaces."""


def captured(step: Callable[[], None], name: str, clear: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """The graph of what ``step`` does on the GPU; ``name``: the network, for the error.

    ``step`` runs eagerly some times before; ``clear`` gives back the memory it then keeps, which the capture
    has no use for. What it changed is the caller's to set back. A replay does to the same memory what
    the recorded step did, and nothing that Python did around it. Raises EngineError when ``step`` does
    something that cannot be recorded, and torch.cuda.OutOfMemoryError.
    """
    # What an earlier failure left: a graph that is freed during a capture, or after it, takes memory from
    # under the new one.
    gc.collect()
    current = torch.cuda.current_stream()
    # The default stream cannot be captured. Any other is captured itself: a graph keeps the cuBLAS workspace
    # of its stream, and two that are replayed at the same time must not share one.
    stream = torch.cuda.Stream() if current == torch.cuda.default_stream() else current  # type: ignore[no-untyped-call]
    stream.wait_stream(current)
    graph = torch.cuda.CUDAGraph()
    # Of a capture that could not be ended torch keeps the stream; this block gives it back.
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_STEPS):
            step()
        clear()
        try:
            # What another thread does meanwhile (streaming another cell's images) is its own.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                step()
        except RuntimeError as error:
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            # Ending a capture that ran out of memory fails in turn, and says less.
            if isinstance(error.__context__, torch.cuda.OutOfMemoryError):
                raise error.__context__ from None
            raise EngineError(
                f"a step of {name} cannot be captured as a CUDA graph ({error}): train it with `engine: "
                "plain`"
            ) from error
    current.wait_stream(stream)
    return graph
