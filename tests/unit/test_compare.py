"""Comparisons rank what may be ranked, name runs by what differs, and hide no failure."""

import math

import pytest

from gan_lab.common.errors import CheckpointError
from gan_lab.compare import main
from gan_lab.reports.comparison import report
from gan_lab.reports.distinctions import distinctions
from gan_lab.reports.finding import find_runs
from gan_lab.reports.groups import groups_of
from gan_lab.reports.standings import tables_of
from tests.run_records import PROTOCOL, write_run


def run_names(runs):
    return [group.label for group in groups_of(runs)]


FINISHED = {"state": "finished", "metric": 1.0}


def asked(model, seed):
    return {
        "overrides": [f"model={model}", f"seed={seed}", "logger=none", "max_kimg=10"],
        "choices": {"model": model, "logger": "none"},
        "config": {"seed": seed, "max_kimg": 10, "optimizer": {"lr": 2e-4 * (1 + seed)}},
        "status": FINISHED,
    }


def rows(text, table=0):
    """Cells of a table's rows, without its two heading lines."""
    lines = text.split("\n\n")[table].splitlines()
    return [line.split() for line in lines[2:]]


def test_the_best_last_value_comes_first(tmp_path):
    runs = [
        write_run(tmp_path / "0", metrics=[200, 30, 50], **asked("gan", 0)),
        write_run(tmp_path / "1", metrics=[200, 90, 40], **asked("wgan", 0)),
        write_run(tmp_path / "2", metrics=[200, 80, None], **asked("lsgan", 0)),
    ]
    text = report(runs)
    assert rows(text) == [
        ["1", "model=wgan", "10", "40", "40", "10", "finished"],
        ["0", "model=gan", "10", "50", "30", "5", "finished"],
        ["2", "model=lsgan", "10", "nan", "80", "5", "finished"],
    ]
    assert "small_frechet" in text.splitlines()[0]
    assert "2,000 samples" in text.splitlines()[0]


def test_values_of_different_protocols_are_never_in_one_table(tmp_path):
    other = {**PROTOCOL, "num_samples": 50_000}
    runs = [
        write_run(tmp_path / "0", metrics=[9, 8], **asked("gan", 0)),
        write_run(tmp_path / "1", metrics=[9, 7], protocol=other, **asked("gan", 1)),
        write_run(tmp_path / "2", metrics=[9, 6], **asked("gan", 2)),
    ]
    tables = tables_of(runs)
    assert [[one.run for one in table.results] for table in tables] == [[2, 0], [1]]
    assert "num_samples (2000 | 50000)" in report(runs)


def test_a_run_measured_by_two_protocols_is_in_both_tables(tmp_path):
    run = write_run(tmp_path / "0", metrics=[9, 8], **asked("gan", 0))
    later = {**PROTOCOL, "split": "test"}
    run.append({"images_seen": 10_000, "metric/small_frechet": 3.0, "protocol": later})
    assert [table.results[0].last for table in tables_of([run])] == [8.0, 3.0]


def test_times_in_a_protocol_do_not_separate_runs(tmp_path):
    runs = [
        write_run(
            tmp_path / str(i),
            metrics=[9, 8],
            protocol={**PROTOCOL, "seconds": i},
            **asked("gan", i),
        )
        for i in range(2)
    ]
    assert len(tables_of(runs)) == 1


def test_kid_beside_fid_does_not_rank(tmp_path):
    run = write_run(tmp_path / "0", **asked("gan", 0))
    run.append({"images_seen": 1000, "metric/fid": 20.0, "metric/kid": 0.1, "protocol": PROTOCOL})
    (table,) = tables_of([run])
    assert table.metric == "metric/fid"
    assert table.results[0].best == 20.0


def test_failed_runs_are_listed_with_their_reason(tmp_path):
    write_run(tmp_path / "0", metrics=[9, 8], **asked("gan", 0))
    failed = {
        **asked("gan", 1),
        "status": {"state": "failed", "reason": "loss/generator is nan.\nMore"},
    }
    write_run(tmp_path / "1", **failed)
    early = write_run(
        tmp_path / "2", points=0, **{**failed, "status": {"state": "failed", "reason": "No."}}
    )
    early.config.unlink()  # a job that failed before its folder was made
    killed = write_run(tmp_path / "3", metrics=[9, 7], **asked("gan", 3))
    killed.status.unlink()
    text = report(find_runs([tmp_path]))
    assert [row[0] for row in rows(text)] == ["3", "0"]
    assert rows(text)[0][-1] == "unfinished"
    assert [row[0] for row in rows(text, 1)] == ["1", "2"]
    assert "1  seed=1: loss/generator is nan.\n" in text
    assert "More" not in text
    assert "No." in text.splitlines()[-1]


def test_runs_are_found_in_the_order_of_their_jobs(tmp_path):
    for name in ("10", "2", "nested/1"):
        write_run(tmp_path / "sweep" / name, **asked("gan", 0))
    (tmp_path / "sweep" / "multirun.yaml").touch()
    found = find_runs([tmp_path / "sweep", tmp_path / "sweep" / "2"])
    assert [run.path.name for run in found] == ["2", "10", "1"]
    inside = tmp_path / "sweep" / "2" / "config.yaml"
    assert find_runs([inside])[0].path.name == "2"
    with pytest.raises(CheckpointError, match="no run folder is there"):
        find_runs([tmp_path / "nothing"])


def test_options_name_choices_not_what_follows_from_them(tmp_path):
    runs = [write_run(tmp_path / str(i), **asked("gan", i)) for i in range(2)]
    assert distinctions(runs) == [{"seed": "0"}, {"seed": "1"}]
    assert run_names(runs) == ["seed=0", "seed=1"]


def test_runs_without_overrides_differ_by_their_configurations(tmp_path):
    configs = [{"seed": 0, "lr": 1e-4, "new": 1}, {"seed": 0, "lr": 2e-4}]
    runs = [write_run(tmp_path / str(i), config=config) for i, config in enumerate(configs)]
    assert distinctions(runs) == [{"lr": "0.0001"}, {"lr": "0.0002"}]


def test_equal_runs_are_called_by_their_folders(tmp_path):
    runs = [write_run(tmp_path / name, **asked("gan", 0)) for name in ("a", "b")]
    assert run_names(runs) == ["a", "b"]


def test_one_spelling_of_a_number_is_as_good_as_another(tmp_path):
    written = write_run(
        tmp_path / "0",
        overrides=["lr=1e-4", "penalty=[r1]"],
        config={"lr": 0.0001, "penalty": {"r1": {"weight": 1}}},
    )
    failed = write_run(tmp_path / "1", overrides=["lr=1e-4", "penalty=[r1]"])
    failed.config.unlink()
    assert distinctions([written, failed]) == [{}, {}]


def test_the_command_prints_and_draws(tmp_path, capsys):
    for seed in range(2):
        write_run(tmp_path / str(seed), metrics=[9, 8 - seed], **asked("gan", seed))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "seed=1" in said
    assert said.rstrip().endswith(str(tmp_path / "compare.png"))
    assert (tmp_path / "compare.png").stat().st_size > 10_000
    assert main([str(tmp_path / "0"), str(tmp_path / "1"), f"out={tmp_path}/else.png"]) == 0
    assert (tmp_path / "else.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "There is nothing to compare"),
        (["/no/such/folder"], "no run folder is there"),
        (["ouut=x.png", "."], "did you mean out?"),
        (["--sort"], "no such flag"),
    ],
)
def test_errors_are_one_sentence(arguments, said, capsys):
    assert main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_help(capsys):
    assert main(["--help"]) == 0
    assert "python -m gan_lab.compare" in capsys.readouterr().out


def test_nothing_is_finite_yet(tmp_path):
    run = write_run(tmp_path / "0", metrics=[None], **asked("gan", 0))
    assert math.isnan(tables_of([run])[0].results[0].best)
    assert rows(report([run])) == [["0", "0", "nan", "nan", "nan", "finished"]]
