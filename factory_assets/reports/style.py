"""One look for every plot: size, colours, dates in UTC, and SIMULATED across anything that is not a market."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from factory_assets.reports.figure import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INK, MUTED, UP, DOWN, FLAT, ACCENT = "#1f2933", "#8a94a0", "#1a7f5a", "#c2412d", "#b58a1b", "#2b5fa8"
SERIES = (ACCENT, UP, DOWN, FLAT, "#6b4fa0", "#3c8d93", "#a03f78", MUTED)
_DPI = 80


@contextmanager
def canvas(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 3.2, simulated: bool
) -> Iterator[tuple["Canvas", Any]]:
    """Axes to draw on; marked SIMULATED when the contract is.

    Drawn without pyplot: no global state, so threads and servers may draw at once.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=INK, labelsize=8)
        axis.grid(visible=True, color="#e4e7eb", linewidth=0.6)
        axis.set_axisbelow(True)
    if simulated:
        figure.text(
            0.5, 0.5, "SIMULATED", fontsize=44, color="#c2412d", alpha=0.10, ha="center", va="center", rotation=12
        )
    yield figure, axes if rows * columns > 1 else axes[0, 0]


def drawn(figure: "Canvas", title: str, caption: str, *, simulated: bool) -> Figure:
    """Finished plot as PNG bytes; equal input gives equal bytes (no creation time inside)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    said = f"SIMULATED. {caption}" if simulated else caption
    return Figure(title=title, caption=said, png=buffer.getvalue())
