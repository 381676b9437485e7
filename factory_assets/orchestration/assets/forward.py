"""The forward period at night: each session after the study by the releases that stood before it began."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from factory_assets.deployment import Release, batch_rows, load_bundle
from factory_assets.deployment.inputs import feature_rows_of, inputs_of
from factory_assets.deployment.release_registry import ReleaseRecord
from factory_assets.evaluation.forward import (
    ALL_SESSIONS,
    CHALLENGER,
    CHAMPION,
    EARLIER_SESSIONS,
    PAIRED_SESSIONS,
    ForwardResult,
    forward_result,
    forward_sentences,
    sessions_by_scope,
)
from factory_assets.evaluation.forward_invariants import (
    PREDICTION_CHECKS,
    REPORT_CHECKS,
    prediction_invariants,
    report_invariants,
)
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.jobs import NIGHT_GROUP
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.night import Night, features_read_by, night_of, speakers_now
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.pages import place_page
from factory_assets.orchestration.releases import released_folder
from factory_assets.reports.forward import forward_figures, forward_sections
from factory_assets.reports.page import render_page
from factory_assets.splits.study import day_text
from factory_assets.vocabulary.frames import dates_days, from_days, times_us
from factory_assets.vocabulary.schemas import FORWARD_OUTCOMES, FORWARD_PREDICTIONS, FORWARD_REPORT
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name, features_name

_MINUTES = bars_name(1)
_FEATURES = tuple(features_name(minutes) for minutes in TIMEFRAMES_MINUTES)
_ROWS_SHOWN = 1_000  # feature rows before a single decision: more than any window is long


@factory_asset(
    table_output(
        FORWARD_PREDICTIONS,
        "What champion and challenger said of each forward decision, each frozen before the decision's session.",
        checks=PREDICTION_CHECKS,
    ),
    table_output(
        FORWARD_REPORT,
        "Champion and challenger on forward sessions, net of costs, with session-bootstrap intervals and differences.",
        checks=REPORT_CHECKS,
    ),
    Output(
        name="forward_page",
        group=NIGHT_GROUP,
        description="Self-contained HTML page of the forward period.",
        kinds=frozenset({"html"}),
        by_horizon=True,
    ),
    reads=["study", FORWARD_OUTCOMES.name, _MINUTES, *_FEATURES],
    settings_sections=["labels", "barriers", "evaluation", "forward"],
    outside={"champion and its refits": speakers_now},
)
def forward(part: Materialization) -> Iterable[Product]:
    """Score each forward session by the releases that stood before it, and set them beside each other."""
    night, outcomes = night_of(part), part.read(FORWARD_OUTCOMES.name)
    minutes = part.read(_MINUTES)
    features = features_read_by(part, night.release)
    days = _complete_days(part, outcomes, minutes)[-part.settings.forward.sessions_max :]
    speakers = _speakers(night, days)
    predictions = _predictions(part, speakers, outcomes, features)
    scored_days = {role: np.array(sorted(chosen), dtype=np.int32) for role, chosen in speakers.items()}
    refits = [(refit.digest, refit.data_end_day) for refit in night.registry.refits(parent=night.record.digest)]
    common = {"scored_days": scored_days}
    verdicts = prediction_invariants(
        predictions,
        outcomes,
        frozen={CHAMPION: [(night.record.digest, night.record.data_end_day)], CHALLENGER: refits},
        end_day=part.study.end_day,
        say=_single_words(part, features),
        seed=part.settings.evaluation.seed,
        **common,
    )
    promoted_day = _promoted_day(part, night, minutes)
    result = forward_result(
        predictions,
        promoted_day=promoted_day,
        outcomes=outcomes,
        bars_1min=minutes,
        instrument=part.instrument,
        barriers=part.barriers,
        settings=part.settings.evaluation,
        **common,
    )
    checked = report_invariants(
        result.table, predictions, outcomes, promoted_day=promoted_day, instrument=part.instrument, **common
    )
    page = _page(part, night, result, speakers, sessions_by_scope(scored_days, promoted_day))
    path = None
    if all(verdict.passed for verdict in (*verdicts, *checked) if verdict.blocking):
        path = place_page(part.home, part.key, "forward", page)
    return [
        Product(
            name=FORWARD_PREDICTIONS.name,
            content=predictions,
            verdicts=verdicts,
            metadata={f"sessions_{role}": len(chosen) for role, chosen in speakers.items()},
        ),
        Product(
            name=FORWARD_REPORT.name,
            content=result.table,
            verdicts=checked,
            metadata=_headline(result.table),
            figures=forward_figures(result.daily, simulated=part.instrument.simulated),
        ),
        Product(
            name="forward_page", content={"forward.html": page}, metadata={} if path is None else {"path": str(path)}
        ),
    ]


def _complete_days(part: Materialization, outcomes: pd.DataFrame, minutes: pd.DataFrame) -> np.ndarray:
    """Forward sessions whose bars reach their flat time: no decision of theirs is open any more."""
    days = np.unique(dates_days(outcomes["trade_date"]))
    if not len(days):
        return days
    close_us = times_us(minutes["close_time"])
    sessions = part.calendar.covering(times_us(minutes["open_time"]))
    over = sessions.trade_day[sessions.flat_us <= int(close_us[-1])]
    return days[np.isin(days, over)]


def _promoted_day(part: Materialization, night: Night, minutes: pd.DataFrame) -> int:
    """Last session that had opened when the champion was promoted; the day before all others if none had."""
    sessions = part.calendar.covering(times_us(minutes["open_time"]))
    promoted_us = int(times_us(pd.DatetimeIndex([night.record.moment]))[0])
    return max(sessions.trade_day[sessions.open_us < promoted_us].tolist(), default=-1)


def _speakers(night: Night, days: np.ndarray) -> dict[str, dict[int, ReleaseRecord]]:
    """Who speaks of which session: the champion, and the newest refit of its recipe that ended before the session."""
    refits = night.registry.refits(parent=night.record.digest)
    champion = {day: night.record for day in days.tolist() if day > night.record.data_end_day}
    challenger = {}
    for day in champion:
        standing = [refit for refit in refits if refit.data_end_day < day]
        if standing:
            challenger[day] = max(standing, key=lambda refit: (refit.data_end_day, refit.seq))
    return {CHAMPION: champion, CHALLENGER: challenger}


def _predictions(
    part: Materialization,
    speakers: Mapping[str, Mapping[int, ReleaseRecord]],
    outcomes: pd.DataFrame,
    features: Mapping[int, pd.DataFrame],
) -> pd.DataFrame:
    sample = outcomes[outcomes["event"].to_numpy(dtype=bool)].reset_index(drop=True)
    sample_days = dates_days(sample["trade_date"])
    frames = []
    for role, chosen in speakers.items():
        for digest in sorted({record.digest for record in chosen.values()}):
            mine = {day: record for day, record in chosen.items() if record.digest == digest}
            rows = sample[np.isin(sample_days, list(mine))].reset_index(drop=True)
            if not len(rows):
                continue
            release = load_bundle(released_folder(part.home, part.key, digest), expected_digest=digest)
            said = batch_rows(release, rows, features).frame
            ends = [mine[day].data_end_day for day in dates_days(said["trade_date"]).tolist()]
            columns = ["decision_time", "trade_date", "p_down", "p_flat", "p_up", "side"]
            frames.append(said[columns].assign(role=role, release=digest, data_end=from_days(np.array(ends))))
    if not frames:
        return _no_predictions()
    return pd.concat(frames, ignore_index=True).sort_values(["role", "decision_time"], ignore_index=True)


def _no_predictions() -> pd.DataFrame:
    none = np.empty(0)
    times = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
    days = from_days(np.empty(0, dtype=np.int64))
    return pd.DataFrame(
        {
            "role": np.empty(0, dtype=object),
            "decision_time": times,
            "trade_date": days,
            "release": np.empty(0, dtype=object),
            "data_end": days,
            "p_down": none,
            "p_flat": none,
            "p_up": none,
            "side": np.empty(0, dtype=np.int8),
        }
    )


def _single_words(
    part: Materialization, features: Mapping[int, pd.DataFrame]
) -> Callable[[str, pd.Series], np.ndarray]:
    """Asks a release, loaded anew from its bundle, for one decision from the features up to that decision alone."""
    loaded: dict[str, Release] = {}
    close_us = {minutes: times_us(table["close_time"]) for minutes, table in features.items()}

    def say(digest: str, row: pd.Series) -> np.ndarray:
        if digest not in loaded:
            loaded[digest] = load_bundle(released_folder(part.home, part.key, digest), expected_digest=digest)
        at = times_us(pd.DatetimeIndex([row["decision_time"]]))
        known = {minutes: int(np.searchsorted(close_us[minutes], at[0], side="right")) for minutes in features}
        latest = {minutes: features[minutes].iloc[max(0, end - _ROWS_SHOWN) : end] for minutes, end in known.items()}
        return loaded[digest].probabilities(inputs_of(loaded[digest], at, feature_rows_of(latest)))[0]

    return say


def _headline(table: pd.DataFrame) -> dict[str, float | int]:
    whole = table[(table["scope"] == ALL_SESSIONS) & (table["role"] == CHAMPION)].set_index("metric")
    if not len(whole):
        return {"sessions": 0}
    shown = [name for name in ("log_loss", "direction_skill", "net_pnl_dollars") if name in whole.index]
    return {"sessions": int(whole["sessions"].iloc[0]), **{name: float(whole.loc[name, "value"]) for name in shown}}


def _page(
    part: Materialization,
    night: Night,
    result: ForwardResult,
    speakers: Mapping[str, Mapping[int, ReleaseRecord]],
    scopes: Mapping[tuple[str, str], np.ndarray],
) -> bytes:
    lines = [
        (role, record.digest[:12], record.data_end, day_text(min(of)), day_text(max(of)), len(of))
        for role, chosen in speakers.items()
        for record in dict.fromkeys(chosen.values())
        for of in [[day for day, own in chosen.items() if own is record]]
    ]
    releases = pd.DataFrame(lines, columns=["role", "release", "data end", "first session", "last session", "sessions"])
    simulated = part.instrument.simulated
    return render_page(
        f"Forward period of {part.key.contract}, horizon {part.horizon}",
        f"Sessions after {day_text(part.study.end_day)}. Champion {night.record.digest[:12]}, promoted "
        f"{night.record.moment:%Y-%m-%d %H:%M} UTC by {night.record.by}: {night.record.reason}. Sessions that opened "
        "after that are forward, earlier ones stand apart. Every number is net of costs; the sealed period is not in "
        "it.",
        forward_sections(
            result.table,
            forward_sentences(
                len(scopes.get((ALL_SESSIONS, CHAMPION), ())),
                len(scopes.get((PAIRED_SESSIONS, CHAMPION), ())),
                earlier_sessions=len(scopes.get((EARLIER_SESSIONS, CHAMPION), ())),
                confidence=part.settings.evaluation.confidence,
            ),
            releases,
            result.daily,
            simulated=simulated,
        ),
        simulated=simulated,
    ).encode()
