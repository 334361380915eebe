"""The CSV table and TensorBoard's files lose nothing: not when columns change, not on a resume or a full disk."""

import contextlib
import csv
import resource
import sys

import numpy as np
import pytest
from PIL import Image

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.engine.clock import Clock
from gan_lab.loggers.csv import CsvTracker
from gan_lab.loggers.reporter import Reporter
from gan_lab.loggers.tensorboard import TensorboardTracker
from gan_lab.storage.run_folder import RunFolder


def clock(iteration):
    return Clock(iteration=iteration, generator_updates=iteration, images_seen=iteration * 8)


def table(folder):
    with (folder.path / "csv" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def column(folder, name):
    return [(int(row["images_seen"]), float(row[name])) for row in table(folder) if row[name]]


def test_csv_keeps_all_rows_when_columns_change(tmp_path):
    folder = RunFolder(tmp_path)
    reporter = Reporter(folder, [CsvTracker(folder=folder)])
    reporter.record(clock(0), {"metric/fid": 9.0}, protocol={"split": "train"})
    reporter.record(clock(1), {"loss/generator": 1.0, "loss/discriminator": 2.0})
    reporter.record(clock(1), {"metric/fid": 8.0}, protocol={"split": "train"})
    # Rows are on disk before the end: a run may be killed.
    assert column(folder, "metric/fid") == [(0, 9.0), (8, 8.0)]
    assert column(folder, "loss/generator") == [(8, 1.0)]
    reporter.record(clock(2), {"loss/generator": float("nan"), "new/key": 3.0})
    reporter.close(0)
    assert [row["iteration"] for row in table(folder)] == ["0", "1", "1", "2"]
    assert [row["step"] for row in table(folder)] == ["0", "8", "8", "16"]
    assert column(folder, "new/key") == [(16, 3.0)]


def test_csv_of_a_resumed_run_holds_the_whole_run_once(tmp_path):
    folder = RunFolder(tmp_path)
    reporter = Reporter(folder, [CsvTracker(folder=folder)])
    for iteration in range(5):
        reporter.record(clock(iteration), {"loss/generator": float(iteration)})
    reporter.close(1)
    folder.drop_records_after(3)  # the checkpoint that the run resumes from
    reporter = Reporter(folder, [CsvTracker(folder=folder)])
    assert column(folder, "loss/generator") == [(0, 0.0), (8, 1.0), (16, 2.0), (24, 3.0)]
    for iteration in (4, 5):
        reporter.record(clock(iteration), {"loss/generator": 10.0 * iteration})
    reporter.close(0)
    assert column(folder, "loss/generator")[3:] == [(24, 3.0), (32, 40.0), (40, 50.0)]


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder.path / "tensorboard"), size_guidance={"images": 0})
    found.Reload()
    return found


def test_tensorboard_holds_curves_pictures_and_configuration(tmp_path):
    folder = RunFolder(tmp_path)
    picture = tmp_path / "grid.png"
    pixels = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    Image.fromarray(pixels).save(picture)
    reporter = Reporter(folder, [TensorboardTracker(folder=folder, config={"seed": 3})])
    for iteration in range(3):
        reporter.record(clock(iteration), {"loss/generator": float(iteration)})
    reporter.picture(clock(2), "samples", picture)
    reporter.close(0)
    found = events(folder)
    assert [(e.step, e.value) for e in found.Scalars("loss/generator")] == [(0, 0), (8, 1), (16, 2)]
    (image,) = found.Images("samples")
    assert (image.step, image.width, image.height) == (16, 16, 16)
    text = found.Tensors("config/text_summary")[0].tensor_proto.string_val[0]
    assert b"seed: 3" in text


def test_tensorboard_hides_what_lay_past_the_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    reporter = Reporter(folder, [TensorboardTracker(folder=folder, config={})])
    for iteration in range(5):
        reporter.record(clock(iteration), {"loss/generator": float(iteration)})
    reporter.close(1)
    folder.drop_records_after(2)
    reporter = Reporter(folder, [TensorboardTracker(folder=folder, config={})])
    reporter.record(clock(3), {"loss/generator": 30.0})
    reporter.close(0)
    points = [(e.step, e.value) for e in events(folder).Scalars("loss/generator")]
    assert points == [(0, 0), (8, 1), (16, 2), (24, 30)]


def test_a_missing_package_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError, match="the package tensorboard is not installed; install it"):
        TensorboardTracker(folder=RunFolder(tmp_path), config={})


@contextlib.contextmanager
def no_file_longer_than(size):
    """As on a disk that fills up within a row: what fits is written, then the system refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def trackers(folder):
    return [CsvTracker(folder=folder), TensorboardTracker(folder=folder, config={})]


def test_trackers_say_what_they_received(tmp_path):
    for tracker in trackers(RunFolder(tmp_path)):
        values = {"loss/generator": 1.5, "loss/discriminator": float("nan")}
        assert not tracker.received(values, clock(1))
        tracker.record(values, clock(1))
        assert tracker.received(values, clock(1))
        assert not tracker.received(values, clock(2))
        assert not tracker.received({**values, "metric/fid": 1.0}, clock(1))
        tracker.close(0)


@pytest.mark.parametrize("which", [0, 1])
def test_a_full_disk_leaves_whole_records_and_takes_more_when_there_is_room(which, tmp_path):
    folder = RunFolder(tmp_path)
    tracker = trackers(folder)[which]
    tracker.record({"loss/generator": 1.0}, clock(1))
    size = tracker.path.stat().st_size
    with no_file_longer_than(size + 5), pytest.raises(OSError, match=r"too large|No space"):
        tracker.record({"loss/generator": 2.0}, clock(2))
    assert tracker.path.stat().st_size == size
    assert tracker.received({"loss/generator": 1.0}, clock(1))
    with no_file_longer_than(size - 5), pytest.raises((OSError, GanLabError), match="too large"):
        tracker.record({"a wider row": 2.0}, clock(2))
    tracker.record({"loss/generator": 3.0}, clock(3))
    assert tracker.received({"loss/generator": 3.0}, clock(3))
    tracker.close(0)
    if which == 0:
        assert column(folder, "loss/generator") == [(8, 1.0), (24, 3.0)]
    else:
        points = events(folder).Scalars("loss/generator")
        assert [(one.step, one.value) for one in points] == [(8, 1.0), (24, 3.0)]
