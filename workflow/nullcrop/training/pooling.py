"""Average pooling with the channels last, whose gradient torch computes wrongly on a GPU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class PaddedPooling(TorchFunctionMode):
    """Within it, averages over padded windows are taken with the channels first.

    With the channels last, torch's backward pass on CUDA forgets the padding and gives other pixels'
    gradients, in every precision (pytorch issue 188344; seen with torch 2.11 on an H200). What is not padded
    is right.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.avg_pool2d and args:
            padding = options.get("padding", args[3] if len(args) > 3 else 0)
            if padding not in (0, (0,), (0, 0), [0], [0, 0]):
                # Else torch would go on with the layout of the input.
                args = (args[0].contiguous(memory_format=torch.contiguous_format), *args[1:])
        return func(*args, **options)
