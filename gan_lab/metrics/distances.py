"""Frechet and kernel distances between the features of reals and of fakes, on torchmetrics."""

from __future__ import annotations

import math
import warnings

import torch
import torchmetrics
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gan_lab.metrics.frechet import Gaussian, frechet_distance
from gan_lab.metrics.isolation import exact_float32, one_thread, untouched_randomness
from gan_lab.metrics.statistics import Statistics

SUBSETS = 100
SUBSET_SIZE = 1000
SUBSET_SEED = 0


class Given(nn.Identity):
    """The feature network torchmetrics asks for, where the features are already there."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim


class Frechet:
    """The Frechet distance between two Gaussians fitted to features, arXiv:1706.08500, eq. 6.

    torchmetrics keeps the sums, in float64; the final distance is `frechet_distance` instead of its
    eigenvalues of C C', which take longer and are less exact where C is singular. What is derived
    from the reals is computed once.

    Args:
        reals: statistics of the reals.
        device: where sums of fakes are kept.
    """

    def __init__(self, reals: Statistics, device: torch.device) -> None:
        self.device = device
        self.dim = len(reals.total)
        self.reals = Gaussian(reals)
        # Not synchronised: whoever scores has all fakes, and other ranks may wait elsewhere.
        self.metric = FrechetInceptionDistance(
            feature=Given(self.dim), reset_real_features=False, sync_on_compute=False
        )
        self.metric.real_features_sum = reals.total
        self.metric.real_features_cov_sum = reals.outer
        self.metric.real_features_num_samples = torch.tensor(reals.count)
        self.reset()

    def reset(self) -> None:
        """Forget the fakes."""
        self.metric.reset()
        self.metric.to(self.device)
        self.count = 0
        self.rows: list[Tensor] = []  # all features of fakes while they are at most d, then none

    def add(self, features: Tensor) -> None:
        """Add features of fakes, (N, d)."""
        features = features.to(self.device)
        self.metric.update(features.double(), real=False)
        self.count += len(features)
        self.rows.append(features)
        if self.count > self.dim:
            self.rows.clear()

    def compute(self) -> float:
        """Return the distance; NaN if a feature was not finite, which eigenvalues refuse."""
        sums = self.metric.to("cpu")
        both = self.reals.sums.outer, sums.fake_features_cov_sum
        if not all(bool(outer.diagonal().isfinite().all()) for outer in both):
            return math.nan
        rows = torch.cat(self.rows).cpu() if self.rows else torch.zeros(0, self.dim)
        fakes = Statistics(self.count, sums.fake_features_sum, sums.fake_features_cov_sum, rows)
        with one_thread():
            return float(frechet_distance(self.reals, Gaussian(fakes)))

    def method(self, count: int) -> str:
        """Say for the protocol how the distance to so many fakes is computed."""
        few = self.reals.few or count <= self.dim
        how = "the centred features" if few else "Cholesky and symmetric eigenvalues"
        return f"float64; sums by torchmetrics {torchmetrics.__version__}, trace term by {how}"


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
                feature=Given(reals.shape[1]),
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
            self.metric.update(
                taken, real=False
            )  # where they are: a copy would wait for the device
            self.kept += len(taken)

    def compute(self, device: torch.device) -> float:
        """Return the mean over subsets, on `device`; NaN if a feature was not finite."""
        with untouched_randomness(device), exact_float32(device):
            torch.default_generator.manual_seed(SUBSET_SEED)
            mean, _ = self.metric.to(device).compute()
        self.metric.to("cpu")
        return float(mean)
