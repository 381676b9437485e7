"""Whether each member's scaler and columns know its own rows only, tried on the very path the fits take."""

from collections.abc import Sequence

import numpy as np

from factory_assets.adapters.feature_sets import Candidates
from factory_assets.adapters.invariants import Learnt, ScalerCase, scaler_invariants
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
    candidates: Candidates | None = None,
) -> list[Verdict]:
    """Choose every member's columns and refit its scaler again, after noise took the place of other rows.

    The rows are those of the container the member was fitted from. What scaler and choice may know are the rows
    recorded at the fit, not the ones the splits meant for it; of windows, every row of the store that a window recorded
    at the fit shows. Rows and columns are then chosen and the scaler fitted by
    :func:`factory_assets.stacking.training_part`, as at the fit, and the result is compared with what the member
    carries.

    Parameters
    ----------
    model_name, kinds, settings, clock_us, candidates
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
        ``scaler_ignores_other_rows`` and ``scaler_output_finite``, with candidates ``choice_ignores_other_rows`` too,
        see :func:`factory_assets.adapters.scaler_invariants`.
    """

    def _case(rows: np.ndarray, fit: MemberFit) -> ScalerCase:
        def _refit(values: np.ndarray) -> Learnt:
            part = training_part(
                model_name,
                data.with_store(values),
                kinds,
                rows=rows,
                settings=settings,
                clock_us=clock_us,
                watch_tail=watch_tail,
                candidates=candidates,
            )
            return Learnt(scaler=part.scaler, choice=part.choice)

        known = data.store_rows(np.isin(data.decision_us, fit.fit_decision_us))
        return ScalerCase(fitted=Learnt(scaler=fit.member.scaler, choice=fit.choice), refit=_refit, known=known)

    return scaler_invariants([_case(rows, fit) for rows, fit in fits], data.store, data.feature_names)
