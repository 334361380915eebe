"""gan_lab: the laboratory in which GAN research is done.

In Python: `gan_lab.load("outputs/<run>").sample(16, seed=0)`, and
`from gan_lab.train import train; train(model="dcgan", max_kimg=20)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "load"]

if TYPE_CHECKING:
    from gan_lab.generation.pretrained import load


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: `import gan_lab` and the command line's --help must not wait for it.
    if name == "load":
        from gan_lab.generation.pretrained import load

        return load
    raise AttributeError(f"module 'gan_lab' has no attribute '{name}'")
