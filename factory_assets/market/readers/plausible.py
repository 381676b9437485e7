"""What a whole file, or a whole folder, has to look like under its declaration, whichever format it came in.

Belongs here: mistakes that no single row shows, as bars of five minutes or a volume that says nothing. Does not: rules
for one bar (:mod:`factory_assets.market.quality`).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.readers.declaration import NO_VOLUME, Declaration
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

CONSTANT_VOLUME_ROWS = 500
"""So many bars never trade the same number of contracts; a vendor without volume writes 0 or 1 into all of them."""
# Fewer rows may by chance all stand a multiple of some minutes apart.
_SPACING_ROWS_MIN = 20


def refuse_implausible(path: Path, found: FileRead, declaration: Declaration) -> None:
    """Judge the rows of one file as a whole.

    Raises
    ------
    BadInputError
        Bars of several minutes, or the same volume in every row of a file that is declared to have one.
    """
    _refuse_larger_bars(path, found)
    refuse_constant_volume(path, found.minutes, declaration)


def _refuse_larger_bars(path: Path, found: FileRead) -> None:
    """Bars of five minutes have the same shape as bars of one; only their spacing tells."""
    open_us = np.unique(times_us(found.minutes["open_time"]))
    if len(open_us) < _SPACING_ROWS_MIN:
        return
    step = int(np.gcd.reduce(np.diff(open_us)))
    if step > MINUTE_US:
        raise BadInputError(
            f"{path}: all {len(open_us)} bars stand multiples of {step // MINUTE_US} minutes apart: not bars of one "
            "minute. Export the interval Minute with value 1."
        )


def refuse_constant_volume(where: Path, minutes: pd.DataFrame, declaration: Declaration) -> None:
    """Refuse a volume that says nothing: of one file, or of a folder of files too short to tell each by itself.

    Parameters
    ----------
    where : Path
        File or folder, for the message.
    minutes : DataFrame
        With ``volume``, contracts or trades a minute as the vendor counts them.
    declaration : Declaration
        What the volume is declared to be.

    Raises
    ------
    BadInputError
        The same volume in every row, of 500 or more.
    """
    volume = minutes["volume"].to_numpy(dtype=np.float64)
    if not declaration.has_volume or len(volume) < CONSTANT_VOLUME_ROWS or not (volume == volume[0]).all():
        return
    raise BadInputError(
        f"{where}: volume is {volume[0]:g} in all {len(volume)} rows, from the first on: the vendor fills in a number "
        f"where it knows none. {_volume_remedy(declaration)}"
    )


def _volume_remedy(declaration: Declaration) -> str:
    """What to declare instead; a format whose vendor always counts contracts takes no other meaning."""
    if not declaration.settles("volume"):
        other = ', or volume = "ticks" if a column counts those' if declaration.volume == "contracts" else ""
        return f'Declare volume = "{NO_VOLUME}"{other}.'
    again = "" if declaration.reader == "csv" else "Get the files again, or convert them to CSV. "
    return (
        f'{declaration.vendor_name} counts contracts, so format = "{declaration.format}" takes no other meaning. '
        f'{again}Declare them under format = "csv" with volume = "{NO_VOLUME}" and every convention.'
    )
