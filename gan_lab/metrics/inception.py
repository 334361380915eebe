"""The Inception-v3 of 2015-12-05, the network behind every published FID."""

from __future__ import annotations

import io

import torch
from torch import Tensor
from torchmetrics.image.fid import NoTrainInceptionV3

from gan_lab.errors import WeightsError
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.inception_weights import PARTIAL, InceptionWeights

FEATURES = (2048, 768, 192, 64)
RESIZES = {
    "tf": "to 299 as TensorFlow 1 does (bilinear, corners aligned top left, no antialias)",
    "antialias": "to 299 bilinear with antialias (torchmetrics' default since 1.8)",
}


class InceptionFeatures(Extractor):
    """Features of one of four layers; grey images are repeated to three channels.

    torchmetrics' module runs torch-fidelity's graph, so that with the TensorFlow resize the
    features equal torch-fidelity's.

    Args:
        weights: the state dict and its identity, from `find_weights`.
        feature: 2048, or 768, 192, 64 for earlier layers.
        resize: `tf` or `antialias`.
        device: where the network runs.

    Raises:
        WeightsError: if the weights are not this network's, or give NaN at `feature`.
    """

    name = "Inception-v3 of 2015-12-05"

    def __init__(
        self,
        weights: InceptionWeights,
        *,
        feature: int = 2048,
        resize: str = "tf",
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(torch.device(device))
        self.dim = feature
        self.weights, self.sha256 = weights.name, weights.sha256
        self.resize = f"{RESIZES[resize]}; grey images repeated to three channels"
        self.network = _build(weights, feature=feature, antialias=resize == "antialias")
        # Channels last: the same features to 3e-7, 1.4 times as fast on a CPU.
        self.network.to(self.device, memory_format=torch.channels_last)
        self._refuse_nan(weights)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (N, dim) of grey or RGB images."""
        return self.network(images.expand(-1, 3, -1, -1))

    def _refuse_nan(self, weights: InceptionWeights) -> None:
        probe = torch.stack([torch.zeros(3, 32, 32), torch.arange(32.0).expand(3, 32, 32) * 8])
        if bool(self.features(probe.to(torch.uint8)).isfinite().all()):
            return
        ends = " (they end at Mixed_6e)" if weights.name == PARTIAL else ""
        earlier = "metrics.feature=768 or " if self.dim == 2048 else ""
        raise WeightsError(
            f"The Inception weights {weights.path} give NaN at feature {self.dim}{ends}; "
            f"use {earlier}complete weights (metrics.weights=...), or metrics=small."
        )


def _build(weights: InceptionWeights, *, feature: int, antialias: bool) -> NoTrainInceptionV3:
    # torch-fidelity reads its file with weights_only=False, which runs whatever code is in it; so
    # it gets, in memory, a file written here from tensors that were read with weights_only=True.
    file = io.BytesIO()
    torch.save(weights.state, file)
    file.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # building draws weights that are then replaced
            return NoTrainInceptionV3(
                "inception-v3-compat",
                [str(feature)],
                file,  # type: ignore[arg-type] # handed to torch.load, which takes files
                antialias,
            )
    except RuntimeError as error:
        raise WeightsError(
            f"{weights.path} does not hold the Inception-v3 of 2015-12-05 in torch-fidelity's "
            f"layout; remove it or set metrics.weights= to a file that does."
        ) from error
