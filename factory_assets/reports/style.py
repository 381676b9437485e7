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
SHEET_DPI = 96


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


@contextmanager
def sheet(width_px: int, height_px: int, *, simulated: bool) -> Iterator[tuple["Canvas", Any]]:
    """One empty surface measured in pixels from the upper left, for pictures of very many small parts.

    A hundred axes take seconds to lay out; shapes on one surface do not, and cells come out on whole pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width_px / SHEET_DPI, height_px / SHEET_DPI))
    FigureCanvasAgg(figure)
    surface = figure.add_axes((0, 0, 1, 1))
    surface.set_axis_off()
    surface.set_xlim(0, width_px)
    surface.set_ylim(height_px, 0)
    if simulated:
        for at in range(300, max(301, height_px - 100), 700):
            figure.text(
                0.5, 1 - at / height_px, "SIMULATED", fontsize=44, color="#c2412d", alpha=0.10, ha="center",
                va="center", rotation=12,
            )  # fmt: skip
    yield figure, surface


def drawn(
    figure: "Canvas", title: str, caption: str, *, simulated: bool, dpi: int = _DPI, colours: int | None = None
) -> Figure:
    """Finished plot as PNG bytes; equal input gives equal bytes (no creation time inside).

    ``colours``: reduce the picture to so many, which makes a large one a third of its size.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    said = f"SIMULATED. {caption}" if simulated else caption
    return Figure(title=title, caption=said, png=_reduced(buffer, colours) if colours else buffer.getvalue())


def _reduced(buffer: io.BytesIO, colours: int) -> bytes:
    from PIL import Image

    palette = Image.open(buffer).convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT)
    smaller = io.BytesIO()
    palette.save(smaller, format="png", optimize=True)
    return smaller.getvalue()
