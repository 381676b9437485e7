"""Every default of the factory, once. Overrides come from ``factory.toml`` in FACTORY_HOME.

Each class below is one section of that file (``[labels]``, ``[splits]``, ...). A field's default, its type and what the
file may set it to stand together; an unknown key, another type and a value out of range are errors, all of them told
at once. A profile (``fast``, ``standard``, ``full``) is a named set of overrides that spends more or less computing
time; it never changes what a number means.
"""

import dataclasses
import hashlib
import json
import math
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from factory_assets.vocabulary.allowed import ALLOWED, allow
from factory_assets.vocabulary.errors import ConfigurationError, UnknownNameError
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.operation_settings import AlertSettings, OperationSettings, alert_contradictions
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.timeframes import HORIZONS_BARS, TIMEFRAMES_MINUTES

_Section = TypeVar("_Section")
_IN_DIGEST = "in_digest"
_SEED_MAX = 2**31 - 1


_A_SEED = allow(at_least=0, at_most=_SEED_MAX)
_A_SHARE = allow(above=0, below=1)


@dataclass(frozen=True, kw_only=True)
class Barriers:
    """Triple-barrier geometry of one contract and horizon.

    Attributes
    ----------
    k_up, k_down : float
        Distance of the upper and lower barrier from the entry, in ATR(14) of base bars known at the decision.
    max_bars : int
        Vertical barrier, in base bars of scheduled clock time after the decision.
    """

    k_up: float = field(metadata=allow(above=0, at_most=100))
    k_down: float = field(metadata=allow(above=0, at_most=100))
    max_bars: int = field(metadata=allow(at_least=1, at_most=1000))


_ASYMMETRIC = {5: (1.5, 1.0, 12), 10: (2.0, 1.4, 25), 15: (2.5, 1.75, 38), 20: (3.0, 2.1, 50)}
_SYMMETRIC = {5: (1.2, 1.2, 12), 10: (1.6, 1.6, 25), 15: (2.0, 2.0, 38), 20: (2.5, 2.5, 50)}
_BARRIERS = {"MES": _ASYMMETRIC, "MGC": _SYMMETRIC, "NQ": _ASYMMETRIC, "SIM": _SYMMETRIC}


@dataclass(frozen=True, kw_only=True)
class MarketSettings:
    """Phases 1 and 2.

    Attributes
    ----------
    quarantined_share_max : float
        Share of raw rows inside the kept expiries that may be quarantined before the partition is refused.
    roll_rule : str
        What makes the front roll: ``volume``, ``open_interest`` or ``calendar``; in any case at latest the session
        before first notice, and never back. Open interest needs ``open_interest.csv`` in the raw folder and does not
        work live, where nothing publishes it to the predictor.
    roll_volume_share : float
        A later month at or above this share of the front's volume in the previous session makes the front roll.
    roll_open_interest_share : float
        By rule ``open_interest``, the same of the open interest published by then; 1 rolls once it leads.
    roll_calendar_sessions : int
        By rule ``calendar``, sessions before the last one before first notice at whose open the front rolls to the
        nearest later month that trades.
    spike_scale_multiple : float
        A bar that leaves the two bars before it by more than this many robust scales, unsupported by volume and by
        other delivery months, is a spike.
    """

    quarantined_share_max: float = field(default=0.01, metadata=allow(at_least=0, at_most=1))
    roll_rule: str = field(default="volume", metadata=allow(one_of=("volume", "open_interest", "calendar")))
    roll_volume_share: float = field(default=0.25, metadata=allow(above=0, at_most=1))
    roll_open_interest_share: float = field(default=1.0, metadata=allow(above=0, at_most=1))
    roll_calendar_sessions: int = field(default=5, metadata=allow(at_least=0, at_most=60))
    spike_scale_multiple: float = field(default=25.0, metadata=allow(at_least=1, at_most=1_000_000))


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Phase 3.

    Attributes
    ----------
    certificate_cut_points : int
        Number of times at which each feature is recomputed from truncated and from perturbed bars.
    certificate_seed : int
        Seed of the cut points and perturbations.
    """

    certificate_cut_points: int = field(default=50, metadata=allow(at_least=10, at_most=100_000))
    certificate_seed: int = field(default=7, metadata=_A_SEED)


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Phase 4, labels.

    Attributes
    ----------
    events : str
        ``"cusum"`` (sampled by movement) or ``"all"`` (every eligible base bar).
    cusum_sigma_multiple : float
        CUSUM threshold in EWM standard deviations of the previous base bar's return.
    cusum_span_bars : int
        Span of that EWM.
    cost_history_sessions : int
        Trailing sessions whose ATR% ranks decide low or high cost; with fewer, the high cost is charged. The file may
        not change it: it belongs to the cost convention, and the feature that shows the cost follows this default.
    """

    events: str = field(default="cusum", metadata=allow(one_of=("cusum", "all")))
    cusum_sigma_multiple: float = field(default=2.0, metadata=allow(above=0, at_most=1000))
    cusum_span_bars: int = field(default=100, metadata=allow(at_least=2, at_most=100_000))
    cost_history_sessions: int = field(
        default=20,
        metadata=allow(
            fixed_because="it is part of the cost convention, and features, labels, simulator and live decisions have "
            "to charge by one history"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Phase 4, study and folds.

    Attributes
    ----------
    train_share, val_share : float
        Shares of the study's sessions; the rest is test.
    folds : int
        Purged folds over train.
    purge_bars, embargo_bars : int
        Base bars on the scheduled clock removed before a test fold's first ``t0`` and after its latest ``t1``.
    sessions_min : int
        Fewest sessions a study may be opened with: below it purge and embargo leave folds too small to judge.
    early_stop_tail_share : float
        Last share of a training part (by time, purged) that early stopping watches.
    """

    train_share: float = field(default=0.70, metadata=_A_SHARE)
    val_share: float = field(default=0.15, metadata=_A_SHARE)
    folds: int = field(default=5, metadata=allow(at_least=2, at_most=100))
    purge_bars: int = field(default=60, metadata=allow(at_least=0, at_most=100_000))
    embargo_bars: int = field(default=1440, metadata=allow(at_least=0, at_most=100_000))
    sessions_min: int = field(default=60, metadata=allow(at_least=1, at_most=100_000))
    early_stop_tail_share: float = field(default=0.15, metadata=_A_SHARE)


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """Phase 5.

    Attributes
    ----------
    tabular_primary_minutes : int
        Timeframe whose whole catalogue enters the tabular row.
    tabular_other_minutes : tuple of int
        Timeframes that lend the multi-timeframe subset; by default the rest of the ladder.
    sequence_window_bars : int
        Rows T of a sequence window, in base bars that exist, and the scheduled bars every fold's embargo is extended
        by. Where bars are missing a window reaches further back; the check ``windows_clear_of_judged_rows`` refuses
        windows of training rows that then show a bar of the judged block before them.
    sequence_outage_minutes_max : int
        Scheduled session minutes without a bar, between two neighbouring base bars, that a window still crosses.
    """

    tabular_primary_minutes: int = field(default=15, metadata=allow(one_of=TIMEFRAMES_MINUTES))
    tabular_other_minutes: tuple[int, ...] = field(
        default=(1, 5, 10, 20, 25, 30, 45, 60), metadata=allow(one_of=TIMEFRAMES_MINUTES)
    )
    sequence_window_bars: int = field(default=60, metadata=allow(at_least=2, at_most=1000))
    sequence_outage_minutes_max: int = field(default=30, metadata=allow(at_least=0, at_most=10_000))


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Phase 6: overrides of registry defaults, per model name.

    Attributes
    ----------
    parameters : mapping of str to mapping
        ``parameters.lightgbm.num_leaves = 31`` in the file. Here only its shape is checked; whether model, parameter
        and value exist is asked of the model registry by whoever loads the settings for a run.
    inputs : mapping of str to mapping
        ``inputs.lightgbm.feature_set = "tabular"`` in the file: the named set or the whole pool a model reads instead
        of the set its registry entry declares. Whether it exists and fits the model is asked where ``parameters`` are.
    seed : int
        Seed of every fit.
    fit_processes : int
        Most child processes in which the folds of a model that asks for a process of its own are fitted side by side; 0
        fits them where the run is. Each holds a model and a scaled copy of the rows. The results are the same bytes, so
        no digest covers it.
    """

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = field(default=11, metadata=_A_SEED)
    fit_processes: int = field(default=2, metadata=allow(at_least=0, at_most=64) | {_IN_DIGEST: False})


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Evaluation.

    Attributes
    ----------
    thetas : tuple of float
        Candidate thresholds: enter only if expected value exceeds theta x cost.
    resamples : int
        Bootstrap resamples of whole sessions behind every interval.
    confidence : float
        Coverage of the intervals.
    account_dollars : float
        Start balance of the simulated account.
    seed : int
        Seed of resampling and of the random-entry baseline.
    """

    thetas: tuple[float, ...] = field(
        default=(0.0, 0.25, 0.5, 1.0, 2.0), metadata=allow(at_least=0, at_most=1000, length_min=1)
    )
    resamples: int = field(default=2000, metadata=allow(at_least=100, at_most=1_000_000))
    confidence: float = field(default=0.95, metadata=_A_SHARE)
    account_dollars: float = field(default=50_000.0, metadata=allow(above=0, at_most=10**12))
    seed: int = field(default=23, metadata=_A_SEED)


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """Deployment.

    Attributes
    ----------
    parity_minutes : int
        Minutes replayed through the predictor, in a fresh process, before a bundle is published.
    """

    parity_minutes: int = field(default=2000, metadata=allow(at_least=1, at_most=1_000_000))


@dataclass(frozen=True, kw_only=True)
class ForwardSettings:
    """The forward period: sessions after the study's end, where champion and challenger meet.

    Attributes
    ----------
    sessions_max : int
        Latest forward sessions that are scored each night.
    """

    sessions_max: int = field(default=60, metadata=allow(at_least=1, at_most=10_000))


@dataclass(frozen=True, kw_only=True)
class TrackingSettings:
    """The log of runs (MLflow). It changes no output, so no output's digest covers it.

    Attributes
    ----------
    enabled : bool
        Whether models, releases and mornings are logged.
    uri : str
        Tracking store; empty means ``mlflow/mlflow.db`` in FACTORY_HOME. ``MLFLOW_TRACKING_URI`` in the environment
        comes before it.
    curve_points_max : int
        Most points of one learning curve that are drawn (its first and last round among them); the artifact
        ``curves.json`` has every round.
    """

    enabled: bool = field(default=True, metadata=allow())
    uri: str = field(default="", metadata=allow())
    curve_points_max: int = field(default=100, metadata=allow(at_least=2, at_most=10_000))


TRACKING_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
"""Kinds of tracking stores MLflow keeps runs in; it refuses folders (``file:``)."""


@dataclass(frozen=True, kw_only=True)
class FactorySettings:
    """All sections plus the profile they were built with."""

    profile: str = "fast"
    market: MarketSettings = MarketSettings()
    features: FeatureSettings = FeatureSettings()
    labels: LabelSettings = LabelSettings()
    splits: SplitSettings = SplitSettings()
    adapters: AdapterSettings = AdapterSettings()
    models: ModelSettings = ModelSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    forward: ForwardSettings = ForwardSettings()
    operation: OperationSettings = field(default_factory=OperationSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    tracking: TrackingSettings = TrackingSettings()
    barriers: Mapping[str, Mapping[int, Barriers]] = field(
        default_factory=lambda: {
            contract: {h: Barriers(k_up=u, k_down=d, max_bars=m) for h, (u, d, m) in rows.items()}
            for contract, rows in _BARRIERS.items()
        }
    )

    def barriers_of(self, contract: str, horizon: int) -> Barriers:
        """Barrier geometry of one partition.

        Raises
        ------
        UnknownNameError
            If no geometry is set for the pair.
        """
        try:
            return self.barriers[contract][horizon]
        except KeyError:
            raise UnknownNameError(
                f"no barriers for {contract}|{horizon}; set [barriers.{contract}.{horizon}]"
            ) from None

    def of_partition(self, key: PartitionKey) -> "FactorySettings":
        """The same settings with the barriers of one partition only: another's geometry is none of its business.

        A key without a horizon keeps the barriers of every horizon of its contract.
        """
        rows = self.barriers.get(key.contract, {})
        kept = {horizon: rows[horizon] for horizon in rows if key.horizon in (None, horizon)}
        return dataclasses.replace(self, barriers={key.contract: kept})

    def digest(self, *sections: str) -> str:
        """Sha256 over the named sections, in one spelling; identifies the settings an artifact was made with.

        Left out is what only says how the work is shared out and changes no byte of it.
        """
        chosen = {name: _plain(getattr(self, name)) for name in sections}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True, default=str).encode()).hexdigest()


PROFILES: MappingProxyType[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "fast": {"models": {"parameters": {"tcn": {"epochs_max": 8, "patience": 3}}}},
        "standard": {"features": {"certificate_cut_points": 100}},
        "full": {"features": {"certificate_cut_points": 200}, "labels": {"events": "all"}},
    }
)


PROFILE_FLOORS: MappingProxyType[str, int] = MappingProxyType({"epochs_max": 6, "patience": 2})
"""The parameters of models a profile may lower, and the lowest it may set: never widths, layers or windows.

The floors are a judgement, not a measurement: of fewer passes over the data nobody should conclude what a network is
worth. They bind profiles; a file of the user's may go lower, and then says so itself.
"""


def load_settings(
    profile: str = "fast",
    overrides_file: Path | None = None,
    *,
    more_problems: Callable[[FactorySettings], list[str]] | None = None,
) -> FactorySettings:
    """Defaults, then the profile, then the user's file.

    Parameters
    ----------
    profile : str
        A key of :data:`PROFILES`.
    overrides_file : Path, optional
        ``factory.toml``; absent is fine, malformed is not.
    more_problems : callable, optional
        Asked for what only other packages can judge (names and parameters of models); its answers join the message.

    Raises
    ------
    ConfigurationError
        Unknown profile, unknown key, wrong type or a value out of range; all mismatches of the file in one message.
    """
    if profile not in PROFILES:
        raise ConfigurationError(f"profile {profile!r}: expected one of {sorted(PROFILES)}")
    settings = FactorySettings(profile=profile)
    _refuse_profile(profile)
    for section, changes in PROFILES[profile].items():
        settings = dataclasses.replace(
            settings, **{section: dataclasses.replace(getattr(settings, section), **changes)}
        )
    problems: list[str] = []
    if overrides_file is not None and overrides_file.exists():
        settings = _overlay(settings, _parsed(overrides_file), problems)
    # What was refused kept its default, so nothing is told twice below.
    problems += _contradictions(settings)
    problems += more_problems(settings) if more_problems is not None else []
    if problems:
        where = overrides_file if overrides_file is not None else f"profile {profile}"
        raise ConfigurationError(f"{where}: " + "; ".join(problems) + ". Nothing was changed; correct the file.")
    return settings


def _refuse_profile(profile: str) -> None:
    """A profile that lowers what it may not, or below its floor, is a defect of this module."""
    wrong = [
        f"{model}.{name} = {value}"
        for model, changes in PROFILES[profile].get("models", {}).get("parameters", {}).items()
        for name, value in changes.items()
        if value < PROFILE_FLOORS.get(name, math.inf)
    ]
    if wrong:
        raise ConfigurationError(
            f"profile {profile!r} sets {', '.join(wrong)}: a profile may set {dict(PROFILE_FLOORS)} or more of these "
            "parameters and no others"
        )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path}: not valid TOML: {problem}. Correct the file or remove it.") from problem
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read: {problem}. Correct or remove it.") from problem


def _overlay(settings: FactorySettings, changes: Mapping[str, Any], problems: list[str]) -> FactorySettings:
    updated: dict[str, Any] = {}
    for key, value in changes.items():
        if key == "barriers":
            updated[key] = _overlay_barriers(settings.barriers, value, problems)
        elif key == "profile" or key not in {f.name for f in dataclasses.fields(settings)}:
            problems.append(f"unknown section [{key}]")
        elif not isinstance(value, Mapping):
            problems.append(f"[{key}] has to be a section, got {value!r}")
        else:
            updated[key] = _overlay_section(getattr(settings, key), value, f"[{key}]", problems)
    return dataclasses.replace(settings, **updated)


def _overlay_section(section: _Section, changes: Mapping[str, Any], where: str, problems: list[str]) -> _Section:
    fields = {f.name: f for f in dataclasses.fields(section)}  # type: ignore[arg-type]
    updated: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in fields:
            problems.append(f"{where} unknown key {key!r}; known: {sorted(fields)}")
            continue
        default = getattr(section, key)
        if isinstance(default, Mapping):
            rows = _tables(value, f"{where[:-1]}.{key}]", problems)
            # beside what the profile sets, not instead of it
            updated[key] = {**default, **{name: {**default.get(name, {}), **rows[name]} for name in rows}}
            continue
        try:
            typed = _typed(value, default)
        except TypeError as problem:
            problems.append(f"{where} {key}: {problem}")
            continue
        wrong = fields[key].metadata[ALLOWED].problem(key, typed, default)
        if wrong is None:
            updated[key] = typed
        else:
            problems.append(f"{where} {wrong}")
    return dataclasses.replace(section, **updated)  # type: ignore[type-var]


def _typed(value: Any, default: Any) -> Any:
    """A value of the file as the type of its default (of its elements, for a tuple); TypeError names the mismatch."""
    if isinstance(default, tuple):
        element = default[0] if default else ""  # the tuples that are empty by default are of names
        if not isinstance(value, list):
            raise TypeError(f"expected a list of {type(element).__name__}, got {value!r}")
        return tuple(_typed(item, element) for item in value)
    fits = isinstance(value, int | float if isinstance(default, float) else type(default))
    if not fits or isinstance(value, bool) != isinstance(default, bool):
        raise TypeError(f"expected {type(default).__name__}, got {value!r}")
    if not isinstance(default, float):
        return value
    if not _is_finite(value):
        raise TypeError(f"expected a finite number, got {value!r}")
    return float(value)


def _is_finite(value: float) -> bool:
    """False for nan and inf, which TOML spells (no bound refuses a nan), and for integers no float can hold."""
    return abs(value) <= sys.float_info.max


def _tables(value: Any, where: str, problems: list[str]) -> Mapping[str, Mapping[str, Any]]:
    """Sections of plain values by name, e.g. ``[models.parameters.lightgbm]``."""
    if not isinstance(value, Mapping):
        problems.append(f"{where} has to be a section, got {value!r}")
        return {}
    kept: dict[str, Mapping[str, Any]] = {}
    for name, rows in value.items():
        if not isinstance(rows, Mapping):
            problems.append(f"{where} {name}: expected a section {where[:-1]}.{name}], got {rows!r}")
            continue
        bad = {
            key: item
            for key, item in rows.items()
            if not isinstance(item, bool | int | float | str) or (not isinstance(item, str) and not _is_finite(item))
        }
        problems += [
            f"{where[:-1]}.{name}] {key}: expected one finite number, text or truth value, got {item!r}"
            for key, item in bad.items()
        ]
        kept[name] = {key: item for key, item in rows.items() if key not in bad}
    return kept


def _overlay_barriers(
    current: Mapping[str, Mapping[int, Barriers]], changes: Any, problems: list[str]
) -> Mapping[str, Mapping[int, Barriers]]:
    merged = {contract: dict(rows) for contract, rows in current.items()}
    if not isinstance(changes, Mapping):
        problems.append(f"[barriers] has to be a section, got {changes!r}")
        return merged
    for contract, rows in changes.items():
        if contract not in INSTRUMENTS or not isinstance(rows, Mapping):
            problems.append(f"[barriers.{contract}]: expected a known contract ({sorted(INSTRUMENTS)}) with sections")
            continue
        for horizon, values in rows.items():
            if horizon not in {str(known) for known in HORIZONS_BARS} or not isinstance(values, Mapping):
                problems.append(f"[barriers.{contract}.{horizon}]: expected a horizon of {HORIZONS_BARS}")
                continue
            base = merged[contract][int(horizon)]
            merged[contract][int(horizon)] = _overlay_section(
                base, values, f"[barriers.{contract}.{horizon}]", problems
            )
    return merged


def _contradictions(settings: FactorySettings) -> list[str]:
    """What no field shows alone."""
    splits, adapters, problems = settings.splits, settings.adapters, []
    if not splits.train_share + splits.val_share < 1:
        problems.append(
            f"[splits] train_share and val_share: expected shares that leave some test, got {splits.train_share} and "
            f"{splits.val_share}"
        )
    if adapters.tabular_primary_minutes in adapters.tabular_other_minutes:
        problems.append(
            f"[adapters] expected tabular_other_minutes without the primary {adapters.tabular_primary_minutes}, got "
            f"{list(adapters.tabular_other_minutes)}"
        )
    scheme = settings.tracking.uri.partition("://")[0].partition("+")[0]
    if settings.tracking.uri and scheme not in TRACKING_SCHEMES:
        problems.append(
            f"[tracking] uri: expected one of {[f'{known}://…' for known in TRACKING_SCHEMES]} or nothing, got "
            f"{settings.tracking.uri!r}"
        )
    problems += alert_contradictions(settings.alerts)
    for contract, rows in settings.barriers.items():
        problems += [
            f"[barriers.{contract}.{horizon}] expected max_bars >= {horizon}, got {chosen.max_bars}"
            for horizon, chosen in rows.items()
            if chosen.max_bars < horizon
        ]
    return problems


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        counted = [f.name for f in dataclasses.fields(value) if f.metadata.get(_IN_DIGEST, True)]
        return {name: _plain(getattr(value, name)) for name in counted}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
