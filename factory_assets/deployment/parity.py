"""The proof that a bundle, alone with bars in a fresh process, says what the batch tables say.

Nothing here predicts: the live side comes out of another process that has only the bundle and the bars, the batch side
out of stored tables (:func:`factory_assets.deployment.batch.batch_rows`). Compared are probabilities, and everything
they are made of: every cell of the tabular row and of the window, at every decision.
"""

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import factory_assets
from factory_assets.deployment.batch import BatchRows
from factory_assets.deployment.bundle import MANIFEST, load_bundle
from factory_assets.deployment.golden import golden_differences
from factory_assets.deployment.needs import rows_needed
from factory_assets.deployment.release import SEQUENCE, TABULAR, Inputs, Release
from factory_assets.market import SessionCalendar, Sessions, build_canonical
from factory_assets.splits.study import Study, day_text
from factory_assets.vocabulary.errors import BadInputError, FactoryError
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets.vocabulary.verdict import Verdict
from factory_assets.vocabulary.windows import LazyWindows

BUNDLE_CHECK, PARITY_CHECK = "bundle_verified", "parity"
FEATURE_BOUND = 1e-6
"""Largest difference of a float32 feature, as a share of its value or of the column's mean size."""
PROBABILITY_BOUND = 1e-6
EV_BOUND_ATR = 1e-5
ATR_BOUND_SHARE = 1e-9
SPLIT_TIE_SHARE_MAX = 0.01
"""Share of decisions at which a feature may lie so close to a tree's threshold that a rounding error changes side.

Excused are only decisions whose members agree live and in batch but for those that declare thresholds
(:attr:`ModelEntry.has_thresholds`), and whose probabilities both sides' own inputs give.
"""

_SHOWN = {TABULAR: "features", SEQUENCE: "windows"}
_DECISIONS_AT_ONCE = 256
_SPARE_SESSIONS = 3
_TIMEOUT_SECONDS = 1800.0
_FACTORY_PREFIXES = ("FACTORY_", "DAGSTER_", "MLFLOW_")


@dataclass(frozen=True, kw_only=True)
class FreshReplay:
    """What a fresh process said.

    Attributes
    ----------
    predictions : list of dict
        ``Prediction.to_plain`` with features, in time order.
    windows : ndarray of float32, shape (N, T, F), or None
        Window of each prediction; None from a release without sequence members.
    left_behind : tuple of str
        Files it left in its FACTORY_HOME, which was empty; expected none.
    """

    predictions: list[dict[str, Any]]
    windows: np.ndarray | None
    left_behind: tuple[str, ...]


def prove_release(
    bundle_folder: Path,
    release: Release,
    raw_minutes: pd.DataFrame,
    batch_rows: BatchRows,
    *,
    parity_minutes: int,
    until_day: int | None = None,
) -> list[Verdict]:
    """Both invariants of a release: the bundle is what was meant, and a fresh process with it equals batch.

    Parameters
    ----------
    bundle_folder : Path
        Written bundle.
    release : Release
        What it was written from.
    raw_minutes : DataFrame
        Table ``raw_minutes`` of the contract; only minutes up to ``until_day`` are used.
    batch_rows : BatchRows
        :func:`factory_assets.deployment.batch.batch_rows` of every base bar of those minutes.
    parity_minutes : int
        Traded minutes of the front month, the last ones, over which every decision is compared.
    until_day : int, optional
        Last session replayed, days since 1970; the study's last val session by default.

    Returns
    -------
    list of Verdict
        ``bundle_verified`` and ``parity``.

    Raises
    ------
    BadInputError
        No minute until that day, or a number of minutes below 1.
    """
    if parity_minutes < 1:
        raise BadInputError(f"parity over {parity_minutes} minutes: expected at least 1")
    calendar = SessionCalendar.of(release.instrument)
    last_day = Study.from_json(release.study).val_last_day if until_day is None else until_day
    until = int(np.searchsorted(calendar.sessions.trade_day, last_day, side="right"))
    end_us = int(calendar.sessions.close_us[until - 1])
    open_us = times_us(raw_minutes["open_time"], "raw_minutes open_time")
    before_test = raw_minutes[open_us < end_us]
    if len(before_test) == 0:
        until_text = "val" if until_day is None else day_text(until_day)
        raise BadInputError(f"parity of {release.contract}|{release.horizon}: no minute in or before {until_text}")
    canonical = build_canonical(
        before_test,
        release.instrument,
        calendar,
        release.market,
        has_volume=release.has_volume,
        joins_without_overlap=release.joins_without_overlap,
    ).bars
    front_us = times_us(canonical["open_time"])
    from_moment_us = int(front_us[-min(parity_minutes, len(front_us))])
    first = _history_begin(front_us, calendar.sessions, from_moment_us, rows_needed(release))
    bars = before_test[times_us(before_test["open_time"]) >= first]
    try:
        replay = replay_in_fresh_process(
            bundle_folder, bars, release, decide_from=from_us(np.array([from_moment_us]))[0]
        )
    except BadInputError as problem:  # a bundle no fresh process can run is not equal to batch
        return [bundle_verdict(bundle_folder, release), Verdict(name=PARITY_CHECK, passed=False, summary=str(problem))]
    parity = parity_verdict(
        replay,
        batch_rows,
        release,
        front_us[front_us >= from_moment_us],
        whole_history=first <= int(front_us[0]),
    )
    return [bundle_verdict(bundle_folder, release), parity]


def _history_begin(front_us: np.ndarray, sessions: Sessions, window_us: int, needed: Mapping[int, int]) -> int:
    """Open of the session from which every look-back is filled at the window, a few sessions before it to spare.

    The spare ones let the rolls of a run that begins there meet those of all history. Begins with history if that is
    too short.
    """
    before = front_us[front_us < window_us]
    session = sessions.locate(before)
    reached = [len(before)]
    for minutes, rows in needed.items():
        slot = (before - sessions.open_us[session]) // (minutes * MINUTE_US)
        starts = np.flatnonzero((np.diff(session, prepend=-1) != 0) | (np.diff(slot, prepend=-1) != 0))
        reached.append(int(starts[-rows]) if len(starts) >= rows else -1)
    held = np.unique(session)
    place = -1 if min(reached) < 0 else int(np.searchsorted(held, session[min(reached)])) - _SPARE_SESSIONS
    return int(sessions.open_us[held[place]]) if place >= 0 else int(front_us[0])


def bundle_verdict(folder: Path, release: Release) -> Verdict:
    """Whether the folder is exactly its manifest, named by its digest, and holds the release it was written from.

    Hashes are taken by another path than :func:`factory_assets.deployment.bundle.verified_files`.
    """
    problems: list[str] = []
    manifest = (folder / MANIFEST).read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    if folder.name != digest:
        problems.append(f"folder {folder.name} holds a manifest of {digest}")
    listed = json.loads(manifest)["files"]
    present = {
        os.path.relpath(Path(root) / name, folder): Path(root) / name
        for root, _, names in os.walk(folder)
        for name in names
    }
    problems += [f"{name} is not listed" for name in sorted({*present} - {*listed, MANIFEST})]
    problems += [f"{name} is missing" for name in sorted({*listed} - {*present})]
    for name in sorted({*listed} & {*present}):
        with present[name].open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != listed[name]:
                problems.append(f"{name} has changed")
    difference = float("nan")
    if not problems:
        try:
            load_bundle(folder, digest)
            difference = max(golden_differences(release, (folder / "golden.json").read_bytes()).values())
        except FactoryError as problem:
            problems.append(str(problem))
        else:
            if difference > 0.0:
                problems.append(f"golden outputs are {difference:.3g} off the release in memory")
    return Verdict(
        name=BUNDLE_CHECK,
        passed=not problems,
        summary=f"{len(listed)} files as listed, golden outputs reproduced" if not problems else "; ".join(problems),
        details={"digest": digest, "files": len(listed), "golden_difference": difference},
    )


def replay_in_fresh_process(
    bundle: Path,
    minutes: pd.DataFrame,
    release: Release,
    *,
    decide_from: datetime | None = None,
    expected_digest: str | None = None,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> FreshReplay:
    """Replay minutes in a new process that has a copy of the bundle, the bars, and an empty FACTORY_HOME.

    Parameters
    ----------
    bundle : Path
        Release bundle.
    minutes : DataFrame
        ``expiry``, ``open_time``, ``open``, ``high``, ``low``, ``close``, ``volume``, all delivery months.
    release : Release
        What the bundle should hold: says whether windows come back, and their shape. The process is not told.
    decide_from : datetime, optional
        Earlier minutes are history only.
    expected_digest : str, optional
        By default the folder's name.
    timeout_seconds : float
        Limit of the process.

    Raises
    ------
    BadInputError
        The process refused the bundle or the bars, with what it said, or left windows of another shape.
    """
    columns = ["expiry", "open_time", "open", "high", "low", "close", "volume"]
    with tempfile.TemporaryDirectory(prefix="factory-replay-") as place:
        root = Path(place)
        home, copy = root / "home", root / "bundle"
        home.mkdir()
        shutil.copytree(bundle, copy, symlinks=True)
        minutes[columns].astype({"expiry": str}).to_parquet(root / "bars.parquet", index=False)
        command = [sys.executable, "-m", "factory_assets.deployment.replay", "--features"]
        command += ["--bundle", str(copy), "--bars", str(root / "bars.parquet"), "--output", str(root / "out.jsonl")]
        command += ["--windows", str(root / "windows.bin")]
        command += ["--expected-digest", expected_digest or bundle.name]
        if decide_from is not None:
            command += ["--decide-from", decide_from.isoformat()]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FACTORY_PREFIXES)}
        package = str(Path(factory_assets.__file__).resolve().parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**kept, "FACTORY_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}
        try:
            ended = subprocess.run(  # noqa: S603 - our own interpreter and module
                command, cwd=home, env=environment, capture_output=True, text=True, timeout=timeout_seconds, check=False
            )
        except subprocess.TimeoutExpired as problem:
            raise BadInputError(f"replay of {bundle}: not finished within {timeout_seconds:g} s") from problem
        if ended.returncode != 0:
            raise BadInputError(f"replay of {bundle}: exit {ended.returncode}: {ended.stderr.strip()[-2000:]}")
        lines = (root / "out.jsonl").read_text(encoding="utf-8").splitlines()
        windows = _windows(root / "windows.bin", release, len(lines))
        left = tuple(sorted(str(path.relative_to(home)) for path in home.rglob("*")))
    return FreshReplay(predictions=[json.loads(line) for line in lines], windows=windows, left_behind=left)


def _windows(path: Path, release: Release, predictions: int) -> np.ndarray | None:
    values = np.fromfile(path, dtype="<f4")
    sequence = release.sequence
    shape = (predictions, sequence.window_bars, len(sequence.names)) if sequence is not None else (0,)
    if values.size != math.prod(shape):
        raise BadInputError(f"replay: {values.size} values of windows; expected shape {shape}")
    return None if sequence is None else values.reshape(shape)


def parity_verdict(
    replay: FreshReplay,
    batch_rows: BatchRows,
    release: Release,
    front_open_us: np.ndarray,
    *,
    whole_history: bool = False,
) -> Verdict:
    """Whether every decision of a stretch equals batch within the bounds of this module.

    Parameters
    ----------
    replay : FreshReplay
        The live side.
    batch_rows : BatchRows
        The batch side, by ``decision_time``.
    release : Release
        Tells a rounding error at a tree's threshold from a wrong probability.
    front_open_us : ndarray of int64, shape (M,)
        Open times of the canonical minutes of the stretch, microseconds: which decisions to expect, and which late.
    whole_history : bool
        Whether the replay began where history begins; only then may decisions without full look-backs be compared.
    """
    live, inputs = _live_frame(replay.predictions, len(release.columns)), _live_inputs(replay)
    begin_us, end_us = int(front_open_us[0]), int(front_open_us[-1]) + MINUTE_US
    batch_us = times_us(batch_rows.frame["decision_time"], "batch decision_time")
    wanted = (batch_us > begin_us) & (batch_us <= end_us)
    batch, batch_us = batch_rows.take(wanted), batch_us[wanted]
    inside = np.flatnonzero(live["decision_us"] > begin_us)
    inside = inside[np.argsort(live["decision_us"].to_numpy()[inside], kind="stable")]
    live, inputs = live.iloc[inside].reset_index(drop=True), {name: values[inside] for name, values in inputs.items()}
    problems: list[str] = [f"files left in the empty home: {list(replay.left_behind)}"] if replay.left_behind else []
    missing = np.setdiff1d(batch_us, live["decision_us"])
    extra = np.setdiff1d(live["decision_us"], batch_us)
    details: dict[str, str | int | float | bool] = {
        "decisions": len(batch_us),
        "minutes": len(front_open_us),
        "missing_live": len(missing),
        "missing_batch": len(extra),
    }
    if len(batch_us) == 0 or len(missing) or len(extra) or len(live) != len(batch_us):
        problems.append(
            f"{len(live)} live decisions, {len(batch_us)} in batch; {len(missing)} only in batch"
            f"{_first(missing)}, {len(extra)} only live{_first(extra)}"
        )
    else:
        problems += _compared(live, inputs, batch, batch_us, release, front_open_us, whole_history, details)
    found = "equal batch" if not problems else "differ from batch: " + "; ".join(problems)
    return Verdict(
        name=PARITY_CHECK,
        passed=not problems,
        summary=f"{len(live)} decisions over {len(front_open_us)} traded minutes {found}",
        details=details,
    )


def _compared(
    live: pd.DataFrame,
    inputs: Inputs,
    batch_rows: BatchRows,
    batch_us: np.ndarray,
    release: Release,
    front_open_us: np.ndarray,
    whole_history: bool,
    details: dict[str, str | int | float | bool],
) -> list[str]:
    """Every quantity of every decision; aligned rows."""
    batch = batch_rows.frame
    compared = {name: _cells(inputs[name], values) for name, values in batch_rows.inputs.items()}
    feature = np.max([cells.furthest for cells in compared.values()], axis=0)
    probability = np.abs(
        live[["p_down", "p_flat", "p_up"]].to_numpy() - batch[["p_down", "p_flat", "p_up"]].to_numpy()
    ).max(axis=1)
    ev = np.max([_gap(live[name], batch[name]) / batch["atr"].fillna(1.0) for name in ("ev_long", "ev_short")], axis=0)
    atr = _gap(live["atr_points"], batch["atr"]) / batch["atr"].fillna(1.0).to_numpy()
    cost = _gap(live["cost_points"], batch["cost"])
    tie = _split_ties((probability > PROBABILITY_BOUND) & (feature <= FEATURE_BOUND), live, inputs, batch_rows, release)
    late = ~np.isin(batch_us - MINUTE_US, front_open_us)
    known = batch["event_known"].to_numpy(dtype=bool)
    traded = live["warm"].to_numpy() & known & ~tie & ~late
    side = live["side"].to_numpy()
    checks = {
        **{_SHOWN[name]: cells.furthest > FEATURE_BOUND for name, cells in compared.items()},
        "probabilities": (probability > PROBABILITY_BOUND) & ~tie,
        "expected values": (ev > EV_BOUND_ATR) & ~tie,
        "atr": atr > ATR_BOUND_SHARE,
        "cost": cost > 0.0,
        "eligible": live["eligible"].to_numpy() != batch["eligible"].to_numpy(),
        "event": (live["event"].to_numpy() != batch["event"].to_numpy()) & known,
        "side": (side != batch["side"].to_numpy()) & traded,
        "side of a late or cold decision": (side != 0) & (late | ~live["warm"].to_numpy()),
        "late flag": live["late"].to_numpy() != late,
        "warm": ~live["warm"].to_numpy() & (not whole_history),
        "outdated": live["outdated"].notna().to_numpy(),
    }
    problems = [f"{int(bad.sum())} {name}{_first(batch_us[bad])}" for name, bad in checks.items() if bad.any()]
    if tie.mean() > SPLIT_TIE_SHARE_MAX:
        problems.append(f"{int(tie.sum())} decisions at a tree's threshold, more than {SPLIT_TIE_SHARE_MAX:.0%}")
    details |= {
        **{f"{_SHOWN[name]}_max_difference": float(cells.furthest.max()) for name, cells in compared.items()},
        **{f"{_SHOWN[name]}_equal_to_the_bit_share": cells.equal_share for name, cells in compared.items()},
        "probabilities_max_difference": float(probability[~tie].max(initial=0.0)),
        "ev_max_difference_atr": float(ev[~tie].max(initial=0.0)),
        "split_ties": int(tie.sum()),
        "late": int(late.sum()),
        "warm": int(live["warm"].sum()),
        "events": int(live["event"].sum()),
        "sides_compared": int(traded.sum()),
        "trades_live": int((side != 0).sum()),
    }
    return problems


def _split_ties(
    apart: np.ndarray, live: pd.DataFrame, inputs: Inputs, batch_rows: BatchRows, release: Release
) -> np.ndarray:
    """Decisions among ``apart`` whose whole difference is a jump of members that have thresholds.

    A tree's output jumps there: a last-bit difference of a feature may fall on its other side. A network or a linear
    model does not jump, and a probability its own side's inputs do not give is wrong whatever the inputs are.
    """
    rows = np.flatnonzero(apart)
    tie = np.zeros(len(apart), dtype=bool)
    if len(rows) == 0:
        return tie
    own = np.ones(len(rows), dtype=bool)
    sides = []
    for frame, held in ((live, inputs), (batch_rows.frame, batch_rows.inputs)):
        said = release.member_probabilities({name: values[rows] for name, values in held.items()})
        wanted = frame[["p_down", "p_flat", "p_up"]].to_numpy()[rows]
        own &= np.abs(release.meta.predict_proba(said) - wanted).max(axis=1) <= PROBABILITY_BOUND
        sides.append(said)
    jumped = {name: np.abs(sides[0][name] - sides[1][name]).max(axis=1) > PROBABILITY_BOUND for name in sides[0]}
    may = {name: member.model.entry.has_thresholds for name, member in release.members.items()}
    by_threshold = np.any([jumps for name, jumps in jumped.items() if may[name]], axis=0)
    otherwise = np.any([jumps for name, jumps in jumped.items() if not may[name]], axis=0)
    tie[rows] = own & by_threshold & ~otherwise
    return tie


@dataclass(frozen=True)
class _Cells:
    """Largest relative difference of each decision's cells, and the share of cells that are equal to the bit."""

    furthest: np.ndarray
    equal_share: float


def _cells(found: np.ndarray | LazyWindows, expected: np.ndarray | LazyWindows) -> _Cells:
    """Differences as a share of the value or of the column's mean size; infinite where only one of both is NaN."""
    store = expected.store[expected.used_rows()] if isinstance(expected, LazyWindows) else expected
    known = ~np.isnan(store)
    size = np.abs(np.where(known, store, 0.0).astype(np.float64)).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    furthest, equal = np.zeros(len(expected)), 0.0
    # a few at a time: windows of a long stretch take gigabytes
    for start in range(0, len(expected), _DECISIONS_AT_ONCE):
        part = slice(start, start + _DECISIONS_AT_ONCE)
        left, right = (np.asarray(side[part]).astype(np.float64) for side in (found, expected))
        masked = np.isnan(left) & np.isnan(right)
        scale = np.maximum(np.maximum(np.abs(np.nan_to_num(right)), size), np.finfo(np.float32).tiny)
        gap = np.abs(left - right) / scale
        gap = np.where(masked, 0.0, np.where(np.isnan(gap), np.inf, gap))
        furthest[part] = gap.reshape(len(gap), -1).max(axis=1)
        equal += float((masked | (left == right)).mean()) * len(gap)
    return _Cells(furthest, equal / len(expected))


def _gap(found: pd.Series, expected: pd.Series) -> np.ndarray:
    left, right = found.to_numpy(dtype=np.float64), expected.to_numpy(dtype=np.float64)
    gap = np.where(np.isnan(left) & np.isnan(right), 0.0, np.abs(left - right))
    return np.where(np.isnan(gap), np.inf, gap)


def _live_frame(predictions: Sequence[dict[str, Any]], columns: int) -> pd.DataFrame:
    plain = [{name: value for name, value in row.items() if name != "features"} for row in predictions]
    names = ("p_down", "p_flat", "p_up", "ev_long", "ev_short", "cost_points", "atr_points")
    flags = ["side", "eligible", "event", "late", "warm", "outdated"]
    frame = pd.DataFrame(plain, columns=["decision_time", *names, *flags])
    frame = frame.astype(dict.fromkeys(names, np.float64))
    frame["decision_us"] = times_us(pd.to_datetime(frame["decision_time"], utc=True)) if plain else np.int64(0)
    if any(len(row["features"]) != columns for row in predictions):
        raise BadInputError(f"replay: expected {columns} features in every prediction; replay with features")
    return frame


def _live_inputs(replay: FreshReplay) -> Inputs:
    # None becomes NaN
    rows = [np.array(row["features"], dtype=np.float64).astype(np.float32) for row in replay.predictions]
    tabular = np.array(rows, dtype=np.float32)
    return (
        {TABULAR: tabular}
        if replay.windows is None
        else {TABULAR: tabular, SEQUENCE: LazyWindows.of_array(replay.windows)}
    )


def _first(times: np.ndarray) -> str:
    return f" (first at {from_us(times[:1])[0]})" if len(times) else ""
