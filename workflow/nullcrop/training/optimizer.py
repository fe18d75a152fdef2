"""The optimiser, without torch's compiler."""

from inspect import unwrap
from typing import Any

import torch


class EagerAdam(torch.optim.Adam):
    """``torch.optim.Adam`` for a process that compiles nothing; the same steps, bit for bit.

    torch wraps these methods to tell its compiler where a graph has to end, and for that imports the
    compiler with the first of them: some two seconds a process, longer than a small network trains. Here
    they stand without the wrapper. All that the one around ``step`` does besides is to switch gradients off.
    In a torch that wraps nothing they are its own methods.
    """

    step: Any = torch.no_grad()(unwrap(torch.optim.Adam.step))
    zero_grad: Any = unwrap(torch.optim.Adam.zero_grad)
    add_param_group: Any = unwrap(torch.optim.Adam.add_param_group)
    state_dict: Any = unwrap(torch.optim.Adam.state_dict)
    load_state_dict: Any = unwrap(torch.optim.Adam.load_state_dict)
