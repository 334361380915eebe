"""Sweeps: what each job says at its start, what all of them say at the end, and what a mistyped line leaves behind."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from gan_lab.config.sweeps import CountJobs, Job, begun
from gan_lab.run.sweeps import conclude_sweep
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.run_records import PROTOCOL, write_run

TINY = ["debug=tiny", "max_rounds=1", "samples.num=1", "logger=none"]
SMALL = ["metrics=small", "metrics.num_samples=64", "metrics.num_reals=64"]


def test_a_sweep_tells_of_each_job_and_ends_in_a_table_with_the_best(tmp_path, capsys):
    """One of three jobs is refused; the table has the others, the sentence, and commands that really run."""
    sweep = tmp_path / "a sweep"
    rates = "optimizer.discriminator.lr=1e-4,1e30,2e-4"  # the second one diverges
    options = ["debug=tiny", "logger=none", *SMALL, rates, f"hydra.sweep.dir={sweep}"]
    assert main(["-m", *options]) == 1
    said = capsys.readouterr()
    begins = [line for line in said.err.splitlines() if line.startswith("job ")]
    assert begins == [
        f"job {i} of 3: optimizer.discriminator.lr={rate}"
        for i, rate in ((1, "0.0001"), (2, "1e+30"), (3, "0.0002"))
    ]
    table = said.out
    assert "small_frechet, lower is better" in table
    assert re.search(r"Runs that did not finish:\n1 +\S*lr=1e\+30: .*diverged", table)
    assert f"curves    {sweep / 'compare.png'}" in table
    assert (sweep / "compare.png").is_file()
    rows = [line.split()[0] for line in table.splitlines() if "finished" in line]
    best = sweep / rows[0]
    assert f"{RunFolder(best).read_status()['metric']:.4g}: {best}\n" in table

    again = shlex.split(re.search(r"again +python -m gan_lab\.train (.+)", table)[1])
    assert main([*again, f"hydra.run.dir={tmp_path / 'again'}"]) == 0
    repeated = RunFolder(tmp_path / "again").read_status()["metric"]
    assert repeated == RunFolder(best).read_status()["metric"]
    further = shlex.split(re.search(r"go on +python -m gan_lab\.train (.+)", table)[1])
    assert further == [f"resume={best}", "max_rounds=8"]
    assert main(further) == 0
    assert RunFolder(best).records()[-1]["iteration"] == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["modle=gan,dcgan"], "modle: no such option; did you mean model?"),
        (["model=dcgn,gan"], "model=dcgn: no such model; did you mean dcgan?"),
        (["generator.wdth=8,16"], "generator.wdth: no such option; did you mean generator.width?"),
        (["model=glob(x*)"], "model=glob(x*): no choice fits; there are acgan, "),
        (["seed=range(4,0)"], "This sweep has no jobs: one of its ranges is empty."),
        (["seed=interval(0,4)"], "interval(...): every value between two is no list of jobs"),
        (["hydra/sweeper=optna", "seed=1,2"], "did you mean hydra/sweeper=optuna?"),
        # Refused by the jobs themselves, each in its turn.
        (["samples.num=-1,0", "debug=tiny"], "2 of the jobs failed"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistyped_sweep_leaves_nothing_behind(options, sentence, tmp_path, capsys):
    inside = tmp_path / "deep" / "sweep"
    code = 1 if "jobs failed" in sentence else 2
    assert main(["-m", *options, f"hydra.sweep.dir={inside}"]) == code
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_sweep_takes_nothing_of_somebody_else(tmp_path):
    """A folder that was there stays, with what is in it; so does one that another has put something into."""
    (tmp_path / "mine").mkdir()
    assert main(["-m", "modle=gan,dcgan", f"hydra.sweep.dir={tmp_path}/mine"]) == 2
    assert (tmp_path / "mine").is_dir()
    new = tmp_path / "new"
    CountJobs().on_multirun_start(_config(new, "seed=1,2"))
    new.mkdir()
    (new / "notes.txt").write_text("mine")
    (new / "multirun.yaml").write_text("")
    begun.pop().leave_nothing()
    assert (new / "notes.txt").is_file()


def _config(folder, *overrides):
    """As much of Hydra's configuration as the callback reads."""
    from omegaconf import OmegaConf

    basic = "hydra._internal.core_plugins.basic"
    return OmegaConf.create(
        {
            "hydra": {
                "sweep": {"dir": str(folder)},
                "launcher": {"_target_": f"{basic}_launcher.BasicLauncher"},
                "sweeper": {"_target_": f"{basic}_sweeper.BasicSweeper", "params": None},
                "runtime": {"config_sources": []},
                "overrides": {"task": list(overrides), "hydra": []},
            }
        }
    )


@pytest.mark.parametrize(
    ("overrides", "jobs"),
    [
        (["seed=range(0,4)"], 4),
        (["seed=range(0,10,3)", "model=gan,dcgan"], 8),
        (["model=glob(wgan*)", "debug=tiny"], 2),
        (["optimizer.generator.lr=choice(1e-4,2e-4)"], 2),
        (["model=gan"], 1),
    ],
)
def test_jobs_are_counted(overrides, jobs, tmp_path):
    config = _config(tmp_path / "sweep", *overrides)
    CountJobs().on_multirun_start(config)
    begun.clear()
    assert f"++hydra.callbacks.sweep.jobs={jobs}" in config.hydra.overrides.hydra


def test_a_job_of_an_unknown_sweeper_knows_its_number_alone():
    assert Job(3, None, ("seed=1", "model=gan")).words == "job 3: seed=1 model=gan"
    assert Job(1, 1, ()).words == "job 1 of 1"


def test_the_end_names_the_best_of_each_protocol_and_what_has_failed(tmp_path, capsys):
    """Jobs on two data sets have two tables; a job that has failed wins none, and a sweeper is told infinity."""
    other = {**PROTOCOL, "data": "mnist"}
    write_run(
        tmp_path / "0", metrics=[200, 30], overrides=["seed=0"], config={"seed": 0, "max_kimg": 10}
    )
    write_run(
        tmp_path / "1",
        metrics=[200, 5],
        overrides=["seed=1"],
        status={"state": "failed", "reason": "No."},
    )
    write_run(tmp_path / "2", metrics=[200, 80], overrides=["seed=2", "data=mnist"], protocol=other)
    assert conclude_sweep(tmp_path) == ["1"]
    said = capsys.readouterr().out
    assert re.findall(r"Best by small_frechet at the end, (\S+): (\S+)", said) == [
        ("30", str(tmp_path / "0")),
        ("80", str(tmp_path / "2")),
    ]
    assert f"resume={tmp_path}/0 max_kimg=20" in said
    assert "python -m gan_lab.train seed=2 data=mnist\n" in said
    assert conclude_sweep(tmp_path / "nowhere") == []


def test_a_range_makes_a_job_of_each_value(tmp_path, capsys):
    options = [*TINY, "metrics=none", "seed=range(0,2)", f"hydra.sweep.dir={tmp_path}/sweep"]
    assert main(["-m", *options]) == 0
    seeds = [
        yaml.safe_load((tmp_path / "sweep" / f"{i}" / "config.yaml").read_text())["seed"]
        for i in (0, 1)
    ]
    assert seeds == [0, 1]
    assert "job 2 of 2: seed=1" in capsys.readouterr().err


def test_optuna_looks_for_the_best_options(tmp_path, capsys):
    """Three trials: Optuna's best is the best of the table, and a diverging trial does not end the search."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    sweep = tmp_path / "sweep"
    options = [
        *TINY, *SMALL, "max_rounds=2", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1",
        "hydra.sweeper.sampler.seed=1", "optimizer.generator.lr=tag(log, interval(1e-5, 1e-2))",
        "optimizer.discriminator.lr=choice(2e-4,1e30)", f"hydra.sweep.dir={sweep}",
    ]  # fmt: skip
    code = main(["-m", *options])
    said = capsys.readouterr()
    found = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    metrics = {
        run.path: run.read_status().get("metric")
        for run in map(RunFolder, map(sweep.joinpath, "012"))
    }
    failed = [path for path, metric in metrics.items() if metric is None]
    assert code == (1 if failed else 0)
    assert found["best_value"] == min(metric for metric in metrics.values() if metric is not None)
    best = next(path for path, metric in metrics.items() if metric == found["best_value"])
    assert f": {best}\n" in said.out
    assert "job 3 of 3: optimizer.generator.lr=" in said.err
    config = yaml.safe_load((best / "config.yaml").read_text())
    assert config["optimizer"]["generator"]["lr"] == found["best_params"]["optimizer.generator.lr"]


def test_a_search_needs_a_metric(tmp_path, capsys):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    options = ["debug=tiny", "metrics=none", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=1"]
    assert main(["-m", *options, "seed=1,2", f"hydra.sweep.dir={tmp_path}/sweep"]) == 1
    assert "metrics=none: this sweeper looks for the options" in capsys.readouterr().err
