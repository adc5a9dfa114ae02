"""Progress bars on standard error, while there is a terminal to show them on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.cli.output import console

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress, TaskID


class Bars:
    """One bar for each step, in the order in which steps report themselves."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._steps: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report a step, as `assets.stores.Progress` does."""
        if step not in self._steps:
            self._steps[step] = self._bars.add_task(step)
        self._bars.update(self._steps[step], completed=done, total=total)

    def share(self, step: str, share: float) -> None:
        """Report a share of one whole, 0 to 1, that changes its name as it goes on."""
        if "model" not in self._steps:
            self._steps["model"] = self._bars.add_task(step, total=100)
        self._bars.update(self._steps["model"], description=f"model: {step}", completed=int(share * 100))


@contextmanager
def bars(working: str) -> Iterator[Bars]:
    """Bars below a line that says what is being done and for how long; they vanish at the end."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    error = console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=error,
        transient=True,
        redirect_stdout=False,
        disable=not error.is_terminal,
    ) as progress:
        progress.add_task(working, total=None)
        yield Bars(progress)


def prepare_model(models_dir: Path, model: str | None, shown: Bars) -> None:
    """Prepare the embedding model with a bar; returns at once when it is ready.

    Raises:
        ModelError, ConfigurationError: it cannot be had, or not be written.
    """
    from retrieval.embedding import prepare

    prepare(models_dir, model, shown.share)
