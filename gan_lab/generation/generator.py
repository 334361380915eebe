"""A trained generator as one module: standard normal numbers in, images out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab.engine.module import AdversarialModule

SMALL = 24  # pixels at least of an example's side, for each of its images


class ImageGenerator(nn.Module):
    """Everything between random numbers and images: the game's latents and the networks that generate.

    It can be pickled, copied, sent to another process, traced and exported.

    Attributes:
        networks: by name, in eval mode.
        latent_dim: numbers that one image takes.
        takes: names of what one image takes, `latents` first.
        gives: what is made, in a word.
        made: its type and range, in words.

    Args:
        game: says how it generates.
        networks: the generator's, by the names that the game gives them.
    """

    gives = "images"
    made = "float32 in [-1, 1]"

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

    @property
    def given(self) -> str:
        """What the first of its inputs is, in words."""
        return f"float32 (N, {self.latent_dim}), standard normal numbers"

    def dynamic(self) -> tuple[Any, ...]:
        """The sizes that may change, as torch.export takes them."""
        # All that `forward` takes behind the first is one argument of its own, a tuple.
        first, *others = ({0: torch.export.Dim("batch", min=1)} for _ in self.takes)
        return (first, tuple(others)) if others else (first,)


class ImageTranslator(nn.Module):
    """A game from image to image as one module: images in, their translations out.

    Attributes:
        networks: by name, in eval mode.
        takes: names of what one translation takes.
        multiple: of the sides that images may have.
        gives: what is made, in a word: images, or chances of classes.
        made: its type, shape and range, in words.

    Args:
        game: one that translates.
        networks: the averaged ones, by the names that the game gives them.
        ask: numbers of answers to the game's questions, such as {"direction": 1}.
    """

    takes = ("sources",)
    latent_dim = 0

    def __init__(
        self, game: Any, networks: Mapping[str, nn.Module], ask: Mapping[str, int] | None = None
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(dict(networks))
        self.__dict__["_game"] = game
        self.ask = dict(ask or {})
        _, self.multiple = game.sizes()
        self.gives: str = game.gives
        self.made: str = game.made_words
        self.maps: int = game.given_maps
        self.channels: int = game.given_channels + (not game.keeps_alpha)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1], whose sides are multiples of `multiple`, to what `made` says, float32.

        A model that fills holes takes one more channel: 1 in the holes, where the others are 0, and 0 beside. Class
        maps are images too: their pixels are number / 127.5 - 1.
        """
        game = self.__dict__["_game"]
        source = game.given(images) if game.keeps_alpha else images
        made: Tensor = game.translation(self.networks, source, self.ask)
        return made

    def example(self, count: int) -> tuple[Tensor, ...]:
        """So many images or class maps on the CPU, the more the larger."""
        sides = [self.multiple * -(-SMALL * (count + more) // self.multiple) for more in (1, 2)]
        numbers = torch.Generator().manual_seed(count)
        if self.maps:
            return (torch.randint(self.maps, (count, 1, *sides), generator=numbers) / 127.5 - 1,)
        return (torch.rand(count, self.channels, *sides, generator=numbers) * 2 - 1,)

    @property
    def given(self) -> str:
        """What its input is, in words."""
        values = "in [-1, 1]"
        if self.maps:
            values = (
                f"of classes 0 to {self.maps - 1} as number / 127.5 - 1, and 1 where none is known"
            )
        elif not self.__dict__["_game"].keeps_alpha:
            values += ", the last channel 1 in holes and 0 beside, the others 0 in holes"
        sides = f"H and W multiples of {self.multiple}"
        return f"float32 (N, {self.channels}, H, W) {values}, {sides}"

    def dynamic(self) -> tuple[Any, ...]:
        """The sizes that may change, as torch.export takes them."""
        least = -(-SMALL // self.multiple)
        counts = {
            at: torch.export.Dim(name, min=least) for at, name in ((2, "rows"), (3, "columns"))
        }
        sides = {
            at: count if self.multiple == 1 else self.multiple * count
            for at, count in counts.items()
        }
        return ({0: torch.export.Dim("batch", min=1), **sides},)


def settle_weights(network: nn.Module) -> None:
    """Make every weight that is a function of parameters, such as spectral norm's, a plain tensor.

    For networks that no longer move: torch can neither pickle nor copy the functions everywhere.
    """
    network.eval()  # so that the power iteration rests
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
