"""How near images are to those that they should be: measures of pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)


def nearness(made: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Mean distance of pixels, PSNR in decibels and SSIM of each pair.

    Args:
        made: (N, C, H, W) in [0, 1].
        true: likewise.

    Returns:
        (N,) for each of l1, psnr, ssim.
    """
    ssim = structural_similarity_index_measure(made, true, data_range=1.0, reduction="none")
    psnr = peak_signal_noise_ratio(made, true, data_range=1.0, dim=(1, 2, 3), reduction="none")
    return {
        "l1": (made - true).abs().mean(dim=(1, 2, 3)),
        "psnr": torch.as_tensor(psnr).reshape(len(made)),
        "ssim": torch.as_tensor(ssim).reshape(len(made)),
    }
