"""What an evaluation costs: the Frechet distance, the small metric, and Inception's features.

    python scripts/bench/bench_evaluation.py [--case frechet small inception compile] [--alternations 3] [--out FILE]

Variants alternate in one process. The distances and Inception are timed on one thread, in CPU time, and compared as
ratios; the small metric on all threads, in seconds on the wall. Inception's weights are drawn from a seed, since they
do not change what it costs: no file is needed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from cases import machine
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import NoTrainInceptionV3

from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.metrics.distances import Frechet
from gan_lab.metrics.frechet import Gaussian
from gan_lab.metrics.inception import InceptionFeatures
from gan_lab.metrics.inception_weights import InceptionWeights, read_weights
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.statistics import Statistics

DIM = 2048


def alternate(variants: dict[str, Callable], alternations: int, clock=time.process_time):
    """Return the median seconds of each variant, and what each gave last."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    given = {}
    for _ in range(alternations):
        for name, work in variants.items():
            start = clock()
            given[name] = work()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}, given


def drawn_features(count: int, seed: int) -> Tensor:
    """Correlated, with a spectrum over three orders of magnitude, none below zero."""
    mix = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(0)) / DIM**0.5
    scale = torch.linspace(0, -3, DIM).exp()
    noise = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))
    return ((noise * scale) @ mix + 0.1).relu()


def sums_of(features: Tensor) -> Statistics:
    exact = features.double()
    rows = features if len(features) <= DIM else features[:0]
    return Statistics(len(features), exact.sum(0), exact.T @ exact, rows)


def scipys_distance(real: Statistics, fake: Statistics) -> float:
    import scipy.linalg

    first, second = Gaussian(real), Gaussian(fake)
    root = scipy.linalg.sqrtm((first.covariance @ second.covariance).numpy()).real.trace()
    traces = first.covariance.trace() + second.covariance.trace()
    return float((first.mean - second.mean).square().sum() + traces - 2 * root)


def svds_distance(real: Statistics, fake: Statistics) -> float:
    """The exact form, for few images: the singular values of the product of the centred features."""
    first, second = Gaussian(real), Gaussian(fake)
    root = torch.linalg.svdvals(first.spread @ second.spread.T).sum()
    apart = (first.mean - second.mean).square().sum()
    return float(apart + first.spread.square().sum() + second.spread.square().sum() - 2 * root)


def frechet(count: int, alternations: int) -> dict:
    """Time the distance at 2048 between `count` images on either side, from their sums."""
    real, fake = drawn_features(count, 1), drawn_features(count, 2)
    few = count <= DIM
    found = Frechet(sums_of(real), torch.device("cpu"))
    found.metric.compute_with_cache = False  # else torchmetrics answers from memory
    for part in fake.split(500):
        found.add(part)
    reals, fakes = found.reals.sums, sums_of(fake)

    def first() -> float:
        found.reals = Gaussian(reals)  # nothing known of the reals, as at a run's first evaluation
        return found.compute()

    variants = {"first": first, "later": found.compute, "torchmetrics": found.metric.compute}
    seconds, values = alternate(variants, alternations)
    slow, exact = alternate({"scipy": lambda: scipys_distance(reals, fakes)}, 1)
    seconds |= slow
    values |= exact | ({"svd": svds_distance(reals, fakes)} if few else {})
    truth = float(values["svd" if few else "scipy"])
    return {
        "case": "frechet", "features": DIM, "images": count, "alternations": alternations, "cpu_seconds": seconds,
        "ratio_to_torchmetrics": seconds["torchmetrics"] / seconds["first"],
        "ratio_to_torchmetrics_later": seconds["torchmetrics"] / seconds["later"],
        "truth": "svd" if few else "scipy",
        "relative_deviation": {name: abs(float(value) - truth) / truth for name, value in values.items()},
    }  # fmt: skip


def small(count: int, alternations: int) -> dict:
    """Time metrics=small on `count` images: their features and the distance, not the generator."""
    source = FashionMini()
    images = source.load("train").images.float() / 127.5 - 1
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("GAN_LAB_CACHE")
        os.environ["GAN_LAB_CACHE"] = folder  # so that the reals' statistics are computed here
        metric = SmallFrechet(num_samples=count)
        try:
            start = time.perf_counter()
            metric.prepare(source, torch.device("cpu"))
            prepared = time.perf_counter() - start
        finally:
            os.environ.pop("GAN_LAB_CACHE")
            os.environ |= {"GAN_LAB_CACHE": before} if before is not None else {}
    score = lambda: metric.score(lambda at, n: images[at : at + n])  # noqa: E731
    variants = {"features_and_distance": score, "distance": metric.frechet.compute}
    seconds, scores = alternate(variants, alternations, time.perf_counter)
    return {
        "case": "small", "images": count, "threads": torch.get_num_threads(), "alternations": alternations,
        "seconds": seconds, "prepare_seconds": prepared, "value": scores["features_and_distance"].values[metric.key],
    }  # fmt: skip


class Drawn(FeatureExtractorInceptionV3):
    def load_state_dict(self, _state):
        for value in self.parameters():
            if value.dim() > 1:
                nn.init.kaiming_normal_(value)


def drawn_weights(folder: Path) -> InceptionWeights:
    file = folder / "drawn.pth"
    torch.save({}, file)
    torch.manual_seed(0)
    torch.save(Drawn("inception-v3-compat", ["2048"], str(file)).state_dict(), file)
    return read_weights(file)


def inception(batch: int, alternations: int, *, compiled: bool) -> dict:
    """Time 2048 features of `batch` images of 64 pixels; naive is torchmetrics' module as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        weights = drawn_weights(Path(folder))
    images = torch.randint(0, 256, (batch, 3, 64, 64), dtype=torch.uint8)

    def naive(layout: torch.memory_format) -> Callable[[], Tensor]:
        file = io.BytesIO()
        torch.save(weights.state, file)
        file.seek(0)
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], file, antialias=False)
        network.to(memory_format=layout)
        return torch.no_grad()(lambda: network(images))

    def ours(precision: str, *, compiled: bool = False) -> Callable[[], Tensor]:
        extractor = InceptionFeatures(weights, precision=precision)
        if compiled:
            extractor.trunk = torch.compile(extractor.trunk)
        return lambda: extractor.features(images)

    variants = {
        "naive": naive(torch.contiguous_format),
        "ours": ours("32-true"),
        "ours_bf16": ours("bf16"),
    }
    if compiled:
        variants["ours_compiled"] = ours("32-true", compiled=True)
        variants["ours_bf16_compiled"] = ours("bf16", compiled=True)
    else:
        variants["naive_channels_last"] = naive(torch.channels_last)
    warm_up, _ = alternate(variants, 1)
    seconds, features = alternate(variants, alternations)
    largest = features["naive"].abs().max()
    return {
        "case": "compile" if compiled else "inception", "batch": batch, "alternations": alternations,
        "first_call_seconds": warm_up,
        "images_per_cpu_second": {name: batch / value for name, value in seconds.items()},
        "ratio_to_naive": {name: seconds["naive"] / value for name, value in seconds.items()},
        "deviation_over_largest": {
            name: float((value - features["naive"]).abs().max() / largest) for name, value in features.items()
        },
    }  # fmt: skip


CASES = ("frechet", "small", "inception", "compile")


def measure(cases: Iterable[str] = CASES[:3], *, alternations: int = 3) -> list[dict]:
    """Measure the named cases, print each result as a line of JSON, and return them all."""
    threads = torch.get_num_threads()
    work: dict[str, list[Callable[[], dict]]] = {
        "frechet": [lambda: frechet(10_000, alternations), lambda: frechet(500, alternations)],
        "small": [lambda: small(5000, alternations)],
        "inception": [lambda: inception(16, alternations, compiled=False)],
        "compile": [lambda: inception(16, alternations, compiled=True)],
    }
    results = []
    for case in cases:
        torch.set_num_threads(threads if case == "small" else 1)
        try:
            for part in work[case]:
                results.append(part())
                print(json.dumps(results[-1]), flush=True)
        finally:
            torch.set_num_threads(threads)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES[:3]))
    parser.add_argument("--alternations", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = measure(options.case, alternations=options.alternations)
    if options.out:
        command = f"python scripts/bench/bench_evaluation.py {' '.join(sys.argv[1:])}"
        text = json.dumps({"command": command, "machine": machine(), "results": results}, indent=1)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
