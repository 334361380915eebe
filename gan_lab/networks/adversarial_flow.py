"""The generator of adversarial flow models: a transformer from noise of an image's size to the image, in one step."""

from __future__ import annotations

from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledNetwork
from gan_lab.networks.layers.transformer import Patches, Pixels, TransformerBlock, draw_xavier


class FlowGenerator(LabelledNetwork):
    """Squares of noise as tokens, blocks, squares of pixels: DiT (arXiv:2212.09748) without a time, arXiv:2511.22475.

    It predicts the image itself, on pixels instead of a VAE's latents.

    Args:
        resolution: a multiple of `patch`.
        channels: channels of the images, any.
        latent_dim: channels * resolution^2, as latent=pixels has it.
        width: of the tokens, >= 1.
        depth: blocks, >= 1.
        head_width: numbers that one head of attention compares; a divisor of `width`.
        patch: px of the side of a square.
        labels: none, or norm: a label sets gains, biases and gates of the blocks (adaLN-Zero).
        label_dim: number of the data's classes or attributes.

    Raises:
        ConfigError: if latents and images differ in size.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 384,
        depth: int = 12,
        head_width: int = 64,
        patch: int = 4,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("norm",), label_dim=label_dim)
        in_range("width", width, low=1)
        in_range("depth", depth, low=1)
        if latent_dim != channels * resolution**2:
            raise ConfigError(
                f"latent.dim={latent_dim}: this generator maps noise of an image's size, which is "
                f"{channels * resolution**2} numbers; choose latent=pixels."
            )
        self.shape = (channels, resolution, resolution)
        self.patches = Patches(resolution, channels, width, patch)
        self.style: nn.Linear | None = None
        if self.takes_labels:
            assert label_dim is not None
            self.style = nn.Linear(label_dim, width)
            draw_xavier(self.style)
        style_dim = width if self.takes_labels else None
        self.blocks = nn.ModuleList(
            TransformerBlock(width, head_width=head_width, style_dim=style_dim, gate=0.0)
            for _ in range(depth)
        )
        self.pixels = Pixels(channels, width, patch, side=resolution // patch)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution), around [-1, 1]."""
        style = None if self.style is None else self.style(labels)
        x = self.patches(z.unflatten(1, self.shape))
        for block in self.blocks:
            x = block(x, style)
        return self.pixels(x)
