"""What may listen to a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime.training.loop import Training


class Callback:
    """Is told what happens; override what you need.

    ``run`` is the :class:`~throughtime.training.Training`: ``run.step`` (steps done), ``run.plan``, ``run.history``,
    ``run.network``, and ``run.stop(reason)``, which ends the training after this step.

    ``every_step = False`` lets ``on_step`` be told of several steps at once, which small networks train faster with.
    """

    every_step = True

    def on_start(self, run: Training) -> None:
        """Before the first step."""

    def on_step(self, run: Training) -> None:
        """After each step, or after several if ``every_step`` is False."""

    def on_validation(self, run: Training) -> None:
        """After each scoring of the validation part."""

    def on_end(self, run: Training) -> None:
        """When the training is over, for whatever reason."""
