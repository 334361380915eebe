"""A style-based generator and its path length penalty, as somebody outside gan_lab writes them.

A Style-Based Generator Architecture, arXiv:1812.04948, and Analyzing and Improving the Image Quality of StyleGAN,
arXiv:1912.04958. Both are parts for the game that gan_lab has. Left out: noise inputs, equalised learning rates.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range

SIDE = 4  # of the constant that every image begins as


class Mapping(nn.Module):
    """Latents, and labels where there are some, to styles: arXiv:1812.04948, section 2.

    Args:
        latent_dim: numbers of a latent.
        label_dim: number of classes or attributes, 0 for none.
        style_dim: numbers of a style.
    """

    def __init__(self, latent_dim: int, label_dim: int, style_dim: int) -> None:
        super().__init__()
        self.label = nn.Linear(label_dim, latent_dim) if label_dim else None
        self.layers = nn.Sequential(
            nn.Linear(latent_dim * (2 if label_dim else 1), style_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(style_dim, style_dim),
            nn.LeakyReLU(0.2),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim), scaled to the length of the root of its size, to styles (N, style_dim)."""
        x = z * z.square().mean(dim=1, keepdim=True).add(1e-8).rsqrt()
        if self.label is not None:
            assert labels is not None, "this generator takes labels"
            x = torch.cat([x, self.label(labels)], dim=1)
        return self.layers(x)


class Modulated(nn.Module):
    """A convolution whose inputs a style scales, and whose outputs have unit size: arXiv:1912.04958, eqs. 1 to 3.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        style_dim: numbers of a style.
    """

    def __init__(self, inputs: int, outputs: int, style_dim: int) -> None:
        super().__init__()
        self.scale = nn.Linear(style_dim, inputs)
        nn.init.ones_(self.scale.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map planes (N, inputs, H, W) by styles (N, style_dim) to planes (N, outputs, H, W)."""
        scale = self.scale(style)
        found = F.conv2d(x * scale[:, :, None, None], self.weight, padding=1)
        # The norm of w_ijk = s_i w_ijk over i and k, for each image.
        squares = scale.square() @ self.weight.square().sum(dim=(2, 3)).t()
        return found * squares.add(1e-8).rsqrt()[:, :, None, None] + self.bias[:, None, None]


class StyleGenerator(nn.Module):
    """Latents to styles, and styles to images.

    Args:
        resolution: side of the images, 4 times a power of 2.
        channels: of the images.
        latent_dim: numbers of a latent.
        width: channels inside, >= 1.
        style_dim: numbers of a style, >= 1.
        mixing: chance that an image of training has two styles, in [0, 1]: arXiv:1812.04948, section 3.1.
        truncation: how far samples' styles go from the mean one, in [0, 1]: arXiv:1812.04948, appendix B.
        labels: whether the styles are those of labels.
        label_dim: number of the data's classes or attributes.
    """

    rates: ClassVar[dict[str, float]] = {"mapping": 0.01}  # arXiv:1812.04948, appendix C
    mean: Tensor

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 32,
        style_dim: int = 32,
        mixing: float = 0.9,
        truncation: float = 1.0,
        labels: bool = False,
        label_dim: int | None = None,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("style_dim", style_dim, low=1)
        in_range("mixing", mixing, low=0, high=1)
        in_range("truncation", truncation, low=0, high=1)
        self.takes_labels, self.mixing, self.truncation = labels, mixing, truncation
        # A second latent, where its styles begin, and whether they do.
        self.draws = {"other": ("normal", latent_dim), "cut": ("uniform", 1), "mix": ("uniform", 1)}
        self.mapping = Mapping(latent_dim, (label_dim or 0) if labels else 0, style_dim)
        self.register_buffer("mean", torch.zeros(style_dim))
        self.constant = nn.Parameter(torch.randn(width, SIDE, SIDE))
        stages = (resolution // SIDE).bit_length()
        self.layers = nn.ModuleList(Modulated(width, width, style_dim) for _ in range(stages))
        self.colours = nn.ModuleList(nn.Conv2d(width, channels, 1) for _ in range(stages))

    def forward(self, z: Tensor, labels: Tensor | None = None, **drawn: Tensor) -> Tensor:
        """Map z (N, latent_dim) and maybe labels (N, label_dim) to images (N, C, H, W) in [-1, 1]."""
        return self.synthesis(self.styles(z, labels, **drawn))

    def styles(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        other: Tensor | None = None,
        cut: Tensor | None = None,
        mix: Tensor | None = None,
    ) -> Tensor:
        """Styles (N, layers, style_dim): one for all layers of an image, in training often another from a cut on.

        Args:
            z: latents (N, latent_dim).
            labels: (N, label_dim) where this generator takes them.
            other: second latents (N, latent_dim).
            cut: (N, 1) in [0, 1), the first layer of the second style.
            mix: (N, 1) in [0, 1), whether there is a second style.
        """
        style = self.mapping(z, labels)
        if not self.training:
            style = self.mean.lerp(style, self.truncation)
        layers = len(self.layers)
        styles = style[:, None].expand(-1, layers, -1)
        if other is None or cut is None or mix is None:
            return styles
        first = 1 + (cut * (layers - 1)).floor()
        late = (torch.arange(layers, device=z.device) >= first) & (mix < self.mixing)
        return torch.where(late[:, :, None], self.mapping(other, labels)[:, None], styles)

    def synthesis(self, styles: Tensor) -> Tensor:
        """Images (N, C, H, W) of styles (N, layers, style_dim), with the skips of arXiv:1912.04958, figure 7b."""
        x = self.constant.expand(len(styles), -1, -1, -1)
        image: Tensor | None = None
        for index, (layer, colour) in enumerate(zip(self.layers, self.colours, strict=True)):
            if image is not None:
                x, image = F.interpolate(x, scale_factor=2), F.interpolate(image, scale_factor=2)
            x = F.leaky_relu(layer(x, styles[:, index]), 0.2)
            image = colour(x) if image is None else image + colour(x)
        assert image is not None, "there is at least one layer"
        return image.tanh()

    def commit(self, noted: Any) -> None:
        """Move the mean style, from which truncation measures."""
        if "style" in noted:
            self.mean.lerp_(noted["style"], 0.005)


class PathLength(nn.Module):
    """Equal steps of a style shall change the image equally far: arXiv:1912.04958, eq. 4.

    Its state is the running mean of the lengths; a term measures against that of earlier updates.

    Args:
        weight: factor of the term, >= 0.
        every: updates of the generator from one to the next, >= 1.
        share: of the batch that it takes, > 0: arXiv:1912.04958, appendix B.
        decay: share of the newest lengths in their mean, in (0, 1].
    """

    player = "generator"
    differentiates: ClassVar[frozenset[str]] = frozenset()  # it makes images of its own
    mean: Tensor

    def __init__(
        self, *, weight: float = 2.0, every: int = 4, share: float = 0.5, decay: float = 0.01
    ) -> None:
        super().__init__()
        in_range("share", share, above=0)
        in_range("decay", decay, above=0, high=1)
        self.weight, self.every, self.share, self.decay = weight, every, share, decay
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, play: Any) -> Tensor:
        """Return the mean of (|J^T y| - a)^2, shape ()."""
        generator = play.game.generator
        labels = play.fake_labels if generator.takes_labels else None
        styles = generator.styles(play.z, labels, **play.drawn_for(generator))
        images = generator.synthesis(styles)
        noise = play.normal("path_length", tuple(images.shape)) / images[0, 0].numel() ** 0.5
        (slope,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
        lengths = slope.float().square().sum(dim=2).mean(dim=1).add(1e-12).sqrt()
        play.note("path_length", lengths.mean())
        play.note("style", styles[:, 0].mean(dim=0))  # the first layer's is never mixed
        return (lengths - self.mean).square().mean()

    def commit(self, noted: Any) -> None:
        """Move the mean length, once for each update."""
        if "path_length" in noted:
            self.mean.lerp_(noted["path_length"], self.decay)
