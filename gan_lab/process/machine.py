"""What a run does with the machine it is on: precision, memory format, TF32, compilation, captured graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from gan_lab.common.errors import ConfigError
from gan_lab.process.allocator import keep_freed_memory


@dataclass(frozen=True)
class Machine:
    """The choices behind every `auto`, as they stand in environment.json.

    Attributes:
        device: cpu or cuda.
        precision: 32-true, bf16-mixed or 16-mixed.
        memory_format: channels_last or contiguous.
        tf32: whether float32 products on a GPU may round their factors to 10 bits.
        compile: whether networks are compiled.
        cuda_graphs: whether steps are recorded as CUDA graphs.
    """

    device: str
    precision: str
    memory_format: str
    tf32: bool
    compile: bool
    cuda_graphs: bool

    def words(self) -> str:
        """One line for people."""
        if self.device == "cuda":
            where = torch.cuda.get_device_name()
        else:
            count = torch.get_num_threads()
            where = f"the CPU, {count} thread{'s' if count > 1 else ''}"
        parts = [self.precision, self.memory_format]
        if self.device == "cuda":
            parts.append("TF32" if self.tf32 else "no TF32")
        if self.compile:
            parts.append("compiled")
        if self.cuda_graphs:
            parts.append("CUDA graphs")
        return f"On {where}: {', '.join(parts)}."

    def plain(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)

    def apply(self) -> None:
        """Set the process-wide switches of torch and of the memory's allocator."""
        allow_tf32(self.tf32)
        if self.device == "cpu":
            keep_freed_memory()


def allow_tf32(allowed: bool) -> None:
    """Let float32 products and convolutions on a GPU round their factors, or forbid it.

    By the older of torch's two ways: Lightning and the compiler read it, and torch refuses to mix them.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def device_of(config: Mapping[str, Any]) -> str:
    """Cpu or cuda, as the strategy asks and the machine has.

    Raises:
        ConfigError: if a GPU is asked for and there is none.
    """
    accelerator = config["strategy"]["accelerator"]
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError(
            "strategy=gpu: torch sees no GPU on this machine; use strategy=cpu or auto."
        )
    return "cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda"


def choose(config: Mapping[str, Any]) -> Machine:
    """Settle every `auto` of a configuration for this machine.

    Raises:
        ConfigError: if the machine cannot do what is asked.
    """
    device, tf32 = device_of(config), config["tf32"]
    precision = config["precision"]
    if precision == "auto":
        native = torch.cuda.is_bf16_supported(False) if device == "cuda" else cpu_computes_bf16()
        precision = "bf16-mixed" if native else "32-true"
    if precision == "16-mixed" and device == "cpu":
        raise ConfigError(
            "precision=16-mixed: half precision is for GPUs and this run is on the CPU; "
            "set precision=bf16-mixed or 32-true."
        )
    memory_format = config["memory_format"]
    if memory_format == "auto":
        # Tensor cores want it; float32 convolutions of GPUs without TF32 do not.
        fast = device == "cpu" or tf32 or precision != "32-true"
        memory_format = "channels_last" if fast else "contiguous"
    if config["data"]["device"] == "cuda" and device == "cpu":
        raise ConfigError(
            "data.device=cuda: this run is on the CPU, whose memory the images are in; set auto or strategy=gpu."
        )
    graphs = _graphs(config, device)
    return Machine(
        device, precision, memory_format, tf32=tf32, compile=config["compile"], cuda_graphs=graphs
    )


def _graphs(config: Mapping[str, Any], device: str) -> bool:
    """Whether steps are recorded as CUDA graphs."""
    graphs: bool | str = config["engine"]["cuda_graphs"]
    if graphs is True and device == "cpu":
        raise ConfigError(
            "engine.cuda_graphs=true: CUDA graphs need a GPU and this run is on the CPU; set auto or false."
        )
    if graphs is True and config["strategy"]["devices"] > 1:
        raise ConfigError(
            "engine.cuda_graphs=true: with several processes gradients are averaged between the backward pass and the "
            "optimizer's step, which is not recorded; set auto or false."
        )
    if graphs == "auto":
        return device == "cuda" and config["strategy"]["devices"] == 1
    return bool(graphs)


def cpu_computes_bf16() -> bool:
    """Whether this processor multiplies bfloat16 natively (AVX-512 BF16 or AMX); emulated it is slower than fp32."""
    if not torch.backends.mkldnn.is_available():
        return False
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, bool)() for ask in asks)
