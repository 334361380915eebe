"""Everything that gan_lab costs on a CPU, in one go: `make bench`.

    python scripts/bench/bench.py [--only rounds families start data evaluation] [--alternations 15]
                            [--append] [--defaults]
                            [--peer <the peer's python>]

Each part runs in processes of its own, one after another, and alternates what it compares inside them. Results go to
docs/data/bench.json, part by part, and docs/performance.md's tables are made from it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from cases import FAMILIES, machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = ("rounds", "families", "start", "data", "evaluation", "peer")
# (case, precisions, further arguments): rounds of the default and of float32, then the framework alone.
ROUNDS = [
    *((case, precision, ()) for case in ("mlp_28", "maxout_28", "dcgan_32", "dcgan_64", "wgan_gp_32")
      for precision in ("bf16-mixed", "32-true")),
    ("nothing", "32-true", ()),
    ("nothing", "32-true", ("--no-gpu-search",)),
]  # fmt: skip


def call(script: str, *arguments: str) -> list[dict]:
    """Run a script of this folder; return the JSON lines it printed."""
    print(f"  {script} {' '.join(arguments)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"{script} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def rounds(alternations: int, *, defaults: bool) -> list[dict]:
    """Rounds of the engine against hand-written loops, at its default precision only or in float32 too."""
    results = []
    for case, precision, more in ROUNDS:
        if defaults and case != "nothing" and precision == "32-true":
            continue
        # Short rounds are noisy and cheap, long ones neither.
        few, many = min(alternations, 9), max(alternations, 25)
        count = {"nothing": many, "mlp_28": many, "wgan_gp_32": few}.get(case, alternations)
        (result,) = call(
            "bench_round.py", "--case", case, "--precision", precision, "--alternations", str(count), *more
        )  # fmt: skip
        results.append(result)
    return results


def families(alternations: int) -> list[dict]:
    """Rounds of models with labels, codes and text against hand-written loops, on one thread."""
    results = []
    for case in FAMILIES:
        few = min(alternations, 5 if case == "seqgan" else 9)
        results += call(
            "bench_round.py", "--case", case, "--threads", "1", "--alternations", str(few)
        )
    return results


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS[:-1]))
    parser.add_argument("--alternations", type=int, default=15)
    parser.add_argument(
        "--defaults", action="store_true", help="rounds at the default precision only"
    )
    parser.add_argument(
        "--append", action="store_true", help="keep the rounds of earlier calls in the table"
    )
    parser.add_argument(
        "--peer", help="python of an environment with torch-mimicry, see bench_peer.py"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "data" / "bench.json")
    options = parser.parse_args()
    parts = [*options.only, *(["peer"] if options.peer and "peer" not in options.only else [])]
    kept = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for part in parts:
        print(part, file=sys.stderr, flush=True)
        if part == "rounds":
            before = kept.get(part, []) if options.append else []
            kept[part] = [*before, *rounds(options.alternations, defaults=options.defaults)]
        elif part == "families":
            kept[part] = families(options.alternations)
        elif part == "peer":
            few = ("--batch", "16", "--engine", "fp32", "bf16_channels_last")
            kept[part] = call("bench_peer.py", "--python", options.peer, *few)
        else:
            kept[part] = call(f"bench_{part}.py")
        words = " ".join(word for word in sys.argv[1:] if "/" not in word)
        about = {"command": f"python scripts/bench/bench.py {words}".strip(), "machine": machine()}
        kept.setdefault("measured", {})[part] = about
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(kept, indent=1) + "\n")
    subprocess.run([sys.executable, str(HERE / "tables.py")], check=True)


if __name__ == "__main__":
    main()
