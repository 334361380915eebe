"""Every generator can be pickled, copied, sent away, traced and exported, and stays what it was."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_lab.assembly.build import build_game
from gan_lab.common.errors import GanLabError
from gan_lab.engine.randomness import numbers_of
from gan_lab.generation.exporting import TOLERANCE, export, largest_difference
from gan_lab.generation.generator import ImageGenerator, settle_weights
from tests.contracts.walk import NOISE_OF_IMAGES, composed, for_images


def generator_of(*overrides):
    """A tiny generator, made as `gan_lab.load` makes it, whose batch statistics are as after training."""
    game, _ = build_game(composed(*overrides))
    draw = torch.Generator().manual_seed(0)
    for module in game.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=draw)
            module.running_var.uniform_(0.5, 2, generator=draw)
    settle_weights(game)
    return ImageGenerator(game.requires_grad_(False), game.averaged_networks())


def traced(generator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about tracing itself
        return torch.jit.trace(generator, torch.zeros(2, generator.latent_dim))


@pytest.fixture(params=for_images("generator"))
def generator(request):
    noise = ["latent=pixels"] if request.param in NOISE_OF_IMAGES else []
    return generator_of(f"generator={request.param}", *noise)


def test_every_generator_is_exported_with_torchs_layers(generator):
    """Those that are quicker on a CPU say nothing to other programs."""
    strange = {type(m).__module__ for m in generator.modules()}
    assert not [name for name in strange if name.startswith("gan_lab.networks.fast.")]


@pytest.mark.parametrize(
    "remade",
    [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)), traced],
    ids=["copied", "pickled", "traced"],
)
def test_every_generator_is_itself_when(remade, generator):
    assert largest_difference(generator, remade(generator)) == 0


def formats():
    """Both of every generator; of ONNX each time a third, and all in the slow suite."""
    for index, name in enumerate(for_images("generator")):
        yield pytest.param("torch", name)
        yield pytest.param("onnx", name, marks=pytest.mark.slow if index % 3 else ())


@pytest.mark.parametrize(("format", "generator"), formats(), indirect=["generator"])
def test_every_generator_is_exported(format, generator, tmp_path):
    assert export(generator, tmp_path / "generator", format=format) <= TOLERANCE
    assert [file.name for file in tmp_path.iterdir()] == ["generator"]


class Normalised(nn.Module):
    """A network with spectral normalisation, which no generator of conf/ has."""

    def __init__(self):
        super().__init__()
        self.layer = spectral_norm(nn.Linear(8, 12))

    def forward(self, z):
        return self.layer(z).view(-1, 3, 2, 2).tanh()


class Game:
    latent_dim = 8

    def inputs(self, indices, *, seed):
        return {"latents": numbers_of(indices, 8, seed=seed)}

    def generate(self, networks, inputs):
        return networks["generator"](inputs["latents"])


@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_weights_that_are_functions_are_settled(format, tmp_path):
    network = Normalised().eval().requires_grad_(False)
    expected = network(torch.ones(3, 8))
    settle_weights(network)
    assert torch.equal(network(torch.ones(3, 8)), expected)
    generator = ImageGenerator(Game(), {"generator": network})
    assert torch.equal(pickle.loads(pickle.dumps(generator))(torch.ones(3, 8)), expected)
    export(generator, tmp_path / "x", format=format)


def broken(kind):
    class Broken(nn.Module):
        def forward(self, z):
            if kind == "branches on values" and z.sum() > 0:
                return z.view(-1, 2, 2, 2)
            scale = torch.nan if kind == "diverged" else 1.0
            return z.view(-1, 2, 2, 2) * scale

    return ImageGenerator(Game(), {"generator": Broken()})


@pytest.mark.parametrize(
    ("kind", "said"),
    [("branches on values", "torch.export cannot follow its code"), ("diverged", "are not finite")],
)
def test_what_cannot_be_exported_is_a_sentence_and_leaves_no_file(kind, said, tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(GanLabError, match=said) as caught:
        export(broken(kind), tmp_path / "x", format="torch")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_a_file_with_other_images_is_not_kept(format, tmp_path, monkeypatch):
    generator = generator_of("generator=mlp")
    other = generator_of("generator=mlp", "seed=1")
    monkeypatch.setattr("gan_lab.generation.exporting.program_of", lambda _: program(other))
    with pytest.raises(GanLabError, match=f"format={format}: images of the exported file differ"):
        export(generator, tmp_path / "x", format=format)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_refuses_sizes_is_not_kept(tmp_path, monkeypatch):
    """Torch may decide at the sizes of its one example."""
    generator = generator_of("generator=mlp")
    fixed = torch.export.export(generator, generator.example(2))
    monkeypatch.setattr("gan_lab.generation.exporting.program_of", lambda _: fixed)
    with pytest.raises(GanLabError, match="refuses some sizes that the generator takes"):
        export(generator, tmp_path / "x", format="torch")
    assert list(tmp_path.iterdir()) == []


def program(generator):
    size = ({0: torch.export.Dim("batch", min=1)},)
    return torch.export.export(
        generator, (torch.zeros(2, generator.latent_dim),), dynamic_shapes=size
    )
