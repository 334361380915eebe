"""What people get wrong, and the one sentence and exit code that each gives.

Exit codes: 2 for a wrong command line, 1 for a run that cannot go on.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml

from gan_lab.common.errors import ConfigError
from gan_lab.storage import checkpoint
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import compose, main, train
from tests.conftest import REPOSITORY

TINY = [
    "debug=tiny",
    "logger=none",
    "metrics=none",
    "samples.num=4",
    "max_rounds=2",
    "log_every_rounds=1",
]
MEASURED = [option for option in TINY if option != "metrics=none"]


@dataclass(frozen=True)
class Bad:
    """A command line (words in braces are places that `places` makes) and what is said about it."""

    line: str
    words: tuple[str, ...]
    code: int = 2

    @property
    def arguments(self) -> list[str]:
        """The line split at blanks that are not inside braces of a mapping."""
        return self.line.split()


def bad(line: str, *words: str, code: int = 2) -> Bad:
    return Bad(line, words, code)


ROWS = {
    # Names.
    "misspelt option": bad("sede=1", "sede: no such option", "did you mean seed?"),
    "misspelt group": bad("modle=wgan", "modle: no such option", "did you mean model?"),
    "misspelt choice": bad("model=wgan_pg", "model=wgan_pg: no such model", "did you mean wgan_gp?"),
    "misspelt option of a part": bad("generator.wdith=8", "generator.wdith", "did you mean generator.width?"),
    "unknown choice": bad("penalty=[r3]", "no such penalty", "gradient_penalty, historical_averaging"),
    "empty choice": bad("model=", "no such model", "cyclegan, dcgan", "more, which gan_lab.train --list shows"),
    "null choice": bad("strategy=null", "strategy=null", "auto, cpu"),
    "no such group of experiments": bad("experiment=nothing_of_the_kind", "no such experiment"),
    "accepted +typo": bad("+seeed=2", "seeed: no such option", "did you mean seed?"),
    "accepted +typo in a part": bad("+generator.wdith=8", "generator.wdith", "did you mean width?"),
    "accepted +typo in an optimizer": bad("+optimizer.generator.lrr=1", "optimizer.generator.lrr", "clip_norm"),
    "accepted +typo in a section": bad("+samples.cont=3", "samples.cont", "every_kimg, num"),
    "accepted +section": bad("+foo.bar=1", "foo: no such option"),
    "+ for what exists": bad("+seed=3", "+seed: this option exists already", "leave out the +"),
    "option of a part not chosen": bad("penalty.r1.weight=5", "penalty.r1.weight", "penalty=[r1]"),
    "option of another choice": bad("generator=mlp generator.norm=none", "generator.norm", "generator=dcgan"),
    "option of other data": bad("data.root=photos", "data.root", "data=image_folder"),
    "one optimizer for all": bad("optimizer=adam", "each player has its own", "adam, adamw, rmsprop, sgd"),
    "unknown flag": bad("--sede=1", "--sede: no such flag"),
    "unknown root": bad("--config-name=trian", "Cannot find primary config 'trian'"),
    "missing folder of configs": bad("--config-dir=/nowhere", "/nowhere", "not found"),
    "typo inside a mapping": bad("++generator={{wdith:16}}", "generator.wdith", "did you mean width?"),
    "typo deep inside a mapping": bad("++optimizer={{generator:{{lrr:1}}}}", "optimizer.generator.lrr", "lr?"),
    "option of a part taken away": bad("~generator.width", "~generator.width: an option of a part cannot be taken"),
    "rate taken away": bad("~optimizer.generator.betas", "~optimizer.generator.betas"),
    "two models merged": bad("model=[dcgan,wgan]", "one model goes into a run", "-m model="),
    "a choice twice": bad("penalty=[r1,r1]", "r1 is chosen twice"),
    "numbers for choices": bad("generator=[1,2]", "1 names no choice", "autoencoder, biggan"),
    "a list in a list of choices": bad("data=[[1]]", "names no choice", "fashion_mini"),
    "a number taken away": bad("~logger=-1", "write ~logger"),
    "a list taken away": bad("~strategy=[0.5]", "write ~strategy"),
    "nothing to take away": bad("~experiment", "nothing is chosen there"),
    "no logger's name": bad("hydra.verbose=1_000", "hydra.verbose=1_000: must be true, false"),
    "an old run's pickle": bad("--experimental-rerun x", "--experimental-rerun: no such flag"),
    "a forced number for a run": bad("++resume=5", "5: no run folder is there", code=1),
    "typo inside a group's mapping": bad("generator={{wdith:16}}", "generator.wdith", "mean generator.width?"),
    "two optimizers merged": bad("optimizer@optimizer.generator=[adam,sgd]", "one optimizer goes into a run"),
    "nothing of this name": bad("~logger=nothing", "~logger=nothing: nothing of this name is chosen"),
    "another value to take away": bad("~seed=5", "~seed: its value is 0, so this takes nothing away"),
    "option that another reads": bad("~samples.num", "samples.num: this option is missing", "callbacks.samples.num"),
    "letters without quotes": bad("seed=\u00e9", "seed=\u00e9: cannot be understood", "quotes"),
    "what Hydra stumbles over": bad("hydra.job.env_set=3", "hydra.job.env_set"),
    "++ for what does not exist": bad("++x=1", "x: no such option"),
    "empty run folder": bad("hydra.run.dir=", "hydra.run.dir=: the path is empty"),
    "name that is no text": bad("resume=\udcff", "is not UTF-8 text", "resume"),
    # Types.
    "text for a whole number": bad("generator.width=abc", "generator.width=abc: must be a whole number."),
    "fraction for a whole number": bad("generator.width=3.5", "generator.width=3.5: must be a whole number."),
    "null for a number": bad("seed=null", "seed=null: must be a whole number."),
    "text for a rate": bad("optimizer.generator.lr=fast", "optimizer.generator.lr=fast", "number or a schedule"),
    "number for a flag": bad("data.flip=2", "data.flip=2: must be true or false."),
    "one beta": bad("optimizer.generator.betas=[0.5]", "list of 2 values"),
    "numbers for texts": bad("allow_targets=[1]", "allow_targets=[1]", "a text"),
    "null for a section": bad("samples=null", "samples.every_kimg: this option is missing"),
    "option taken away": bad("~data.batch_size", "data.batch_size: this option is missing"),
    "part taken away": bad("~generator", "generator: no part is chosen"),
    "no equals sign": bad("seed", "cannot be understood", "missing EQUAL"),
    "open bracket": bad("seed=[1", "cannot be understood"),
    "variable not set": bad("generator.width=${{oc.env:GAN_LAB_NO_SUCH_VARIABLE}}", "GAN_LAB_NO_SUCH_VARIABLE"),
    "schedule misspelt": bad("optimizer.generator.lr={{schedule:linaer,start:1}}", "did you mean linear?"),
    "schedule incomplete": bad("optimizer.generator.lr={{schedule:linear,start:1}}", "needs end, kimg too."),
    "schedule without end": bad("optimizer.generator.lr={{schedule:linear,start:1,end:nan,kimg:1}}", "lr.end=nan"),
    "schedule out of order": bad("model.n_critic={{schedule:piecewise,values:[3,2,1],kimg:[2,1]}}", "must rise"),
    # Sizes.
    "latents that fit nowhere": bad("latent.dim=1000000000000", "latent.dim=1000000000000", "GiB"),
    "a network that fits nowhere": bad("generator.width=1000000000", "generator.width=1000000000", "memory"),
    "samples that fit nowhere": bad("samples.num=2000000000", "samples.num=2000000000", "GiB"),
    # Ranges.
    "negative width": bad("generator.width=-4", "generator.width=-4: must lie in [1, inf)."),
    "negative batch": bad("data.batch_size=-8", "data.batch_size=-8: must lie in [1, inf)."),
    "negative seed": bad("seed=-1", "seed=-1: must lie in [0, inf)."),
    "negative rate": bad("optimizer.generator.lr=-1", "optimizer.generator.lr=-1", "(0, inf)"),
    "negative half-life": bad("ema.half_life_kimg=-3", "ema.half_life_kimg=-3: must lie in [0, inf)."),
    "rate is no number": bad("optimizer.generator.lr=nan", "optimizer.generator.lr=nan", "(0, inf)"),
    "beta of one": bad("optimizer.generator.betas=[0.5,1.0]", "betas=1.0: must lie in [0, 1)."),
    "no samples": bad("samples.num=0", "samples.num=0: must lie in [1, inf)."),
    "no rounds": bad("max_rounds=0", "max_rounds=0: must lie in [1, inf)."),
    "no discriminator rounds": bad("model.n_critic=0", "model.n_critic=0", "[1, inf)"),
    "smoothing above one": bad("loss.label_smoothing=2", "loss.label_smoothing=2: must lie in [0, 1)."),
    "bound of zero": bad("penalty=[weight_clipping] penalty.weight_clipping.bound=0", "bound=0: must lie in (0, inf)."),
    "one sample scored": bad("metrics=small metrics.num_samples=1", "metrics.num_samples=1: must lie in [2, inf)."),
    # Rules across options.
    "run without end": bad("max_kimg=null max_rounds=null max_time=null", "would never end", "set one of them"),
    "resolution that does not double": bad("data.resolution=33", "data.resolution=33", "16, 32, 64"),
    "resolution of four": bad("data.resolution=4", "data.resolution=4: must lie in [8, 4096]."),
    "batch not split evenly": bad("accumulate=3", "data.batch_size=8: not a multiple", "use 6 or 9."),
    "half precision on a CPU": bad("strategy=cpu precision=16-mixed", "precision=16-mixed", "bf16-mixed or 32-true"),
    "unknown precision": bad("precision=fp16", "precision=fp16: must be one of auto, 32-true"),
    "unknown accelerator": bad("strategy.accelerator=tpu", "must be one of auto, cpu, gpu"),
    "sweep without -m": bad("seed=1,2", "several values are a sweep", "add -m"),
    "resume of several": bad("-m resume={run}", "leave out -m"),
    "metric's option without a metric": bad("metrics.num_samples=5", "metrics.num_samples", "metrics=none"),
    "no such feature": bad("metrics=fid metrics.fid.feature=100", "must be one of 2048, 768, 192, 64."),
    "no such split": bad("metrics=small metrics.split=tets", "train, test", "did you mean test?"),
    # Targets.
    "target not allowed": bad("model._target_=os.system", "only classes below gan_lab.", "allow_targets"),
    "target without a class": bad("model._target_=gan_lab.games.gan.GNA", "cannot be imported", "GNA"),
    "target without a module": bad("loss._target_=gan_lab.losses.nothing.X", "cannot be imported"),
    "target of another kind": bad("loss._target_=gan_lab.networks.dcgan.DcganGenerator", "must be a Loss."),
    "target of no game": bad("model._target_=gan_lab.losses.adversarial.Hinge", "must be an AdversarialModule"),
    # Data.
    "no folder given": bad("data=image_folder", "data.root is not set", code=1),
    "missing folder": bad("data=image_folder data.root=/nowhere", "'/nowhere' does not exist", code=1),
    "empty folder": bad("data=image_folder data.root={empty}", "no jpg, png or webp image", code=1),
    "corrupt image": bad("data=image_folder data.root={corrupt}", "bad.jpg", "data.on_error=skip", code=1),
    "file that is no image": bad("data=image_folder data.root={text}", "none.png", code=1),
    "fewer images than parts of a batch": bad("data=image_folder data.root={few} accumulate=4",
                                              "3 images are fewer than the 4 parts of a batch", code=1),
    "data that is elsewhere": bad("data=celeba data.root={empty}", "data=celeba: CelebA", "GAN_LAB_DATA", code=1),
    "data and no network": bad("data=mnist", "could not be downloaded", "data.root=", code=1),
    "no weights and no network": bad("metrics=fid", "No Inception weights", "metrics.weights=", code=1),
    "weights that are no weights": bad("metrics=fid metrics.weights={junk}", "is not a readable state dict", code=1),
    "missing weights": bad("metrics=fid metrics.weights=/nowhere.pth", "/nowhere.pth: no such file", code=1),
    # The run folder.
    "run folder that holds a run": bad("hydra.run.dir={run}", "a run lies there already", "resume=auto"),
    "run folder that is a file": bad("hydra.run.dir={junk}", "the run folder cannot be made (File exists)"),
    "run folder below a file": bad("hydra.run.dir={junk}/run", "the run folder cannot be made (Not a directory)"),
    # Resuming.
    "resume of nothing": bad("resume=/nowhere", "/nowhere: no run folder is there", code=1),
    "resume without a checkpoint": bad("resume={bare}", "there is no checkpoint here", code=1),
    "resume of a truncated checkpoint": bad("resume={truncated}", "is damaged", "no other in its folder", code=1),
    "resume of an empty checkpoint": bad("resume={hollow}", "is damaged", code=1),
    "resume of something else": bad("resume={foreign}", "not a checkpoint of this version", code=1),
    "resume of code in a checkpoint": bad("resume={pickled}", "is damaged or not one of gan_lab's", code=1),
    "resume with a damaged command": bad("resume={command}", "overrides.yaml: cannot be read"),
    "resume of another size": bad("resume={wider}", "does not fit this model"),
    "resume with a changed option": bad("resume={run} seed=7", "seed=7", "has seed=0"),
    "resume with another model": bad("resume={run} model=lsgan", "model=lsgan", "has model=dcgan"),
    "resume with a changed part": bad("resume={run} loss=hinge", "loss._target_=gan_lab.losses.adversarial.Hinge",
                                      "has loss._target_=gan_lab.losses.adversarial.NonSaturating"),
    "resume=auto with a changed option": bad("resume=auto hydra.run.dir={run} generator.width=16",
                                             "generator.width=16", "has generator.width=8"),
    "resume without a configuration": bad("resume={unreadable}", "config.yaml: cannot be read"),
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    """Folders and files in every bad state; {run} is a good, finished run."""
    from PIL import Image

    base = tmp_path_factory.mktemp("places")
    found = {"run": base / "run"}
    assert main([*TINY, f"hydra.run.dir={found['run']}"]) == 0

    def copy(name: str) -> RunFolder:
        found[name] = base / name
        shutil.copytree(found["run"], found[name])
        for before in (found[name] / "checkpoints").glob("last-*.ckpt"):
            before.unlink()  # or the run would go on from it
        return RunFolder(found[name])

    whole = RunFolder(found["run"]).last.read_bytes()
    copy("bare").last.unlink()
    copy("truncated").last.write_bytes(whole[: len(whole) // 2])
    copy("hollow").last.write_bytes(b"")
    torch.save({"weights": torch.zeros(3)}, copy("foreign").last)
    torch.save({"format": 1, "state": Path("x")}, copy("pickled").last)
    copy("unreadable").config.write_text("a: [")
    copy("command").overrides.write_bytes(b"overrides: [\xff\x00")
    wider = copy("wider")
    config = yaml.safe_load(wider.config.read_text())
    config["generator"]["width"] = 16
    wider.config.write_text(yaml.safe_dump(config))

    for name in ("empty", "corrupt", "text", "few"):
        found[name] = base / name
        found[name].mkdir()
    for index in range(12):
        Image.new("RGB", (40, 40), (index, 90, 9)).save(
            found["corrupt"] / f"{index}.jpg", quality=90
        )
    image = (found["corrupt"] / "3.jpg").read_bytes()
    (found["corrupt"] / "bad.jpg").write_bytes(image[: len(image) // 2])
    (found["text"] / "none.png").write_text("no image")
    for index in range(3):
        Image.new("RGB", (40, 40), (index, 90, 9)).save(found["few"] / f"{index}.png")
    found["junk"] = base / "junk.pth"
    found["junk"].write_text("junk")
    return found


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A place to run without data, weights and a network; outputs/ of failed runs land in it."""
    for name in ("GAN_LAB_DATA", "GAN_LAB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_a_sentence(text: str) -> bool:
    """One line that ends like a sentence, short enough to be read, however long the paths in it."""
    text = re.sub(r"/[\w./-]+", "/path", text)
    return "\n" not in text and text.endswith((".", "?")) and 10 < len(text) <= 360


@pytest.mark.parametrize("name", ROWS)
def test_one_sentence_and_an_exit_code(name, places, elsewhere, capsys):
    row = ROWS[name]
    arguments = [argument.format(**places) for argument in row.arguments]
    given = {argument.partition("=")[0] for argument in arguments}
    if "resume" not in given or "resume=auto" in arguments:
        arguments = [*(a for a in TINY if a.partition("=")[0] not in given), *arguments]
        if "hydra.run.dir" not in given and "-m" not in given:
            arguments.append(f"hydra.run.dir={elsewhere / 'made'}")
    code = main(arguments)
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    assert "Error executing job" not in said
    last = said.splitlines()[-1]
    assert is_a_sentence(last), last
    for words in row.words:
        assert words in last, last
    assert code == row.code
    if row.code == 2 and "made" not in said:
        # A wrong command line says this sentence and nothing else, but for the run folder's first lines.
        before = [line for line in said.splitlines()[:-1] if not line.startswith(STAGES)]
        assert before == []


STAGES = (
    "Run folder:",
    "On ",
    "Not used by",
    "generator:",
    "discriminator:",
    "fashion_mini",
    "Resumed",
    "The number of threads",
    "Beside it",  # threads again, where others are at work on the machine
    "Others use nearly all",
    "This process may use",
    "10 classes:",
    "Warning:",
)


def test_no_bad_input_hurts_the_run_that_was_there(places):
    """After all of them, the good run is as it was."""
    run = RunFolder(places["run"])
    assert load_checkpoint(run.last)["clock"]["iteration"] == 2
    assert json.loads(run.status.read_text())["state"] == "finished"


def test_there_are_thirty_and_each_is_told_apart():
    assert len(ROWS) >= 30
    assert len({row.line for row in ROWS.values()}) == len(ROWS)


# Other ways to fail -----------------------------------------------------------------------------


def test_no_gpu(elsewhere, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert main([*TINY, "strategy=gpu", "hydra.run.dir=run"]) == 2
    assert capsys.readouterr().err == (
        "strategy=gpu: torch sees no GPU on this machine; use strategy=cpu or auto.\n"
    )


def test_partial_weights_give_no_fid(shared_data, elsewhere, capsys):
    """They end before the layer of 2048 features: NaN would be recorded for hours."""
    weights = shared_data / "inception"
    if not list(weights.glob("*.pth")):
        pytest.skip(f"no partial Inception weights in {weights}")
    file = next(weights.glob("*.pth"))
    code = main(
        [
            *TINY,
            "metrics=fid",
            f"metrics.weights={file}",
            "metrics.num_samples=4",
            "hydra.run.dir=run",
        ]
    )
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1
    assert "give NaN at feature 2048" in last
    assert "metrics.fid.feature=768" in last
    assert is_a_sentence(last)


DISK_FULL = {
    "OSError": OSError(errno.ENOSPC, "No space left on device"),
    "torch's own": RuntimeError(
        "[enforce fail at inline_container.cc:671] . unexpected pos 576 vs 534"
    ),
}


def fill_the_disk(monkeypatch, error, *, after):
    """Let torch.save write half a file and fail, from the call after `after` good ones on."""
    save, calls = torch.save, []

    def failing(state, file, **options):
        calls.append(file)
        if len(calls) <= after:
            return save(state, file, **options)
        file.write(b"PK half a checkpoint")
        raise error

    monkeypatch.setattr(checkpoint.torch, "save", failing)
    return calls


@pytest.mark.parametrize("kind", DISK_FULL)
def test_a_full_disk_at_the_last_save(kind, elsewhere, monkeypatch, capsys):
    """The result would be lost: an error, with the checkpoint before it whole."""
    fill_the_disk(monkeypatch, DISK_FULL[kind], after=1)
    code = main([*TINY, "hydra.run.dir=run"])
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1
    assert is_a_sentence(last)
    assert "last.ckpt: the checkpoint could not be written" in last
    assert "the one before it is untouched" in last
    run = RunFolder("run")
    assert load_checkpoint(run.last)["clock"]["iteration"] == 0, "the first save is still there"
    assert [path.name for path in run.checkpoints.iterdir()] == ["last.ckpt"]
    status = json.loads(run.status.read_text())
    assert status["state"] == "failed"
    assert "could not be written" in status["reason"]

    # And with space again the run goes on from there.
    monkeypatch.undo()
    monkeypatch.chdir(elsewhere)
    assert main(["resume=run"]) == 0
    assert load_checkpoint(run.last)["clock"]["iteration"] == 2


def test_a_full_disk_at_a_record(elsewhere, monkeypatch, capsys):
    append = RunFolder.append

    def failing(self, record):
        if record["iteration"] >= 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.metrics))
        append(self, record)

    monkeypatch.setattr(RunFolder, "append", failing)
    code = main([*TINY, "hydra.run.dir=run"])
    said = capsys.readouterr().err
    assert code == 0, "records wait for room, and training goes on"
    assert "Traceback" not in said
    assert "No space left on device" in said
    assert json.loads(RunFolder("run").status.read_text())["state"] == "finished"


def test_training_that_diverges(elsewhere, capsys):
    code = main(
        [*TINY, "hydra.run.dir=run", "optimizer@optimizer.discriminator=sgd", "optimizer.discriminator.lr=1e30",
         "discriminator.norm=none", "max_rounds=20"]
    )  # fmt: skip
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1
    assert "training has diverged" in last
    assert is_a_sentence(last)


def test_a_missing_value_of_a_users_own_part(elsewhere, capsys):
    assert main([*TINY, "hydra.run.dir=run", "~latent.dim", "latent._target_=tests.nothing.X"]) == 2
    assert "only classes below" in capsys.readouterr().err


def test_a_path_that_hydra_could_misread(elsewhere):
    """Equals signs, commas and blanks in the name of a run folder."""
    folder = "lr=1,seed=2 (it's mine)"
    assert main([*TINY, f"hydra.run.dir={folder}"]) == 0
    assert main([f"resume={folder}", "max_rounds=3"]) == 0
    assert load_checkpoint(RunFolder(folder).last)["clock"]["iteration"] == 3


def test_flags_may_stand_between_options(elsewhere, capsys):
    assert main(["seed=1", "-m", "modle=gan", "data.flip=true"]) == 2
    assert capsys.readouterr().err == "modle: no such option; did you mean model?\n"
    assert main(["seed=1", "--cfg", "job", "data.flip=true"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["seed"], shown["data"]["flip"]) == (1, True)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sede=1"], "sede: no such option; did you mean seed?"),
        (["model=wgan_pg"], "model=wgan_pg: no such model; did you mean wgan_gp?"),
        (["generator.width=-1"], "generator.width=-1: must lie in [1, inf)."),
        (["+seeed=1"], "seeed: no such option; did you mean seed?"),
    ],
)
def test_from_python_the_same_sentence_is_raised(overrides, said, elsewhere):
    with pytest.raises(ConfigError) as error:
        train(compose(["logger=none", "metrics=none", *overrides]))
    assert str(error.value) == said
    assert not (elsewhere / "outputs").exists()


# Real commands ----------------------------------------------------------------------------------


def command(*arguments, cwd, prefix=""):
    """Run `python -m gan_lab.train` as people do."""
    line = [sys.executable, "-m", "gan_lab.train", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    if prefix:
        line = ["bash", "-c", f'{prefix}; exec "$@"', "bash", *line]
    return subprocess.run(
        line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("modle=wgan", 2, "modle: no such option; did you mean model?\n"),
        ("model=wgan_pg", 2, "model=wgan_pg: no such model; did you mean wgan_gp?\n"),
        ("+seed=2", 2, "+seed: this option exists already; leave out the +.\n"),
        ("seed=1,2", 2, "seed=1,2: several values are a sweep; add -m to run one job for each, "
                        "or write a list in brackets, such as penalty=[r1,r2].\n"),
        ("resume=/nowhere", 1, "/nowhere: no run folder is there (no config.yaml in it or above it); "
                               "give the folder that training printed.\n"),
    ],
)  # fmt: skip
def test_as_a_real_command(line, code, said, tmp_path):
    done = command(*line.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (code, said, "")


def test_a_failing_job_of_a_sweep_is_told_and_the_others_run(tmp_path):
    done = command(
        "-m",
        *MEASURED,
        "metrics.split=tets,test",
        f"hydra.sweep.dir={tmp_path}/sweep",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "metrics.split=tets: this data set has train, test" in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("1 of the jobs failed: ")
    assert "metrics.split=tets" in last
    states = [
        json.loads(RunFolder(tmp_path / "sweep" / n).status.read_text())["state"] for n in "01"
    ]
    assert states == ["failed", "finished"]


def test_a_sweep_may_stop_at_the_first_failure(tmp_path):
    done = command(
        "-m", *MEASURED, "metrics.split=tets,test", "sweep.on_error=stop", f"hydra.sweep.dir={tmp_path}/sweep",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().endswith("sweep.on_error=stop: the jobs that were left do not run.")
    assert not (tmp_path / "sweep" / "1").exists()


def test_memory_that_ends(tmp_path):
    """A limit on the process's addresses stands for a small machine."""
    done = command(
        *TINY, "generator.width=128", "data.batch_size=8192", "strategy=cpu", f"hydra.run.dir={tmp_path}/run",
        cwd=tmp_path, prefix="ulimit -v 5000000",
    )  # fmt: skip
    said = done.stderr.strip()
    assert "Traceback" not in said
    assert done.returncode == 1
    last = said.splitlines()[-1]
    assert last.startswith("The memory of this machine is not enough"), last
    assert "data.batch_size" in last
    assert is_a_sentence(last)
    assert json.loads(RunFolder(tmp_path / "run").status.read_text())["state"] == "failed"


def test_a_disk_that_takes_no_more(tmp_path):
    """A limit on the size of files stands for a full disk: checkpoints and grids fail, small files do not."""
    done = command(
        *TINY, "samples.num=64", f"hydra.run.dir={tmp_path}/run", cwd=tmp_path, prefix="ulimit -f 4"
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    grid = "kimg-000000.000.png: the samples could not be written (File too large)."
    assert any(grid in line for line in warnings)
    assert any("last.ckpt: the checkpoint could not be written" in line for line in warnings)
    last = done.stderr.strip().splitlines()[-1]
    assert "the checkpoint could not be written" in last
    assert is_a_sentence(last)
    run = RunFolder(tmp_path / "run")
    assert list(run.checkpoints.iterdir()) == list(run.samples.iterdir()) == [], "no half files"
    assert [record["iteration"] for record in run.records()] == [1, 2], (
        "training went on to its end"
    )
