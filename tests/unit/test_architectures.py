"""Networks: sizes, heads, checkpoints, and the pooling that is deterministic on CUDA."""

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from nullcrop.basics.files import sha256_of
from nullcrop.config.readers import NETWORKS
from nullcrop.training import weights
from nullcrop.training.architectures import FixedAdaptivePool, LeNet5, build, input_size

BUILDERS = {
    "resnet50": models.resnet50,
    "densenet121": models.densenet121,
    "vgg16": models.vgg16,
    "shufflenet_v2": models.shufflenet_v2_x0_5,
    "alexnet": models.alexnet,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_with_one_logit_a_target(name: str) -> None:
    size = NETWORKS[name].smallest_input
    network = build(name, 3, size, seed=1).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 3)


# Torchvision's others end in a pooling that takes maps of any size.
@pytest.mark.parametrize("name", ["inception_v3", "vgg16", "lenet5", "alexnet", "pcam_cnn"])
def test_one_pixel_less_than_the_smallest_input_cannot_be_trained(name: str) -> None:
    size = NETWORKS[name].smallest_input - 1
    with (
        pytest.raises((RuntimeError, ZeroDivisionError), match=r"too small|can't be greater|by zero"),
        torch.inference_mode(),
    ):
        build(name, 2, size, seed=1)(torch.zeros(2, 3, size, size))


def test_lenet5_at_its_native_size_has_the_parameters_counted_by_hand() -> None:
    convolutions = (3 * 25 + 1) * 6 + (6 * 25 + 1) * 16
    connected = (16 * 2 * 2 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 2
    assert sum(p.numel() for p in LeNet5(2, 20).parameters()) == convolutions + connected


@settings(max_examples=40, deadline=None)
@given(side=st.integers(1, 20), out=st.integers(1, 9))
def test_fixed_pooling_equals_torchs_adaptive_pooling(side: int, out: int) -> None:
    maps = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(side * 10 + out))
    torch.testing.assert_close(FixedAdaptivePool(side, out)(maps), nn.AdaptiveAvgPool2d(out)(maps))


@pytest.mark.long
@pytest.mark.parametrize("size", [224, 64])
def test_vgg16_without_torchs_pooling_answers_as_torchvisions(size: int) -> None:
    ours = build("vgg16", 2, size, seed=3).eval()
    theirs = models.vgg16(num_classes=2).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert not any(isinstance(module, nn.AdaptiveAvgPool2d) for module in ours.modules())
        torch.testing.assert_close(ours(images), theirs(images))


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (build("lenet5", 2, 20, seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_the_recipes_input_size_goes_before_the_architectures_own() -> None:
    assert input_size("inception_v3", None) == 299
    assert input_size("vgg16", None) == 224
    assert input_size("vgg16", 64) == 64


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for DenseNet121's published file: random weights under the layer names of 2017."""
    state = models.densenet121().state_dict()
    old_names = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", key): w for key, w in state.items()
    }
    assert set(old_names) != set(state)
    path = tmp_path / "densenet121.pth"
    torch.save(old_names, path)
    url = f"https://example.org/models/densenet121-{sha256_of(path)[:8]}.pth"
    monkeypatch.setattr(weights, "checkpoint_url", lambda architecture: url)
    return path


def test_imagenet_weights_are_loaded_and_only_the_head_is_new(published: Path) -> None:
    network = build("densenet121", 2, 64, seed=0, state=weights.read_weights("densenet121", published))
    theirs = torch.load(published, weights_only=True)
    ours = network.state_dict()
    assert ours["classifier.weight"].shape == (2, 1024)
    torch.testing.assert_close(
        ours["features.denseblock2.denselayer3.conv1.weight"],
        theirs["features.denseblock2.denselayer3.conv.1.weight"],
    )
    kept = [key for key in ours if not key.startswith("classifier")]
    assert len(kept) == len(theirs) - 2


@pytest.mark.parametrize("name", [name for name in NETWORKS if NETWORKS[name].heads])
def test_new_heads_do_not_depend_on_the_checkpoint(name: str) -> None:
    builder = BUILDERS.get(name, lambda: models.inception_v3(init_weights=False))
    states = [builder().state_dict(), builder().state_dict()]
    size = NETWORKS[name].smallest_input
    heads = [build(name, 2, size, 9, state).get_submodule(NETWORKS[name].heads[-1]) for state in states]
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert heads[0].weight.shape[0] == 2


def test_inception_undoes_imagenets_normalisation_only_for_its_published_weights() -> None:
    state = models.inception_v3(init_weights=False).state_dict()
    assert build("inception_v3", 2, 299, 0, state).transform_input is True
    assert build("inception_v3", 2, 299, 0).transform_input is False
