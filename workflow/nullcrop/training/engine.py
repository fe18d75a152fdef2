"""The captured way to train: one step, recorded once as a CUDA graph and replayed for every batch and every
cell.

An eager step asks the CPU for hundreds of small kernels, and at 32 images a GPU waits for it most of the
time; a graph asks once. The pixels lie on the device too (device_images.py), so that Python only says which
come next. The plain loop (loop.py) is the oracle: without capture, as on a CPU in the tests, both give the
same bits.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nullcrop.basics.progress import tracked
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.training.arithmetic import Arithmetic
from nullcrop.training.augmentation import augmented
from nullcrop.training.capture import captured
from nullcrop.training.data import batches
from nullcrop.training.device_images import DeviceImages
from nullcrop.training.measured_cost import peak_bytes
from nullcrop.training.optimizer import EagerAdam
from nullcrop.training.pooling import PaddedPooling
from nullcrop.training.steps import check_loss, class_logits, epoch_order, parts_of, seed_generator
from nullcrop.training.streams import stream_seed

PREDICTED_AT_A_TIME = 256
"""Images of a prediction on a GPU, whose steps are not captured: of fewer the GPU would wait for the CPU."""


class InPlaceAdam(EagerAdam):
    """Adam whose state is made at once and never moves, so that a captured step finds it in every cell.

    Its state dict is the plain loop's; loading one copies into what is there.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, device: torch.device
    ) -> None:
        # CUDA's kernel reads the rate as float32 from memory, the CPU's takes a double.
        precision = torch.float32 if device.type == "cuda" else torch.float64
        rate = torch.tensor(learning_rate, dtype=precision, device=device)
        super().__init__(parameters, lr=rate, fused=True, capturable=True)
        # torch would warn of steps that are not captured: the first ones, and the last one of each epoch.
        self._warned_capturable_if_run_uncaptured = True
        for parameter in self._trained():
            self.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        for group in self.param_groups:
            group["lr"].fill_(rate)

    def restart(self) -> None:
        """Forget all steps."""
        for state in self.state.values():
            for values in state.values():
                values.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The state in the plain loop's form."""
        content: dict[str, Any] = super().state_dict()
        for group in content["param_groups"]:
            group.update(lr=group["lr"].item(), capturable=False)
        return content

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Copy a state in the plain loop's form into this one."""
        self.restart()
        for number, parameter in enumerate(self._trained()):
            for name, values in state_dict["state"].get(number, {}).items():
                self.state[parameter][name].copy_(values)

    def _trained(self) -> Iterator[nn.Parameter]:
        for group in self.param_groups:
            yield from group["params"]


class Stepper:
    """Trains ``network`` step by step; on a GPU every batch of the recipe's size replays one captured graph.

    The last batch of an epoch, of another size, runs the same step without the graph. ``size``: side of the
    inputs in pixels. ``micro_batch``: images of a batch that are on the device at a time, where not all fit.
    Raises NullcropError when the network does something that cannot be captured.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        size: int,
        arithmetic: Arithmetic,
        micro_batch: int | None = None,
    ) -> None:
        device = arithmetic.device
        self._recipe, self._arithmetic, self._micro_batch = recipe, arithmetic, micro_batch
        self.network = network.to(device)
        if arithmetic.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._forward: Callable[[Tensor], Any] = self.network
        # A frozen encoder is not in training: its batch normalisation is another one.
        if arithmetic.fused and recipe.train == "all":
            from nullcrop.training.fused import fused

            self._forward = fused(self.network)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = InPlaceAdam(trained, recipe.learning_rate, device)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self.captured_bytes = 0
        """Most memory that was allocated on the GPU until the capture ended: replays allocate nothing that
        torch would count."""
        self._layout = _layout(arithmetic, turned=recipe.rotation > 0)
        if arithmetic.captured:
            shape = (recipe.batch_size, 3, size, size)
            self._inputs = torch.zeros(shape, device=device).contiguous(memory_format=self._layout)
            self._truth = torch.zeros(recipe.batch_size, dtype=torch.int64, device=device)
            self._capture()

    @property
    def predicted_at_a_time(self) -> int:
        """Images to predict at a time; nothing but the device's memory asks for the batches of the
        training."""
        if self._arithmetic.device.type != "cuda" or self._micro_batch:
            return self._micro_batch or self._recipe.batch_size
        return max(PREDICTED_AT_A_TIME, self._recipe.batch_size)

    def restart(self, network: nn.Module) -> None:
        """Begin another cell with the weights and buffers of ``network``, in place."""
        self.network.load_state_dict(network.state_dict())
        self.optimizer.restart()

    def begin_epoch(self) -> None:
        """Forget loss and hits."""
        # A frozen encoder's batch statistics are frozen too.
        self.network.train(self._recipe.train == "all")
        self._loss_sum.zero_()
        self._correct.zero_()

    def step(self, inputs: Tensor, truth: Tensor, seed: int) -> None:
        """Train on one batch; ``seed`` decides what dropout draws."""
        # Reaches a graph as well: a replay reads the default generator's seed from memory.
        seed_generator(seed, self._arithmetic.device)
        if self._graph is None or len(truth) != self._recipe.batch_size:
            self._step(inputs.contiguous(memory_format=self._layout), truth)
        else:
            self._inputs.copy_(inputs)
            self._truth.copy_(truth)
            self._graph.replay()

    def sums(self) -> tuple[float, int]:
        """Loss of the main logits, summed over the images of this epoch so far, and hits among them."""
        return self._loss_sum.item(), int(self._correct.item())

    @torch.inference_mode()
    def logits(self, inputs: Tensor) -> Tensor:
        """The network's answers in evaluation mode, shape (images, targets), float32."""
        self.network.eval()
        with self._precision():
            output = self.network(inputs.contiguous(memory_format=_layout(self._arithmetic)))
        return class_logits(output.float())

    def _step(self, inputs: Tensor, truth: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        for part in parts_of(len(truth), self._micro_batch):
            with self._precision():
                output = self._forward(inputs[part])
            main = output if isinstance(output, Tensor) else output.logits
            logits = class_logits(main.float())
            loss = main_loss = functional.cross_entropy(logits, truth[part])
            if not isinstance(output, Tensor):
                auxiliary = class_logits(output.aux_logits.float())
                loss = loss + self._recipe.auxiliary_weight * functional.cross_entropy(auxiliary, truth[part])
            if self._micro_batch:
                loss = loss * (len(logits) / len(truth))
            loss.backward()  # type: ignore[no-untyped-call]
            self._loss_sum += main_loss.detach().double() * len(logits)
            self._correct += (logits.argmax(1) == truth[part]).sum()
        self.optimizer.step()

    @contextmanager
    def _precision(self) -> Iterator[None]:
        """Operations in the arithmetic's precision, none of which has a wrong gradient in its layout."""
        if not self._arithmetic.bfloat16:
            yield
            return
        # Without a cache of rounded weights: a graph would keep the one of its capture.
        kind = self._arithmetic.device.type
        with torch.autocast(kind, torch.bfloat16, cache_enabled=False), PaddedPooling():
            yield

    def _capture(self) -> None:
        """Record one step; weights, buffers and Adam's state are afterwards what they were before."""
        before = {name: values.clone() for name, values in self.network.state_dict().items()}
        self.begin_epoch()
        self._graph = captured(
            lambda: self._step(self._inputs, self._truth),
            type(self.network).__name__,
            clear=lambda: self.optimizer.zero_grad(set_to_none=True),
        )
        self.captured_bytes = peak_bytes(self._arithmetic.device)
        self.network.load_state_dict(before)
        self.optimizer.restart()


def _layout(arithmetic: Arithmetic, turned: bool = False) -> torch.memory_format:
    """How a batch lies in memory, which decides the kernels of all layers: as in the plain loop, but for
    bfloat16."""
    if arithmetic.channels_last:
        return torch.channels_last
    # On a CPU images come with the channels last, unless they were turned.
    return torch.contiguous_format if turned or arithmetic.device.type == "cuda" else torch.channels_last


class Slot:
    """A place in which one cell after the other is trained; it keeps the last one's stepper for the next."""

    def __init__(self) -> None:
        self.in_flight = 1
        """Cells in training at the same time, in this and other slots."""
        self._key: Hashable = None
        self._stepper: Stepper | None = None

    def stepper(self, key: Hashable, network: nn.Module, make: Callable[[nn.Module], Stepper]) -> Stepper:
        """The stepper of ``key``, made before or now, with the weights of ``network``."""
        if self._stepper is not None and self._key == key:
            self._stepper.restart(network)
            return self._stepper
        self.clear()  # its memory is given back before the next one takes its own
        self._key, self._stepper = key, make(network)
        return self._stepper

    def clear(self) -> None:
        """Forget the stepper, as after a failure."""
        self._key = self._stepper = None


@dataclass
class CapturedTraining:
    """One cell that is trained by a stepper; the same methods as the plain loop's PlainTraining."""

    cell: Cell
    recipe: Recipe
    stepper: Stepper
    images: DeviceImages
    targets: Tensor

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.stepper.network

    @property
    def captured_bytes(self) -> int:
        """Most memory that was allocated on the GPU until its step was captured."""
        return self.stepper.captured_bytes

    @property
    def optimizer(self) -> InPlaceAdam:
        """Its optimiser."""
        return self.stepper.optimizer

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next epoch."""
        self.optimizer.set_rate(rate)

    def epoch(self, epoch: int, rows: NDArray[np.int64]) -> Generator[None, None, tuple[float, float]]:
        """One pass over the training images, a step at a time; mean loss of the main logits, and accuracy."""
        cell, recipe = self.cell, self.recipe
        self.stepper.begin_epoch()
        steps = list(batches(epoch_order(cell, epoch, rows), recipe.batch_size))
        said = f"epoch {epoch}/{recipe.epochs}, steps"
        for step, (batch, inputs) in enumerate(tracked(self.images.inputs(steps), len(steps), said), 1):
            if recipe.flips or recipe.rotation:
                drawn = stream_seed(cell.seed, cell.architecture, "augmentation", epoch, step)
                inputs = augmented(inputs, recipe, drawn)
            dropped = stream_seed(cell.seed, cell.architecture, "dropout", epoch, step)
            self.stepper.step(inputs, self.targets.index_select(0, batch), dropped)
            yield
        loss_sum, correct = self.stepper.sums()
        mean_loss = loss_sum / len(rows)
        check_loss(mean_loss, cell, recipe, epoch)
        return mean_loss, correct / len(rows)

    def predict(self, rows: NDArray[np.int64]) -> Tensor:
        """Logits of the given rows, shape (rows, targets), in evaluation mode."""
        steps = list(batches(rows, self.stepper.predicted_at_a_time))
        return torch.cat([self.stepper.logits(inputs) for _, inputs in self.images.inputs(steps)])
