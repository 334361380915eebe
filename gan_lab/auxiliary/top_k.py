"""Top-k training: the generator learns from the fakes of a batch that look most real."""

from __future__ import annotations

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary
from gan_lab.common.ranges import in_range


class TopK(Auxiliary):
    """The generator's adversarial loss is the mean over the share of fakes with the highest logits.

    Top-k Training of GANs, arXiv:2002.06224, section 3: k falls from the batch to a half of it in training. The logged
    value stays the mean over all fakes, and the gradient is that of the mean over the chosen. They are the best of a
    micro-batch.

    Args:
        share: of the fakes at the end, (0, 1]; the paper's nu.
        kimg: thousands of images until then, >= 0; the share falls on a line from 1.
    """

    needs = frozenset()
    scalars: dict[str, object]

    def __init__(self, *, share: float = 0.5, kimg: float = 100.0) -> None:
        super().__init__()
        in_range("share", share, above=0, high=1)
        in_range("kimg", kimg, low=0)
        falling = {"schedule": "linear", "start": 1.0, "end": share, "kimg": kimg}
        self.scalars = {"share": falling if kimg and share < 1 else share}
        self.now: dict[str, float | Tensor] = {}

    def pick(self, logits: Tensor) -> Tensor:
        """Logits (N,) with their values, and with a gradient for the highest alone, as of a mean over these."""
        count = len(logits)
        ranks = logits.detach().argsort(descending=True).argsort()
        chosen = ranks < self.now["share"] * count
        factor = chosen * (count / chosen.sum())
        return logits * factor + (logits * (1 - factor)).detach()
