"""The oracle of the synthetic experiment: a language whose probabilities are known."""

from __future__ import annotations

import torch

from gan_lab.networks.text.lstm import LstmGenerator


def oracle_language(
    *, vocab_size: int = 5000, length: int = 20, width: int = 32, seed: int = 0
) -> LstmGenerator:
    """An LSTM with weights N(0, 1) that is never trained: SeqGAN, arXiv:1609.05473, the synthetic data experiments.

    Args:
        vocab_size: tokens that exist.
        length: tokens of a sequence.
        width: hidden units and embedding.
        seed: of the weights; torch's own generator of random numbers is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        language = LstmGenerator(
            vocab_size=vocab_size, length=length, width=width, embedding=width, std=1.0
        )
    return language.requires_grad_(False).eval()
