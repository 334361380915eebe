"""How batches come to be: the three ways give one stream, nothing in use is overwritten, nothing hangs."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lab.common.errors import ConfigError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.pixels import HostPixels, finished
from gan_lab.data.stream import placing, sampler
from gan_lab.data.stream.ahead import Sender, ahead
from gan_lab.data.stream.order import Order
from gan_lab.data.stream.placing import on_device
from gan_lab.data.stream.sampler import Batches

CPU = torch.device("cpu")


def noise(count=50, labels=True, shape=(3, 8, 6)):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
    found = torch.arange(count) * 3 if labels else None
    return ImageSet("noise", "train", images, found, (), "f")


def batches_of(images=None, **options):
    settings = {"batch_size": 8, "seed": 0, "flip": True, "device": CPU, **options}
    return Batches(images or noise(), **settings)


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


# --- one stream, three ways


@pytest.mark.parametrize("way", ["_sent", "_from_device"])
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("options", [{}, {"start": 13}, {"rank": 1, "ranks": 2}])
def test_every_way_gives_the_same_stream(way, flip, labels, options):
    batches = batches_of(noise(labels=labels), flip=flip, **options)
    other = getattr(batches, way)()
    for expected, found in itertools.islice(zip(batches, other), 40):
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    other.close()


@pytest.mark.parametrize("most", [1, 3 * 8 * 3 * 8 * 6 * 4, 2**30])
def test_the_size_of_a_block_changes_nothing(monkeypatch, most):
    monkeypatch.setattr(sampler, "BLOCK_BYTES", most)
    batches = batches_of()
    for expected, found in itertools.islice(zip(batches, batches._from_device()), 30):
        assert torch.equal(expected["images"], found["images"])


def test_the_plain_way_to_the_same_batch():
    """Written with the simplest operations there are."""
    images = noise()
    order = Order(50, seed=0, flip=True, device=CPU)
    stream = iter(batches_of(images))
    for position in range(0, 400, 8):
        rows, mirrored = order.window(position, 8)
        pixels = [
            images.images[row].flip(2) if flag else images.images[row]
            for row, flag in zip(rows.tolist(), mirrored.tolist(), strict=True)
        ]
        batch = next(stream)
        expected = torch.stack(pixels).double() / 127.5 - 1
        torch.testing.assert_close(batch["images"].double(), expected, atol=1e-7, rtol=0)
        assert batch["labels"].tolist() == [3 * row for row in rows.tolist()]


@pytest.mark.parametrize("count", [1, 3, 8, 64])
def test_every_level_is_the_same_on_host_and_device(count):
    levels = torch.arange(256, dtype=torch.uint8).expand(64, 1, 5, 256).contiguous()
    reader = HostPixels(levels, count)
    for flags in (None, torch.arange(count) % 3 == 0, torch.ones(count).bool()):
        found = reader.read(torch.arange(count, dtype=torch.int32), flags)
        assert torch.equal(found, finished(levels[:count], flags))
        assert found.min() == -1.0
        assert found.max() == 1.0
    # The order of the levels is kept: a mirrored row descends.
    assert found[0, 0, 0].diff().lt(0).all()


# --- order


def test_the_order_of_a_large_set_is_small():
    order = Order(200_000, seed=3, flip=True, device=CPU)
    for begin in (0, 199_990, 200_000, 399_990, 400_000):
        rows, mirrored = order.window(begin, 64)
        assert rows.dtype == torch.int32
        assert mirrored.dtype == torch.bool
        kept = [tensor for epoch in order._epochs.values() for tensor in epoch]
        assert sum(tensor.untyped_storage().nbytes() for tensor in kept) == 5 * 200_000


def test_the_order_is_that_of_torchs_long_permutation():
    order = Order(1000, seed=0, flip=False, device=CPU)
    rows, mirrored = order.window(0, 1000)
    expected = torch.randperm(1000, generator=order.generator("order", 0))
    assert torch.equal(rows.long(), expected)
    assert mirrored is None


def test_a_window_may_span_several_epochs():
    order = Order(10, seed=0, flip=True, device=CPU)
    rows, mirrored = order.window(5, 30)
    assert len(rows) == len(mirrored) == 30
    assert sorted(rows[5:15].tolist()) == list(range(10))
    parts = [order.window(begin, 1)[0] for begin in range(5, 35)]
    assert torch.equal(torch.cat(parts), rows)


# --- memory


def test_batches_that_are_held_stay_as_they_are():
    stream = iter(batches_of())
    held = list(itertools.islice(stream, 20))
    copies = [batch["images"].clone() for batch in held]
    for _ in range(40):
        next(stream)["images"].zero_()
    assert all(torch.equal(batch["images"], copy) for batch, copy in zip(held, copies))


MEASURE = """
import sys
import numpy as np, torch
from pathlib import Path
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.sampler import Batches
from gan_lab.process.allocator import keep_freed_memory
torch.set_num_threads(1)
keep_freed_memory()  # as at the start of a run
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
pixels, labels = (torch.from_numpy(np.load(path, mmap_mode="r")) for path in sys.argv[1:3])
images = ImageSet("zeros", "train", pixels, labels, (), "zeros")
before = anonymous()
# Small batches: an allocator holds back a few of them, more in one process than in the next.
settings = dict(batch_size=8, seed=0, flip=True, start=len(images) - 700, device="cpu")
stream = iter(Batches(images, **settings))
for _ in range(200):  # from one epoch into the next
    next(stream)
print(anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to look into")
def test_anonymous_memory_does_not_grow_with_the_set(tmp_path):
    grown = []
    for count in (10_000, 200_000):
        paths = [tmp_path / f"{name}-{count}.npy" for name in ("images", "labels")]
        # Sparse files: only what is read takes room.
        np.lib.format.open_memmap(paths[0], "w+", np.uint8, (count, 3, 64, 64)).flush()
        np.lib.format.open_memmap(paths[1], "w+", np.int64, (count,)).flush()
        command = [sys.executable, "-W", "ignore", "-c", MEASURE, *map(str, paths)]
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        grown.append(int(output.stdout))
    assert grown[1] - grown[0] < 6_000  # kB: 5 bytes for each of 190,000 images, and noise


# --- one ahead


def test_ahead_gives_everything_in_order_and_ends():
    assert list(ahead(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    assert list(ahead(lambda n: n, [])) == []
    assert threads() == []


def test_ahead_is_one_ahead_and_no_more():
    made = []
    stream = ahead(made.append, itertools.count())
    for taken in range(1, 6):
        next(stream)
        deadline = time.monotonic() + 10
        while len(made) < taken + 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)
        assert len(made) == taken + 1
    stream.close()


def test_ahead_works_while_an_item_is_in_use():
    second = threading.Event()

    def make(n):
        if n == 1:
            second.set()
        return n

    stream = ahead(make, itertools.count())
    assert next(stream) == 0
    assert second.wait(timeout=30)
    stream.close()


def test_an_exception_comes_in_its_place():
    def make(n):
        if n == 3:
            raise RuntimeError("the disk is gone")
        return n

    stream = ahead(make, itertools.count())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="the disk is gone"):
        next(stream)
    assert threads() == []


def test_a_dropped_iterator_ends_its_thread():
    stream = batches_of()._sent()
    next(stream)
    assert len(threads()) == 1
    del stream
    gc.collect()
    assert threads() == []


EXIT = """
import itertools
from gan_lab.data.stream.ahead import ahead
stream = ahead(lambda n: n, itertools.count())
print(next(stream), next(stream), flush=True)
{end}
"""


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("raise SystemExit(3)", 3), ("raise ValueError", 1)]
)
def test_the_interpreter_ends_with_an_iterator_in_use(end, code):
    command = [sys.executable, "-c", EXIT.format(end=end)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.returncode) == ("0 1\n", code)


def test_requests_are_drawn_by_the_caller():
    """Pinned memory is asked for in them, and a second thread must not talk to the GPU."""
    names = []

    def requests():
        for n in range(5):
            names.append(threading.current_thread().name)
            yield n

    makers = set(ahead(lambda _: threading.current_thread().name, requests()))
    assert set(names) == {threading.current_thread().name}
    assert len(makers) == 1
    assert makers.isdisjoint(names)


def test_a_sender_without_a_gpu_pins_nothing():
    sender = Sender(CPU)
    memory = sender.empty((2, 3), torch.uint8)
    assert memory.shape == (2, 3)
    assert not memory.is_pinned()
    (sent,) = sender.send([memory])
    assert sent is memory


# --- where the set lives


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with 1,000 bytes left, as far as placing asks."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 4000))
    return torch.device("cuda")


def sized(count):
    return noise(count, shape=(1, 1, 1))


def test_auto_takes_a_gpu_with_ample_room(gpu):
    most = int(1000 * placing.DEVICE_SHARE) // sized(1).nbytes
    assert on_device(sized(most), gpu, "auto")
    assert not on_device(sized(most + 1), gpu, "auto")
    assert not on_device(sized(10), CPU, "auto")


def test_cpu_keeps_the_set_on_the_host(gpu):
    assert not on_device(sized(1), gpu, "cpu")
    assert not on_device(sized(1), CPU, "cpu")


def test_cuda_is_taken_at_the_word(gpu):
    assert on_device(sized(1000 // sized(1).nbytes), gpu, "cuda")
    with pytest.raises(ConfigError, match=r"data.device=cuda: data=noise takes 0.0 GB and 0.0 GB"):
        on_device(sized(1000 // sized(1).nbytes + 1), gpu, "cuda")
    with pytest.raises(ConfigError, match=r"data.device=cuda: this run is on the cpu"):
        batches_of(place="cuda")


def test_another_place_is_refused():
    with pytest.raises(ConfigError, match=r"data.device=disk: must be one of auto, cpu, cuda"):
        batches_of(place="disk")
