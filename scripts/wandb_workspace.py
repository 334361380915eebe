"""Make a saved view of a W&B project, with the panels that tell most about GANs; docs/tracking.md shows it in words.

    pip install wandb-workspaces
    python scripts/wandb_workspace.py <entity> [project]

It needs a login (`wandb login`) and prints the address of the view. Runs keep their own pages as they are.
"""

from __future__ import annotations

import sys
from typing import Any

X = "images_seen"
METRICS = ("metric/small_frechet", "metric/fid", "metric/kid")
COLUMNS = (
    "config:chosen.model", "config:chosen.data", "config:chosen.loss", "config:chosen.penalty", "config:seed",
    "config:resolved.precision", "summary:last/small_frechet", "summary:best/small_frechet",
    "summary:best/small_frechet_kimg",
)  # fmt: skip

# Sections in the order in which they are looked at, each with the curves of its panels.
CURVES = {
    "2 Metric: lower is better": [[metric] for metric in METRICS],
    "3 Who is winning": [["logits/real", "logits/fake"]],
    "4 Losses": [["loss/discriminator", "loss/generator"]],
    "5 Gradients": [["grad_norm/discriminator", "grad_norm/generator"]],
    "6 Rates and speed": [["lr/discriminator", "lr/generator"], ["speed/images_per_s"]],
}


def workspace(entity: str, project: str) -> Any:
    """The view, not saved yet."""
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as wr

    pictures = wr.MediaBrowser(
        title="Samples of the same latents", media_keys=["samples"], num_columns=2
    )
    curves = wr.MediaBrowser(title="Curves", media_keys=["curves"], num_columns=1)
    sections = [ws.Section(name="1 Samples", panels=[pictures, curves], is_open=True)]
    for name, panels in CURVES.items():
        plots = [
            wr.LinePlot(x=X, y=keys, title=" and ".join(keys), log_y="grad_norm" in keys[0])
            for keys in panels
        ]
        sections.append(ws.Section(name=name, panels=plots, is_open=True))
    return ws.Workspace(
        entity=entity,
        project=project,
        name="gan_lab",
        sections=sections,
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric("Group")],
            order=[ws.Ordering(ws.Summary("last/small_frechet"), ascending=True)],
            pinned_columns=list(COLUMNS),
        ),
    )


def main(arguments: list[str]) -> int:
    """Save the view; returns the exit code."""
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    view = workspace(arguments[0], arguments[1] if len(arguments) > 1 else "gan_lab")
    view.save()
    print(view.url)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
