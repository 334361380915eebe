"""Collects the last metric of runs that differ in seed and precision: is training in bf16 as good as in fp32?

for each model, precision and seed:
    python -m gan_lab.train model=<model> ... precision=<precision> seed=<seed> hydra.run.dir=<folder>/<any name>
python scripts/seeds.py <folder> --out docs/data/seeds.json
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import yaml

from gan_lab.storage.run_folder import RunFolder


def main() -> None:
    """Read every run below the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found: dict[tuple[str, str], dict[int, float]] = {}
    commands = {}
    for path in sorted(options.folder.iterdir()):
        run = RunFolder(path)
        if not run.status.is_file() or json.loads(run.status.read_text())["state"] != "finished":
            continue
        config = yaml.safe_load(run.config.read_text())
        command = yaml.safe_load(run.overrides.read_text())
        last = [record for record in run.records() if "protocol" in record][-1]
        (key,) = [
            k
            for k in last
            if k.startswith("metric/") and k not in ("metric/seconds", "metric/time_share")
        ]
        model = command["choices"]["model"]
        found.setdefault((model, config["precision"]), {})[config["seed"]] = last[key]
        commands[model] = [
            o for o in command["overrides"] if not o.startswith(("seed", "precision", "hydra"))
        ]
    results = []
    for (model, precision), by_seed in sorted(found.items()):
        values = [by_seed[seed] for seed in sorted(by_seed)]
        results.append({
            "model": model, "precision": precision, "seeds": sorted(by_seed), "values": values,
            "mean": statistics.mean(values), "spread": statistics.stdev(values) if len(values) > 1 else None,
            "overrides": commands[model],
        })  # fmt: skip
    options.out.write_text(
        json.dumps(
            {
                "command": "python scripts/seeds.py <runs> --out docs/data/seeds.json",
                "results": results,
            },
            indent=1,
        )
        + "\n"
    )
    for result in results:
        print(result["model"], result["precision"], [round(v, 3) for v in result["values"]])


if __name__ == "__main__":
    main()
