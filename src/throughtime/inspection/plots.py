"""Pictures by matplotlib. Each function draws into the given axes, or new ones, and returns them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from throughtime.disk import write_atomically
from throughtime.training import History


def axes(ax: Any) -> Any:
    """These, or new ones."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(7, 4), layout="constrained")[1]


def plot_history(history: History, ax: Any = None) -> Any:
    """The loss of each step, the tutorials' smoothed loss, and the validation loss."""
    ax = axes(ax)
    ax.plot(history.steps, history.loss, color="0.75", linewidth=0.8, label="training, each step")
    ax.plot(
        history.steps,
        history.smooth_loss,
        color="tab:blue",
        linestyle="--",
        label="training, smoothed as in the tutorials",
    )
    if history.validation_loss:
        ax.plot(history.validation_steps, history.validation_loss, "o-", color="tab:red", label="validation")
        ax.annotate(
            f"{history.validation_loss[-1]:.3f}",
            (history.validation_steps[-1], history.validation_loss[-1]),
            xytext=(0, -16),
            textcoords="offset points",
            ha="right",
        )
    ax.set(xlabel="step", ylabel=f"loss ({history.unit})", title="Learning curve", ylim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def save_history(history: History, path: Any) -> None:
    """Writes the picture into a file, without a window or a display.

    Raises
    ------
    OutputError
        If the place cannot be written to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    plot_history(history, figure.subplots())
    write_picture(figure, Path(path))


def write_picture(figure: Any, path: Path) -> None:
    """Writes a figure in the form that the ending names, or leaves what was there.

    Raises
    ------
    OutputError
        If the place cannot be written to.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=150)
    write_atomically(path, drawn.getvalue())
