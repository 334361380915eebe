"""InfoGAN's latents: codes have the law of the paper, and can be set without a change to the rest."""

from __future__ import annotations

import math

import pytest
import torch

from gan_lab.common.errors import ConfigError
from gan_lab.generation.classes import wishes_of
from gan_lab.latents.codes import Coded

LATENT = Coded(noise=3, codes={"kind": 4, "slant": 1})


def test_codes_have_their_law():
    normal = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    z = LATENT.from_normal(normal)
    assert LATENT.dim == 8
    assert torch.equal(z[:, :3], normal[:, :3])
    codes = LATENT.codes(z)
    shares = codes["kind"].mean(0)
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.015, rtol=0)
    assert (codes["kind"].sum(1) == 1).all()
    numbers = codes["slant"].double().sort().values
    even = torch.linspace(-1, 1, len(numbers), dtype=torch.float64)
    assert (numbers - even).abs().max() < 0.03, "Kolmogorov and Smirnov's distance"


def test_a_code_is_set_and_the_rest_stays():
    normal = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    kinds = [0, 1, 2, 3, 2, 0]
    set_kind = LATENT.with_code(normal, "kind", kinds)
    assert LATENT.codes(LATENT.from_normal(set_kind))["kind"].argmax(1).tolist() == kinds
    assert torch.equal(set_kind[:, [0, 1, 2, 7]], normal[:, [0, 1, 2, 7]])
    assert torch.equal(set_kind.sort().values, normal.sort().values), "still as normal as before"
    slanted = LATENT.with_code(normal, "slant", [0, 4, 8, 6, 4, 4])
    found = LATENT.codes(LATENT.from_normal(slanted))["slant"].tolist()
    assert found == pytest.approx([-1, 0, 1, 0.5, 0, 0], abs=2e-3)
    assert math.isfinite(slanted.abs().max())


def test_what_people_ask_for():
    questions = {"classes": ["cat", "dog"], **LATENT.questions()}
    assert wishes_of("dog", {"kind": "1-3", "slant": "0.5"}, questions) == {
        "classes": [1], "codes.kind": [1, 2, 3], "codes.slant": [6],
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"codes\.kid: this run's model has no such code"):
        wishes_of(None, {"kid": 1}, questions)
    with pytest.raises(ConfigError, match=r"codes\.kind=4: 4 is none of the 4"):
        wishes_of(None, {"kind": 4}, questions)
    with pytest.raises(ConfigError, match="at least one code"):
        Coded(codes={})
