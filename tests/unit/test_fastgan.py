"""FastGAN's excitation, its networks and its decoders against arithmetic of their own."""

import torch
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.auxiliary.reconstruction import quarters
from gan_lab.networks.fastgan import FastganDiscriminator, FastganGenerator, SkipLayerExcitation
from tests.conftest import batches
from tests.contracts.walk import built


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_an_excitation_gates_each_channel_by_the_coarse_planes():
    layer = SkipLayerExcitation(3, 5)
    coarse, fine = noise(2, 3, 8, 8), noise(2, 5, 16, 16)
    pooled = coarse.view(2, 3, 4, 2, 4, 2).mean(dim=(3, 5))
    first = torch.einsum("nchw,ochw->no", pooled, layer.gates[1].weight)
    first = torch.where(first > 0, first, 0.1 * first)
    gates = torch.sigmoid(first @ layer.gates[3].weight[:, :, 0, 0].T)
    assert_close(layer(coarse, fine), fine * gates[:, :, None, None])


def test_excitations_reach_over_as_many_doublings_as_there_are():
    small = FastganGenerator(resolution=32, channels=1, latent_dim=4, width=2)
    assert (small.skip, len(small.excitations)) == (3, 1)
    large = FastganGenerator(resolution=128, channels=3, latent_dim=4, width=2)
    assert (large.skip, len(large.excitations)) == (4, 2)
    assert large(noise(2, 4)).shape == (2, 3, 128, 128)
    judged = FastganDiscriminator(resolution=32, channels=1, width=2)(noise(2, 1, 32, 32))
    assert (judged.logits.shape, judged.features.shape, judged.local.shape) == (
        (2,),
        (2, 8),
        (2, 8, 8, 8),
    )


def test_a_quarter_is_the_same_of_planes_and_images():
    images = noise(4, 1, 8, 8)
    found = quarters(torch.tensor([0.0, 0.3, 0.6, 0.99]), images)
    corners = [(0, 0), (0, 4), (4, 0), (4, 4)]
    for n, (row, column) in enumerate(corners):
        assert torch.equal(found[n], images[n, :, row : row + 4, column : column + 4])


def test_decoders_draw_what_the_discriminator_saw():
    game = built("model=fastgan", "precision=32-true").game
    game.configure_optimizers()
    batch, step = next(batches(4)), game.phase.steps[0]
    game.draws.begin(step.name, 0, 0, 0)
    play = game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)
    term = game.auxiliaries["reconstruction"].eval()
    value = term.discriminator(play)
    seen, places = play.seen["real"], play.on_real.local
    assert not torch.equal(seen, batch["images"]), "augmented"
    numbers = play.uniform("reconstruction", (4,))
    whole = (term.whole(places) - seen).abs().mean()  # 8 places become 32 px
    part = term.part(quarters(numbers, places)) - quarters(numbers, seen)
    assert_close(value, whole + part.abs().mean())
    assert_close(F.interpolate(seen, (32, 32), mode="area"), seen)
