"""Regime parameters a release carries, out of the store."""

from collections.abc import Mapping, Sequence

from factory_assets.deployment.release import reading_regimes
from factory_assets.features import RegimeTable
from factory_assets.orchestration.materialization import Materialization
from factory_assets.vocabulary.schemas import REGIME_PARAMETERS


def regimes_read_by(
    part: Materialization, reads: Mapping[int, Sequence[str]], *, until_day: int | None = None
) -> dict[int, RegimeTable]:
    """Parameters behind the features a release reads, by timeframe; nothing is read if none of them needs any.

    Parameters
    ----------
    part : Materialization
        Of an asset that declares ``regime_parameters`` upstream.
    reads : mapping of int to sequence of str
        :attr:`Release.reads`.
    until_day : int, optional
        Last session whose close the parameters may be known at, days since 1970: what a study reads. They then hold to
        the end of the quarter that the next session lies in.
    """
    wanted = reading_regimes(reads)
    if not wanted:
        return {}
    rows = part.read(REGIME_PARAMETERS.name, until_day=until_day)
    contract = part.key.contract
    return {minutes: RegimeTable.from_frame(rows, contract=contract, minutes=minutes) for minutes in wanted}
