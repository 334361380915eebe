"""Records reach every tracker or wait for room, training goes on, and a silent tracker is found out."""

import json

import pytest

from gan_lab.common.errors import GanLabError
from gan_lab.engine.clock import Clock
from gan_lab.loggers.csv import CsvTracker
from gan_lab.loggers.reporter import Reporter
from gan_lab.storage.run_folder import RunFolder


class Service:
    """A tracker whose disk may be full, and that may be deaf."""

    def __init__(self, *, deaf=False):
        self.full = False
        self.deaf = deaf
        self.kept = []
        self.closed = []

    def record(self, values, clock):
        if self.full:
            raise OSError(28, "No space left on device")
        if not self.deaf:
            self.kept.append((clock.iteration, dict(values)))

    def received(self, values, clock):
        return bool(self.kept) and self.kept[-1] == (clock.iteration, dict(values))

    def picture(self, key, path, clock):
        raise OSError(28, "No space left on device")

    def close(self, exit_code):
        self.closed.append(exit_code)
        raise RuntimeError("the service is gone")


def test_records_wait_for_room_in_their_order(tmp_path, caplog):
    service, other = Service(), Service()
    reporter = Reporter(RunFolder(tmp_path), [service, other])
    clock = Clock()
    with caplog.at_level("INFO", logger="gan_lab"):
        for iteration in range(6):
            service.full = iteration in (1, 2, 3)
            reporter.record(clock, {"loss/generator": float(iteration)})
            clock.advance(8, (), generators_moved=True)  # the same clock all along, as in a run
        reporter.picture(clock, "samples", tmp_path / "kimg.png")
        reporter.close(0)
    expected = [(i, {"loss/generator": float(i)}) for i in range(6)]
    assert service.kept == other.kept == expected
    assert service.closed == other.closed == [0]
    said = [record.message for record in caplog.records]
    told = [line for line in said if "a record could not be written (" in line]
    assert len(told) == 1, "once, not at every record"
    assert "training goes on" in told[0]
    assert len([line for line in said if "all records that waited are written" in line]) == 1


def test_what_never_arrived_is_told_at_the_end(tmp_path, caplog):
    service = Service()
    service.full = True
    reporter = Reporter(RunFolder(tmp_path), [service])
    with caplog.at_level("INFO", logger="gan_lab"):
        reporter.record(Clock(), {"loss/generator": 1.0})
        reporter.close(0)
    assert "1 records are missing there; metrics.jsonl has them" in caplog.text
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["loss/generator"] == 1.0


def test_a_tracker_that_takes_the_first_record_and_has_it_not_ends_the_run(tmp_path):
    """As Lightning's loggers did where LOCAL_RANK was left in the environment."""
    reporter = Reporter(RunFolder(tmp_path), [Service(), Service(deaf=True)])
    with pytest.raises(GanLabError, match="the first record was taken and is not there"):
        reporter.record(Clock(), {"loss/generator": 1.0})


def test_a_full_disk_at_metrics_jsonl_ends_nothing(tmp_path, caplog, monkeypatch):
    folder = RunFolder(tmp_path)
    reporter = Reporter(folder, [CsvTracker(folder=folder)])
    append = folder.append
    waiting = []

    def full(record):
        waiting.append(record)
        raise OSError(28, "No space left on device")

    with caplog.at_level("INFO", logger="gan_lab"):
        monkeypatch.setattr(folder, "append", full)
        reporter.record(Clock(), {"loss/generator": 1.0})
        reporter.record(Clock(), {"loss/generator": 2.0})
        monkeypatch.setattr(folder, "append", append)
        reporter.record(Clock(), {"loss/generator": 3.0})
    assert len(waiting) == 2
    assert caplog.text.count("a record could not be written (No space left on device)") == 1
    assert "metrics.jsonl: all records that waited are written" in caplog.text
