"""Writes the tables of docs/performance.md from docs/data/*.json, between their markers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Markdown."""
    lines = [list(map(str, head))]
    lines += [["---"] * len(lines[0]), *(list(map(str, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(values: list[float], digits: int = 2) -> str:
    """Median with its interval."""
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def rounds(bench: dict) -> str:
    """The engine against hand-written loops."""
    return against_loops(r for r in bench["rounds"] if r["case"] != "nothing")


def families(bench: dict) -> str:
    """The same for models with labels, codes and text."""
    return against_loops(bench["families"])


def against_loops(results: Iterable[dict]) -> str:
    """A row for each case that was played by all three parties."""
    rows = []
    for r in results:
        sides = ("plain", "expert", "engine")
        rows.append((
            r["case"], r["precision"],
            *(f"{r[who]['wall_ms']:.1f}" for who in sides),
            r["engine"]["images_per_s"], f"**{interval(r['plain_over_engine_cpu'])}**",
            interval(r["plain_over_engine_wall"]), interval(r["expert_over_engine_cpu"]),
            r["share_of_floor"], " / ".join(str(r[who].get("peak_mb", "-")) for who in sides),
        ))  # fmt: skip
    head = (
        "case", "precision", "tutorial's loop, ms", "expert's loop, ms", "engine, ms", "images/s",
        "**faster than the tutorial's, CPU time**", "wall", "than the expert's, CPU time", "share of floor", "peak MB",
    )  # fmt: skip
    return table(head, rows)


def nothing(bench: dict) -> str:
    """The framework's own cost."""
    rows = []
    for r in bench["rounds"]:
        if r["case"] == "nothing":
            loop = (
                "as torch ships" if r["gpu_search_in_loops"] else "without torch's search for a GPU"
            )
            rows.append((
                loop, f"{r['plain']['cpu_ms'] * 1e3:.0f}", f"{r['engine']['cpu_ms'] * 1e3:.0f}",
                interval(r["over_plain_us_cpu"], 0), interval(r["over_expert_us_cpu"], 0),
                interval(r["recording_each_round_us_cpu"], 0), interval(r["lightning_us_cpu"], 0),
            ))  # fmt: skip
    head = (
        "hand-written loops", "tutorial's, us", "engine, us", "over the tutorial's, us", "over the expert's, us",
        "more with a record each round, us", "of it Lightning's trainer, us",
    )  # fmt: skip
    return table(head, rows)


def start(bench: dict) -> str:
    """Waiting times."""
    rows = [(r["what"], r["wall_s"], r["cpu_s"] or "-") for r in bench["start"]]
    return table(("what", "seconds", "CPU seconds"), rows)


def peer(bench: dict) -> str:
    """A public library on the same networks."""
    rows = []
    for r in bench.get("peer", ()):
        low, high = r["speedup_cpu_range"]
        ratio = f"**{r['speedup_cpu']:.2f}** ({low:.2f} to {high:.2f})"
        seconds = (f"{r['peer_cpu_s']:.2f}", f"{r['engine_cpu_s']:.2f}")
        rows.append(
            (r["case"], r["engine"], r["batch"], *seconds, ratio, f"{r['speedup_wall']:.2f}")
        )
    head = (
        "case",
        "engine",
        "batch",
        "torch-mimicry, CPU s a round",
        "engine, CPU s",
        "faster, CPU time (range)",
        "wall",
    )
    return table(head, rows)


def seeds(data: dict) -> str:
    """The same metric in both precisions."""
    rows = []
    for r in data["results"]:
        values = ", ".join(f"{value:.2f}" for value in r["values"])
        rows.append((r["model"], r["precision"], values, f"{r['mean']:.2f}", f"{r['spread']:.2f}"))
    return table(
        ("model", "precision", "small Frechet of seeds 0, 1, 2", "mean", "standard deviation"), rows
    )


def data(bench: dict) -> str:
    """Batches, the cache, and memory against the size of the set."""
    rows = []
    for r in bench["data"]:
        if r["case"] == "batches":
            what = f"batches of {r['batch']}, 64 px, {'flipped' if r['flip'] else 'no flips'}, one thread"
            rows.append(
                (
                    what,
                    f"{r['images_per_second_cpu']:,} images/s (wall {r['images_per_second_wall']:,})",
                )
            )
        elif r["case"] == "build":
            low, high = r["ratio_range"]
            rows.append((
                f"cache of {r['images']:,} CelebA images on {r['cores']} core(s)",
                f"{r['images_per_second']:,} images/s, torchvision's CelebA with PIL and DataLoader "
                f"{r['torchvision_images_per_second']:,}: **{r['ratio']}x** ({low} to {high}); pixels at most "
                f"{r['largest_difference']} level apart",
            ))  # fmt: skip
        else:
            rows.append(
                (
                    f"anonymous memory after drawing from {r['images']:,} images",
                    f"{r['rss_anon_mb']} MB",
                )
            )
    return table(("what", "measured"), rows)


def evaluation(bench: dict) -> str:
    """Distances and features."""
    rows = []
    for r in bench["evaluation"]:
        if r["case"] == "frechet":
            seconds, off = r["cpu_seconds"], r["relative_deviation"]
            rows.append((
                f"Frechet at {r['features']}, {r['images']:,} images on each side, one thread",
                f"{seconds['first']:.2f} s, later {seconds['later']:.2f} s; torchmetrics "
                f"{seconds['torchmetrics']:.2f} s (**{r['ratio_to_torchmetrics']:.1f}x**), scipy "
                f"{seconds['scipy']:.1f} s; {off['first']:.0e} from {r['truth']}",
            ))  # fmt: skip
        elif r["case"] == "small":
            seconds = r["seconds"]["features_and_distance"]
            rows.append((
                f"metrics=small, features and distance of {r['images']:,} images, {r['threads']} threads",
                f"{seconds:.2f} s",
            ))  # fmt: skip
        else:
            speed, ratio = r["images_per_cpu_second"], r["ratio_to_naive"]
            for name, label in (("ours", "fp32"), ("ours_bf16", "bf16")):
                rows.append((
                    f"Inception at 2048, {label}, one thread",
                    f"{speed[name]:.1f} images/s, {ratio[name]:.2f}x torchmetrics' module; features "
                    f"{r['deviation_over_largest'][name]:.0e} of the largest apart",
                ))  # fmt: skip
    return table(("what", "measured"), rows)


TABLES: dict[str, tuple[str, Callable[[dict], str]]] = {
    "rounds": ("bench.json", rounds),
    "families": ("bench.json", families),
    "nothing": ("bench.json", nothing),
    "start": ("bench.json", start),
    "peer": ("bench.json", peer),
    "data": ("bench.json", data),
    "evaluation": ("bench.json", evaluation),
    "seeds": ("seeds.json", seeds),
}


def main() -> None:
    """Rewrite what lies between the markers; tables without data stay."""
    page = DOCS / "performance.md"
    text = page.read_text()
    for name, (file, make) in TABLES.items():
        source = DOCS / "data" / file
        if not source.is_file():
            continue
        found = json.loads(source.read_text())
        if file == "bench.json" and ("rounds" if name == "nothing" else name) not in found:
            continue
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        new = make(found)
        text, count = re.subn(
            pattern, lambda m, new=new: f"{m[1]}{new}\n{m[2]}", text, flags=re.DOTALL
        )
        if not count:
            raise SystemExit(f"docs/performance.md has no markers for the table '{name}'.")
    page.write_text(text)


if __name__ == "__main__":
    main()
