"""A plot as bytes with its title and the sentence that says how to read it."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One plot, shown in the UI and embedded in the HTML page.

    Attributes
    ----------
    title : str
        Heading above the plot.
    caption : str
        What is drawn, over which period, and what to look for.
    png : bytes
        The image.
    """

    title: str
    caption: str
    png: bytes

    @property
    def data_uri(self) -> str:
        """The image as a ``data:`` address, so that a page needs no second file."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")
