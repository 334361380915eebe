"""Run folders made by hand, for what reads them."""

import math
import random

import yaml

from gan_lab.storage.run_folder import RunFolder

PROTOCOL = {
    "data": "fashion_mini",
    "split": "train",
    "num_reals": 10_000,
    "num_samples": 2_000,
    "extractor": "small network",
    "feature": 128,
}


def write_run(path, *, metrics=None, points=20, kimg=10, protocol=PROTOCOL, **said):
    """Write a run with noisy curves.

    `metrics` are the values of metric/small_frechet, evenly spaced; None has none. `said` may hold overrides,
    choices, config and status.
    """
    folder = RunFolder(path)
    folder.path.mkdir(parents=True)
    folder.config.write_text(yaml.safe_dump(said.get("config", {"seed": 0})))
    asked = {
        "overrides": said.get("overrides", []),
        "flags": [],
        "choices": said.get("choices", {}),
    }
    folder.overrides.write_text(yaml.safe_dump(asked))
    noise = random.Random(0)
    for step in range(1, points + 1):
        share = step / points
        folder.append(
            {
                **counters(share * kimg),
                "loss/discriminator": 1.4 - share / 2 + noise.gauss(0, 0.1),
                "loss/discriminator/adversarial": 1.0,
                "loss/generator": 0.7 + share / 2 + noise.gauss(0, 0.1),
                "logits/real": share,
                "logits/fake": -share,
                "grad_norm/discriminator": math.exp(noise.gauss(0, 0.5)),
                "grad_norm/generator": math.exp(noise.gauss(0, 0.5)),
                "lr/discriminator": 2e-4,
                "lr/generator": 2e-4 * (1 - share),
                "speed/images_per_s": 1000 + noise.gauss(0, 20),
            }
        )
    for index, value in enumerate(metrics or []):
        at = counters(kimg * index / max(len(metrics) - 1, 1))
        times = {"metric/seconds": 1.0, "metric/time_share": 0.01}
        folder.append({**at, "metric/small_frechet": value, **times, "protocol": protocol})
    if "status" in said:
        folder.write_status(**said["status"])
    return folder


def counters(kimg):
    rounds = round(kimg * 10)
    return {"iteration": rounds, "generator_updates": rounds, "images_seen": round(kimg * 1000)}
