"""The three parts of adversarial flow models against arithmetic of their own, and the paper's toy."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_lab.auxiliary.gradient_norm import GradientNorm
from gan_lab.auxiliary.transport import Transport
from gan_lab.common.errors import ConfigError
from gan_lab.engine.module import TrainingOptions
from gan_lab.games.gan import GAN
from gan_lab.latents.distributions import Normal
from gan_lab.losses.adversarial import Relativistic
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.penalties.gradient import R1, R2
from gan_lab.penalties.logits import LogitCentring
from tests.conftest import CHOSEN, adam, play_rounds
from tests.contracts.walk import built


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_transport_pulls_each_value_to_its_latents():
    fake = noise(3, 2, 4, 4).requires_grad_()
    z = noise(3, 32, seed=1)
    term = Transport(latent_dim=32, resolution=4, channels=2)
    value = term.generator(SimpleNamespace(fake=fake, z=z))
    value.backward()
    expected = sum((fake[n].flatten() - z[n]).square().sum() for n in range(3)) / 96
    assert_close(value, expected)
    assert_close(fake.grad, 2 * (fake.detach() - z.view(3, 2, 4, 4)) / 96)
    with pytest.raises(ConfigError, match=r"latent\.dim=31: .* choose latent=pixels"):
        Transport(latent_dim=31, resolution=4, channels=2)


def test_logits_are_centred_in_pairs():
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])
    play = SimpleNamespace(
        on_real=SimpleNamespace(logits=real), on_fake=SimpleNamespace(logits=fake)
    )
    assert float(LogitCentring()(play)) == (4**2 + 0**2) / 2


class Noting(SimpleNamespace):
    def note(self, name, value):
        self.noted = {name: value}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_a_passed_gradient_has_the_size_of_a_means_whatever_the_loss(scale):
    part = GradientNorm(decay=0.0)
    weight = nn.Parameter(noise(2, 1, 4, 4))
    play = Noting(fake=weight * 2)
    loss = scale * (play.fake * noise(2, 1, 4, 4, seed=1)).mean()
    steered = part.steer(loss, play)
    assert_close(steered, loss.detach())
    steered.backward()
    passed = weight.grad / 2  # at the fakes
    assert float(passed.square().sum() * passed.numel()) == pytest.approx(1, rel=1e-4)
    direction = noise(2, 1, 4, 4, seed=1)
    assert_close(passed / passed.norm(), direction / direction.norm())


def test_the_mean_of_squares_moves_once_an_update():
    part = GradientNorm(decay=0.9)
    for value, mean in ((10.0, 1.0), (20.0, 2.9)):
        part.commit({"gradient_norm": torch.tensor(value)})
        assert float(part.mean) == pytest.approx(mean)
    fake = torch.ones(1, 1, 2, 2, requires_grad=True)
    play = Noting(fake=fake * 1)
    part.steer(play.fake.sum(), play).backward()
    # |g|^2 n = 4 * 4, the mean with it 0.9 * 2.9 + 0.1 * 16.
    assert_close(fake.grad, torch.full((1, 1, 2, 2), (0.9 * 2.9 + 0.1 * 16) ** -0.5))


def test_a_steered_step_hangs_on_no_scale_and_its_mean_is_saved():
    game = built("model=adversarial_flow", "precision=32-true").game
    weight = game.auxiliaries["gradient_norm"]
    assert "heads.gradient_norm.mean" in game.state_dict()
    assert float(weight.mean) == 0


class Line(nn.Module):
    """Numbers to numbers, or to logits."""

    def __init__(self, judges):
        super().__init__()
        self.judges = judges
        self.layers = nn.Sequential(
            nn.Linear(16, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 1)
        )
        self.register_buffer("speeds", 0.25 * 1.4 ** torch.arange(8.0))

    def forward(self, x):
        waves = x.flatten(1) * self.speeds
        y = self.layers(torch.cat([waves.sin(), waves.cos()], dim=1))
        return DiscriminatorOutput(y[:, 0], None) if self.judges else y[:, :, None, None]


def toy(transport):
    torch.manual_seed(0)
    term = Transport(latent_dim=1, resolution=1, channels=1, weight=transport)
    game = GAN(
        generator=Line(judges=False), discriminator=Line(judges=True), latent=Normal(dim=1), loss=Relativistic(),
        penalty={"r1": R1(weight=0.05), "r2": R2(weight=0.05), "logit_centring": LogitCentring()},
        auxiliary={"transport": term, "gradient_norm": GradientNorm()},
    )  # fmt: skip
    rates = adam(1e-3, (0.0, 0.9))
    game.options = TrainingOptions(
        **CHOSEN, optimizers={"generator": rates, "discriminator": rates}
    )
    return game


def four_modes(size=128):
    """Arxiv:2511.22475's toy: -1.5, -0.5, 0.5 and 1.5, each blurred by 0.05."""
    draw = torch.Generator().manual_seed(0)
    while True:
        modes = torch.randint(4, (size, 1, 1, 1), generator=draw) - 1.5
        yield {"images": modes + 0.05 * torch.randn(size, 1, 1, 1, generator=draw)}


def moved(game):
    """Fakes of 4,000 latents, how far they lie from these, and how far any map to them would move at least."""
    z = noise(4000, 1)
    with torch.no_grad():
        x = game.averaged_networks()["generator"](z).flatten()
    # On a line the map that moves least keeps the order.
    least = x.sort().values - z[:, 0].sort().values
    return x, float((x - z[:, 0]).square().mean()), float(least.square().mean())


def test_the_toy_finds_its_modes_by_the_map_that_moves_least():
    x, distance, least = moved(play_rounds(toy(transport=0.2), four_modes(), 500))
    away, nearest = (x[:, None] - (torch.arange(4) - 1.5)).abs().min(dim=1)
    assert float((nearest.bincount(minlength=4) / len(x)).min()) > 0.2
    assert float((away < 0.2).float().mean()) > 0.5
    assert distance < 1.3 * least
    _, distance, least = moved(play_rounds(toy(transport=0.0), four_modes(), 150))
    assert distance > 3 * least, "any map is as good as another without the term"
