"""The Inception-v3 of 2015-12-05, the network behind every published FID."""

from __future__ import annotations

import io
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d, FeatureExtractorInceptionV3

from gan_lab.common.errors import ConfigError, WeightsError
from gan_lab.metrics.extractor import FULL_PRECISION, Extractor
from gan_lab.metrics.inception_weights import InceptionWeights
from gan_lab.metrics.resize import antialiased, tf_bilinear

SIZE = 299
ENDS = {2048: "Mixed_7c", 768: "Mixed_6e", 192: "MaxPool_2", 64: "MaxPool_1"}  # the last layer
FEATURES = tuple(ENDS)
RESIZES: dict[str, tuple[str, Callable[[Tensor, int], Tensor]]] = {
    "tf": (
        "to 299 as TensorFlow 1 does (bilinear, corners aligned top left, no antialias)",
        tf_bilinear,
    ),
    "antialias": (
        "to 299 bilinear with antialias (torchmetrics' default since 1.8)",
        antialiased,
    ),
}
PRECISIONS = {FULL_PRECISION: torch.float32, "bf16": torch.bfloat16}


def known_feature(feature: int) -> None:
    """Raise ConfigError where no layer has so many features."""
    if feature not in FEATURES:
        known = ", ".join(map(str, FEATURES))
        raise ConfigError(f"feature={feature}: must be one of {known}.")


class InceptionFeatures(Extractor):
    """Features of one of four layers; grey images are repeated to three channels.

    torch-fidelity's layers, in its order, so that with the TensorFlow resize the features equal
    torch-fidelity's to 2e-6 of the largest. What makes them faster: channels last, batch
    normalisation folded into the convolutions, the resize, and nothing computed past the last layer.

    Args:
        weights: the state dict and its identity, from `find_weights`.
        feature: 2048, or 768, 192, 64 for earlier layers.
        resize: `tf` or `antialias`.
        precision: `32-true`, or `bf16` for convolutions in bfloat16: features off by 1 %.
        device: where the network runs.

    Raises:
        WeightsError: if the weights are not this network's, or give NaN at `feature`.
    """

    name = "Inception-v3 of 2015-12-05"
    cpu_batch = 8  # 1.2 times as fast as 64

    def __init__(
        self,
        weights: InceptionWeights,
        *,
        feature: int = 2048,
        resize: str = "tf",
        precision: str = FULL_PRECISION,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(torch.device(device))
        self.dim = feature
        self.weights, self.sha256 = weights.name, weights.sha256
        self.precision = precision
        words, self._resize = RESIZES[resize]
        self.resize = f"{words}; grey images repeated to three channels"
        self._dtype = PRECISIONS[precision]
        self.head = weights.state.get("fc.weight") if feature == 2048 else None  # (1008, 2048)
        self.trunk = _trunk(weights, ENDS[feature])
        self.trunk.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self._refuse_nan(weights)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (N, dim) of grey or RGB images."""
        pixels = (self._resize(images.float(), SIZE) - 128) / 128
        pixels = pixels.expand(-1, 3, -1, -1).to(self._dtype)
        maps = self.trunk(pixels.contiguous(memory_format=torch.channels_last))
        return F.adaptive_avg_pool2d(maps.float(), 1).flatten(1)

    def _refuse_nan(self, weights: InceptionWeights) -> None:
        probe = torch.stack([torch.zeros(3, 32, 32), torch.arange(32.0).expand(3, 32, 32) * 8])
        if bool(self.features(probe.to(torch.uint8)).isfinite().all()):
            return
        last = weights.last_whole_layer()
        ends = f" (they end at {last})" if last else ""
        earlier = "an earlier layer (such as metrics.fid.feature=768), " if self.dim == 2048 else ""
        raise WeightsError(
            f"The Inception weights {weights.path} give NaN at feature {self.dim}{ends}; "
            f"use {earlier}complete weights (metrics.weights=...), or a metric without Inception, "
            "such as metrics=small."
        )


def _trunk(weights: InceptionWeights, end: str) -> nn.Sequential:
    """Return the layers up to `end`, float32, without batch normalisations."""
    layers = []
    for name, layer in _build(weights).named_children():  # declared in the order they run in
        layers.append(layer)
        if name == end:
            break
    trunk = nn.Sequential(*layers)
    for block in trunk.modules():
        if isinstance(block, BasicConv2d):  # convolution, batch norm, relu
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
    return trunk.requires_grad_(False).eval()


def _build(weights: InceptionWeights) -> FeatureExtractorInceptionV3:
    # torch-fidelity reads its file with weights_only=False, which runs whatever code is in it; so
    # it gets, in memory, a file written here from tensors that were read with weights_only=True.
    file = io.BytesIO()
    torch.save(weights.state, file)
    file.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # building draws weights that are then replaced
            return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], file)
    except RuntimeError as error:
        raise WeightsError(
            f"{weights.path} does not hold the Inception-v3 of 2015-12-05 in torch-fidelity's "
            f"layout; remove it or set metrics.weights= to a file that does."
        ) from error
