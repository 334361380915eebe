"""A trained generator as a file for other programs, checked against the original before it gets its name."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import torch
from torch import Tensor
from torch.fx.experimental import _config

from gan_lab.common.errors import ConfigError, GanLabError, first_line
from gan_lab.generation.generator import ImageGenerator, ImageTranslator
from gan_lab.storage.files import whole_file

FORMATS = {"onnx": ".onnx", "torch": ".pt2"}
NEEDED = ("onnx", "onnxscript", "onnxruntime")  # by torch's exporter, and for the check

EXAMPLES = 2  # torch would take a batch of 1 for one that is always 1
CHECKED = (1, 5)  # batch sizes, neither of them the example's
TOLERANCE = 1e-4  # of values in [-1, 1]; a step of 8-bit pixels is 8e-3

Run = Callable[..., Tensor]
Exportable = ImageGenerator | ImageTranslator


def export(generator: Exportable, out: Path, *, format: str) -> float:
    """Write a generator as a file of float32 inputs, those that it `takes`, and of what it `gives`, for any N.

    Args:
        generator: on the CPU.
        out: the file; it is there only once its images were found to be those of the generator.
        format: onnx, or torch for torch.export's.

    Returns:
        The largest difference that the check found.

    Raises:
        ConfigError: if packages are missing.
        GanLabError: if the network cannot be exported, the file cannot be written, or its images differ.
    """
    require(format)
    write, run = {"onnx": (_write_onnx, _run_onnx), "torch": (_write_torch, _run_torch)}[format]
    found = []

    def check(path: Path) -> None:
        found.append(_checked(generator, run, path, format))
        if not found[0] <= TOLERANCE:
            raise GanLabError(
                f"format={format}: images of the exported file differ from the generator's by up to {found[0]:.2g}, "
                "so the file was not kept; try the other format."
            )

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with _quiet(), whole_file(out, check=check) as file:
            write(generator, file)
    except OSError as error:
        raise GanLabError(f"out={out}: the file cannot be written ({error.strerror}).") from error
    return found[0]


def require(format: str) -> None:
    """Raise ConfigError, one sentence, where packages that the format needs are missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if format == "onnx" and missing:
        raise ConfigError(
            f"format=onnx: the package {missing[0]} is not installed; install what is needed "
            "(pip install 'gan-lab[export]') or set format=torch."
        )


def _checked(
    generator: Exportable, open_file: Callable[[Path], Run], path: Path, format: str
) -> float:
    """The largest difference between a generator's images and those of its file.

    Raises:
        GanLabError: also where the file refuses what the generator takes: torch's exporter decides at the sizes of one
            example.
    """
    try:
        return largest_difference(generator, open_file(path))
    except GanLabError:
        raise
    except Exception as error:  # torch's guards are assertions
        raise GanLabError(
            f"format={format}: the exported file refuses some sizes that the generator takes ({first_line(error)}), so "
            "it was not kept; try the other format."
        ) from error


def largest_difference(generator: Exportable, run: Run) -> float:
    """The largest difference between the images of a generator and of what was made of it, over two batch sizes.

    Raises:
        GanLabError: if the generator's own images are not finite.
    """
    found = [0.0]
    for count in CHECKED:
        inputs = generator.example(count)
        expected, images = generator(*inputs), run(*inputs)
        if not expected.isfinite().all():
            raise GanLabError("the generator's images are not finite: its training has diverged.")
        if images.shape != expected.shape or images.dtype != expected.dtype:
            return float("inf")
        found.append(float((images - expected).abs().max().nan_to_num(float("inf"))))
    return max(found)


def program_of(generator: Exportable) -> torch.export.ExportedProgram:
    """The generator as torch.export sees it, for batches of any size.

    Raises:
        GanLabError: if torch cannot follow the network's code.
    """
    try:
        program = _followed(generator)
        largest_difference(generator, program.module())  # its guards are assertions
        return program
    except Exception as error:  # torch has a dozen kinds for code that it cannot follow
        reason = first_line(error)
    # Some networks halve an image down to one place, and torch takes a size of 1 for a case of its own. Told otherwise,
    # it cannot follow others, such as StyleGAN3's. So this comes second.
    try:
        with _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            return _followed(generator)
    except Exception as error:
        raise GanLabError(
            f"the generator cannot be exported: torch.export cannot follow its code ({reason})."
        ) from error


@torch.no_grad()
def _followed(generator: Exportable) -> torch.export.ExportedProgram:
    shapes = generator.dynamic()
    return torch.export.export(generator, generator.example(EXAMPLES), dynamic_shapes=shapes)


def _write_torch(generator: Exportable, file: IO[bytes]) -> None:
    torch.export.save(program_of(generator), file)


def _run_torch(path: Path) -> Run:
    with path.open("rb") as file:
        return torch.export.load(file).module()


def _write_onnx(generator: Exportable, file: IO[bytes]) -> None:
    program = program_of(generator)
    try:
        written = torch.onnx.export(
            program,
            dynamo=True,
            input_names=list(generator.takes),
            output_names=[generator.gives],
            verbose=False,
        )
        assert written is not None
        model = written.model_proto
        model.graph.input[0].doc_string = generator.given
        model.graph.output[0].doc_string = generator.made
        content = model.SerializeToString()
    except Exception as error:  # torch's, and those of the libraries below it
        raise GanLabError(
            f"format=onnx: the generator cannot be exported ({first_line(error)}); try format=torch."
        ) from error
    file.write(content)


def _run_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    names = [one.name for one in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        (images,) = session.run(None, given)
        return torch.from_numpy(images)

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporters write about themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in loggers:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)
