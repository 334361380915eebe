"""Callbacks as users of Lightning write them."""

from __future__ import annotations

from lightning.pytorch import Callback

seen: list[tuple[str, int, int]] = []  # hook, global_step, iteration


def noting(hook):
    def note(self, trainer, pl_module, *others, **more):
        seen.append((hook, trainer.global_step, pl_module.clock.iteration))

    return note


class Watcher(Callback):
    """Notes every hook that comes, with the step as Lightning counts it."""

    setup = noting("setup")
    teardown = noting("teardown")
    on_fit_start = noting("on_fit_start")
    on_fit_end = noting("on_fit_end")
    on_train_start = noting("on_train_start")
    on_train_end = noting("on_train_end")
    on_train_epoch_start = noting("on_train_epoch_start")
    on_train_epoch_end = noting("on_train_epoch_end")
    on_train_batch_start = noting("on_train_batch_start")
    on_train_batch_end = noting("on_train_batch_end")
    on_exception = noting("on_exception")
    on_before_zero_grad = noting("on_before_zero_grad")
    on_before_backward = noting("on_before_backward")
    on_after_backward = noting("on_after_backward")
    on_before_optimizer_step = noting("on_before_optimizer_step")
    on_validation_start = noting("on_validation_start")
    on_save_checkpoint = noting("on_save_checkpoint")


class Ender(Callback):
    """Ends training as Lightning's callbacks do, and logs through Lightning."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pl_module.log("toy/step", float(trainer.global_step))
        trainer.should_stop = trainer.global_step >= 100


class Deaf(Callback):
    """Waits for what never comes."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        raise AssertionError("nobody calls this")


class Broken(Callback):
    """Raises an error of its own."""

    def on_train_batch_end(self, *arguments):
        raise ValueError("the toy is broken")
