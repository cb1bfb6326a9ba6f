"""What may listen to a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throughtime.training.loop import Training


class Callback:
    """Is told what happens; override what you need.

    ``run`` is the :class:`~throughtime.training.Training`: ``run.step`` (steps done), ``run.plan``, ``run.history``,
    ``run.network``, ``run.save(path)``, and ``run.stop(reason)``, which ends the training after this step.

    ``every_step = False`` lets ``on_step`` be told of several steps at once, which small networks train faster with.
    """

    every_step = True

    def on_start(self, run: Training) -> None:
        """Before the first step."""

    def on_step(self, run: Training) -> None:
        """After each step, or after several if ``every_step`` is False."""

    def on_validation(self, run: Training) -> None:
        """After each scoring of the validation part."""

    def on_rollback(self, run: Training) -> None:
        """After a blow-up, when the training has gone back to ``run.step``; ``run.trouble`` says what was wrong."""

    def on_end(self, run: Training) -> None:
        """When the training is over, for whatever reason."""

    def on_fitted(self, model: Any) -> None:
        """When ``fit`` is done, and the model, an estimator, can be saved and used."""

    def on_left(self) -> None:
        """When ``fit`` is left, done or not, if its training was begun: the last of all."""
