"""Whether each member's scaler knows its own rows only, tried on the very path the fits take."""

from collections.abc import Sequence

import numpy as np

from factory_assets.adapters.invariants import ScalerCase, scaler_invariants
from factory_assets.adapters.scaling import FittedScaler
from factory_assets.stacking.member_fit import MemberFit
from factory_assets.stacking.training_part import training_part
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.verdict import Verdict


def member_scaler_verdicts(
    model_name: str,
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    fits: Sequence[tuple[np.ndarray, MemberFit]],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
    watch_tail: bool = True,
) -> list[Verdict]:
    """Refit every member's scaler after noise took the place of rows in the container the member was fitted from.

    The rows a scaler may know are the ones recorded at its fit, not the ones the splits meant for it; of windows, every
    row of the store that a window recorded at the fit shows. Rows are then chosen and the scaler fitted by
    :func:`factory_assets.stacking.training_part`, as at the fit, and the result is compared with the scaler the member
    carries.

    Parameters
    ----------
    model_name, kinds, settings, clock_us
        As the members were fitted.
    watch_tail : bool
        False for frozen fits, which watch nothing.
    data : TimeSeriesDataContainer
        Container the members were fitted from; it holds rows they must not know.
    fits : sequence of (rows, MemberFit)
        Positions in ``data`` each member was given, and its fit.

    Returns
    -------
    list of Verdict
        ``scaler_ignores_other_rows`` and ``scaler_output_finite``, see
        :func:`factory_assets.adapters.scaler_invariants`.
    """

    def _case(rows: np.ndarray, fit: MemberFit) -> ScalerCase:
        def _refit(values: np.ndarray) -> FittedScaler:
            changed = data.with_store(values)
            part = training_part(
                model_name, changed, kinds, rows=rows, settings=settings, clock_us=clock_us, watch_tail=watch_tail
            )
            return part.scaler

        known = data.store_rows(np.isin(data.decision_us, fit.fit_decision_us))
        return ScalerCase(fitted=fit.member.scaler, refit=_refit, known=known)

    return scaler_invariants([_case(rows, fit) for rows, fit in fits], data.store)
