"""A trained generator as one module: standard normal numbers in, images out."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab.engine.module import AdversarialModule


class ImageGenerator(nn.Module):
    """Everything between random numbers and images: the game's latents and the networks that generate.

    It can be pickled, copied, sent to another process, traced and exported.

    Attributes:
        networks: by name, in eval mode.
        latent_dim: numbers that one image takes.
        takes: names of what one image takes, `latents` first.

    Args:
        game: says how it generates.
        networks: the generator's, by the names that the game gives them.
    """

    def __init__(self, game: AdversarialModule, networks: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(dict(networks))
        self.latent_dim = game.latent_dim
        self.takes = tuple(game.inputs([0], seed=0))
        # Not as a submodule: its other networks have no part in an image.
        self.__dict__["_game"] = game
        self.eval()

    def forward(self, latents: Tensor, *others: Tensor) -> Tensor:
        """Map standard normal numbers (N, latent_dim) to images (N, C, H, W) in [-1, 1], float32.

        Args:
            latents: on the networks' device.
            others: whatever else a sample takes, in the order of `takes`, such as labels (N, label_dim).
        """
        inputs = dict(zip(self.takes, (latents, *others), strict=True))
        images: Tensor = self.__dict__["_game"].generate(self.networks, inputs)
        return images

    def example(self, count: int) -> tuple[Tensor, ...]:
        """What so many images take, on the CPU, in the order of `takes`."""
        return tuple(self.__dict__["_game"].inputs(range(count), seed=0).values())


def settle_weights(network: nn.Module) -> None:
    """Make every weight that is a function of parameters, such as spectral norm's, a plain tensor.

    For networks that no longer move: torch can neither pickle nor copy the functions everywhere.
    """
    network.eval()  # so that the power iteration rests
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
