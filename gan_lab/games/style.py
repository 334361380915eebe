"""Style transfer by adaptive instance normalisation, arXiv:1703.06868, with a judge of the styles' images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.asking import NOTHING, Ask, asked
from gan_lab.engine.play import lazy
from gan_lab.engine.schedule import Schedule, schedule
from gan_lab.engine.step import Term
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.games.paired import NoLatents
from gan_lab.games.resting import RestingJudge
from gan_lab.games.translation import Translation
from gan_lab.games.views import viewed
from gan_lab.losses.adversarial import Loss
from gan_lab.networks.layers.adain import moments, restyled

STRENGTHS = tuple(f"{tenth / 10:g}" for tenth in range(11))  # alpha of eq. 14, as people ask for it


class StylePlay(ImagePlay):
    """Contents, styles, and what is made of both; every image that is no fake is encoded once."""

    reals: ClassVar[str] = "images_b"

    @property
    def source(self) -> Tensor:
        """Contents (N, C, H, W) in [-1, 1]."""
        return self.batch["images_a"]

    @lazy
    def styles(self) -> list[Tensor]:
        """What the encoder sees in the styles, layer by layer."""
        found: list[Tensor] = self.game.encoder(self.batch["images_b"])
        return found

    @lazy
    def target(self) -> Tensor:
        """The contents' deepest planes with the moments of the styles': t of eq. 8."""
        return restyled(self.game.encoder(self.source)[-1], self.styles[-1])

    @lazy
    def encoded(self) -> list[Tensor]:
        """What the encoder sees in the fakes."""
        found: list[Tensor] = self.game.encoder(self.fake)
        return found

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The decoder on the target."""
        del z, labels
        found: Tensor = self.game.generator(self.target)
        return found


class StyleTransfer(RestingJudge, Translation, GAN):
    """A decoder that gives images of the first kind the style of any image of the second.

    The encoder is fixed. It tells what an image shows (content, its deepest planes) and how (style, the mean and the
    deviation of every plane of every layer). The discriminator tells results from images of the second kind; the paper
    has none, which is `adversarial=0`. Distances are means of squares, where eq. 12 and 13 have lengths.

    Args:
        encoder: maps images to planes of its layers, and never moves.
        generator: maps the deepest planes to images: the decoder.
        discriminator: judges images of the second kind.
        loss: both sides of the adversarial loss.
        penalty: penalties and constraints by name, each of the player that it names.
        auxiliary: terms of either player by name.
        augment: what changes images in front of the discriminator, by name.
        resolution: side of the images.
        channels: of the images.
        content: weight of the content loss, >= 0 or a schedule.
        style: weight of the style loss, >= 0 or a schedule: lambda of eq. 11 where the others are 1 and 0.
        adversarial: weight of the generator's side of the adversarial loss, >= 0 or a schedule.
        kept: rows that the run's grids show, and styles that samples may be asked for, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: if the encoder shows no planes, the generator decodes none, or no loss has a weight.
    """

    Play = StylePlay
    reads: ClassVar[tuple[str, ...]] = ("images_a", "images_b")
    sources: ClassVar[tuple[str, ...]] = ("images_a",)
    views: ClassVar[tuple[str, ...]] = ("source", "style", "translated")
    kept_images_b: Tensor

    def __init__(
        self,
        *,
        encoder: nn.Module,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: Loss,
        penalty: Mapping[str, Any],
        resolution: int,
        channels: int,
        auxiliary: Mapping[str, Any] | None = None,
        augment: Mapping[str, Any] | None = None,
        content: Scalar = 1.0,
        style: Scalar = 10.0,
        adversarial: Scalar = 1.0,
        kept: int = 16,
        n_critic: Scalar = 1,
    ) -> None:
        _refuse_others(encoder, generator)
        super().__init__(
            generator=generator, discriminator=discriminator, latent=NoLatents(), loss=loss,
            penalty=penalty, auxiliary=auxiliary, augment=augment, n_critic=n_critic,
        )  # fmt: skip
        self.encoder = encoder
        self.strengths = _strengths(content=content, style=style, adversarial=adversarial)
        self.strength = self.strengths["adversarial"]
        shape = (channels, resolution, resolution)
        self.keep_places(kept, {"images_a": shape, "images_b": shape})
        self.given_style: Tensor | None = None

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """This player's side of the adversarial loss; for the generator the content and the style loss beside."""
        found = super().adversarial_terms(player)
        if player == "discriminator":
            return found
        found["content"], found["style"] = Term(self._content_loss), Term(self._style_loss)
        return {
            name: Term(found[name].function, weight)
            for name, weight in self.strengths.items()
            if max(weight.ends()) > 0
        }

    def _content_loss(self, play: StylePlay) -> Tensor:
        """The result shall show what the target does: eq. 12."""
        return (play.encoded[-1].float() - play.target.float()).square().mean()

    def _style_loss(self, play: StylePlay) -> Tensor:
        """Its planes shall have the means and deviations of the style's, layer by layer: eq. 13."""
        losses = [
            (own - wanted).square().mean()
            for made, true in zip(play.encoded, play.styles, strict=True)
            for own, wanted in zip(moments(made), moments(true), strict=True)
        ]
        return torch.stack(losses).sum()

    # Samples --------------------------------------------------------------------------------

    def keep_rows(self, data: Any) -> None:
        """Keep rows of both kinds, evenly spread over a split."""
        super().keep_rows(data)
        images = data.columns["images_b"].values
        self.kept_images_b.copy_(images[torch.arange(self.kept) * len(images) // self.kept])

    def questions(self) -> Mapping[str, Sequence[str]]:
        """Whose style, by the number of a kept image of the second kind; how much of it; and what is shown."""
        styles = tuple(str(number) for number in range(self.kept))
        return {"style": styles, "strength": STRENGTHS, **super().questions()}

    def usual(self, question: str, values: Sequence[str]) -> int:
        """The whole style, where nobody asks for a part of it."""
        return len(values) - 1 if question == "strength" else super().usual(question, values)

    def inputs_of(
        self,
        rows: Mapping[str, Tensor],
        numbers: Sequence[int],
        *,
        indices: Sequence[int] | None = None,
        ask: Ask = NOTHING,
        **how: Any,
    ) -> dict[str, Tensor]:
        """As of every translation; where nobody asks for a style, each row has the one of its own number."""
        found = super().inputs_of(rows, numbers, indices=indices, ask=ask, **how)
        if not asked(ask, "style", list(numbers if indices is None else indices)):
            found["style"] = torch.tensor([number % self.kept for number in numbers])
        return found

    def take_style(self, image: Tensor | None) -> None:
        """Give `translation` the style of an image (1, C, H, W) in [-1, 1] of any size; None takes kept ones again."""
        self.given_style = image

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """Sources (N, C, H, W) in one style, as strong as it is asked for; images (N, C, H, W) in [-1, 1]."""
        style = self.given_style
        if style is None:
            number = ask.get("style", 0)
            style = self._as_images(self.kept_images_b[number : number + 1])
        tenths = ask.get("strength", len(STRENGTHS) - 1)
        return self._made(networks, source, style.to(source), tenths / (len(STRENGTHS) - 1))

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1]: of each row its style, strength and view (N,)."""
        source = inputs["images_a"]
        style = self._as_images(self.kept_images_b.to(source.device)[inputs["style"]])
        strength = (inputs["strength"] / (len(STRENGTHS) - 1)).to(source.dtype).view(-1, 1, 1, 1)
        made = self._made(networks, source, style, strength)
        shown = {"source": source, "style": style, "translated": made}
        return viewed(shown, self.views, inputs["view"])

    def _as_images(self, stored: Tensor) -> Tensor:
        return self.as_read("images_b", stored)

    def _made(
        self,
        networks: Mapping[str, nn.Module],
        source: Tensor,
        style: Tensor,
        strength: Tensor | float,
    ) -> Tensor:
        """Sources in styles, by a share of the way from their own planes to the target: eq. 14."""
        own = self.encoder(source)[-1]
        target = restyled(own, self.encoder(style)[-1])
        found: Tensor = networks["generator"](own + strength * (target - own))
        return found.clamp(-1, 1)


def _strengths(**given: Scalar) -> dict[str, Schedule]:
    """The weights of all losses by name.

    Raises:
        ConfigError: if one is below 0, or all are 0.
    """
    found = {name: schedule(one, f"model.{name}") for name, one in given.items()}
    for name, weight in found.items():
        in_range(f"model.{name}", min(weight.ends()), low=0)
    if all(max(weight.ends()) == 0 for weight in found.values()):
        raise ConfigError(
            "model.content, model.style and model.adversarial are all 0: the generator has nothing to learn from; "
            "give one of them a weight."
        )
    return found


def _refuse_others(encoder: nn.Module, generator: nn.Module) -> None:
    """Raise ConfigError for an encoder that shows no planes, or a generator that decodes none."""
    if not getattr(encoder, "shows_planes", False):
        raise ConfigError(
            "encoder: makes latents, and this model exchanges planes; choose encoder=perceptual."
        )
    if not getattr(generator, "decodes", False):
        raise ConfigError(
            "generator: makes images of something else than an encoder's planes; choose generator=style_decoder."
        )
