"""Frechet and kernel distances between the features of reals and of fakes, by torchmetrics."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gan_lab.metrics.isolation import exact_float32, one_thread, untouched_randomness
from gan_lab.metrics.statistics import Statistics

SUBSETS = 100
SUBSET_SIZE = 1000
SUBSET_SEED = 0


class _Given(nn.Identity):
    """The feature network torchmetrics asks for, where the features are already there."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim


class Frechet:
    """The Frechet distance between two Gaussians fitted to features.

    GANs Trained by a Two Time-Scale Update Rule, arXiv:1706.08500, eq. 6:
    |m - m'|^2 + Tr(C + C' - 2 (C C')^(1/2)). Sums are float64, and so is the distance.

    Args:
        reals: statistics of the reals.
        device: where sums of fakes are kept.
    """

    def __init__(self, reals: Statistics, device: torch.device) -> None:
        self.device = device
        # Not synchronised: whoever scores has all fakes, and other ranks may wait elsewhere.
        self.metric = FrechetInceptionDistance(
            feature=_Given(len(reals.total)), reset_real_features=False, sync_on_compute=False
        )
        self.metric.real_features_sum = reals.total
        self.metric.real_features_cov_sum = reals.outer
        self.metric.real_features_num_samples = torch.tensor(reals.count)
        self.reset()

    def reset(self) -> None:
        """Forget the fakes."""
        self.metric.reset()
        self.metric.to(self.device)

    def add(self, features: Tensor) -> None:
        """Add features of fakes, (N, d)."""
        self.metric.update(features.to(self.device).double(), real=False)

    def compute(self) -> float:
        """Return the distance, NaN if a feature was not finite (eigvals would crash on it)."""
        if not bool(self.metric.fake_features_cov_sum.isfinite().all()):
            return math.nan
        with one_thread():
            return float(self.metric.to("cpu").compute())


class Kernel:
    """The kernel distance (KID): unbiased squared MMD under the kernel (x.y / d + 1)^3.

    Demystifying MMD GANs, arXiv:1801.01401, section 4: the mean over 100 random subsets of 1,000,
    drawn from a fixed seed. torchmetrics keeps every feature it gets, so the fakes are bounded.

    Args:
        reals: features of reals, (m, d).
        keep: how many fakes' features to keep at most.
    """

    def __init__(self, reals: Tensor, *, keep: int) -> None:
        self.keep = keep
        self.num_reals = len(reals)
        self.subset_size = min(SUBSET_SIZE, self.num_reals, keep)
        whole = self.subset_size == self.num_reals == keep  # then all subsets are the same
        self.subsets = 1 if whole else SUBSETS
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that all features are kept
            self.metric = KernelInceptionDistance(
                feature=_Given(reals.shape[1]),
                subsets=self.subsets,
                subset_size=self.subset_size,
                reset_real_features=False,
                sync_on_compute=False,
            )
        self.metric.update(reals, real=True)
        self.reset()

    def reset(self) -> None:
        """Forget the fakes."""
        self.metric.reset()
        self.kept = 0

    def add(self, features: Tensor) -> None:
        """Add features of fakes, (N, d), until enough are kept."""
        taken = features[: self.keep - self.kept]
        if len(taken) > 0:
            self.metric.update(taken.cpu(), real=False)
            self.kept += len(taken)

    def compute(self, device: torch.device) -> float:
        """Return the mean over subsets, on `device`; NaN if a feature was not finite."""
        with untouched_randomness(device), exact_float32(device):
            torch.default_generator.manual_seed(SUBSET_SEED)
            mean, _ = self.metric.to(device).compute()
        self.metric.to("cpu")
        return float(mean)
