"""Every default of the factory, once. Overrides come from ``factory.toml`` in FACTORY_HOME.

Each class below is one section of that file (``[labels]``, ``[splits]``, ...); an unknown key is an error. A profile
(``fast``, ``standard``, ``full``) is a named set of overrides that spends more or less computing time; it never
changes what a number means.
"""

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from factory_assets.vocabulary.errors import ConfigurationError, UnknownNameError
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.timeframes import HORIZONS_BARS

_Section = TypeVar("_Section")


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

    k_up: float
    k_down: float
    max_bars: int


_ASYMMETRIC = {5: (1.5, 1.0, 12), 10: (2.0, 1.4, 25), 15: (2.5, 1.75, 38), 20: (3.0, 2.1, 50)}
_SYMMETRIC = {5: (1.2, 1.2, 12), 10: (1.6, 1.6, 25), 15: (2.0, 2.0, 38), 20: (2.5, 2.5, 50)}
_BARRIERS = {"MES": _ASYMMETRIC, "MGC": _SYMMETRIC, "SIM": _SYMMETRIC}


@dataclass(frozen=True, kw_only=True)
class MarketSettings:
    """Phases 1 and 2.

    Attributes
    ----------
    quarantined_share_max : float
        Share of raw rows inside the kept expiries that may be quarantined before the partition is refused.
    roll_volume_share : float
        A later month at or above this share of the front's volume in the previous session makes the front roll.
    spike_scale_multiple : float
        A bar that leaves the two bars before it by more than this many robust scales, unsupported by volume and by
        other delivery months, is a spike.
    """

    quarantined_share_max: float = 0.01
    roll_volume_share: float = 0.25
    spike_scale_multiple: float = 25.0


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

    certificate_cut_points: int = 50
    certificate_seed: int = 7


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
        Trailing sessions whose ATR% ranks decide low or high cost; with fewer, the high cost is charged.
    """

    events: str = "cusum"
    cusum_sigma_multiple: float = 2.0
    cusum_span_bars: int = 100
    cost_history_sessions: int = 20


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

    train_share: float = 0.70
    val_share: float = 0.15
    folds: int = 5
    purge_bars: int = 60
    embargo_bars: int = 1440
    sessions_min: int = 60
    early_stop_tail_share: float = 0.15


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """Phase 5.

    Attributes
    ----------
    tabular_primary_minutes : int
        Timeframe whose whole catalogue enters the tabular row.
    tabular_other_minutes : tuple of int
        Timeframes that lend the multi-timeframe subset.
    """

    tabular_primary_minutes: int = 15
    tabular_other_minutes: tuple[int, ...] = (5, 30, 60)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Phase 6: overrides of registry defaults, per model name.

    Attributes
    ----------
    parameters : mapping of str to mapping
        ``parameters.lightgbm.num_leaves = 31`` in the file; an unknown model or parameter is an error at use.
    seed : int
        Seed of every fit.
    """

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 11


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

    thetas: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    resamples: int = 2000
    confidence: float = 0.95
    account_dollars: float = 50_000.0
    seed: int = 23


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """Deployment.

    Attributes
    ----------
    parity_minutes : int
        Minutes replayed through the predictor, in a fresh process, before a bundle is published.
    """

    parity_minutes: int = 2000


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

    def digest(self, *sections: str) -> str:
        """Sha256 over the named sections, in one spelling; identifies the settings an artifact was made with."""
        chosen = {name: _plain(getattr(self, name)) for name in sections}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True, default=str).encode()).hexdigest()


PROFILES: MappingProxyType[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "fast": {},
        "standard": {"features": {"certificate_cut_points": 100}},
        "full": {"features": {"certificate_cut_points": 200}, "labels": {"events": "all"}},
    }
)


def load_settings(profile: str = "fast", overrides_file: Path | None = None) -> FactorySettings:
    """Defaults, then the profile, then the user's file.

    Parameters
    ----------
    profile : str
        A key of :data:`PROFILES`.
    overrides_file : Path, optional
        ``factory.toml``; absent is fine, malformed is not.

    Raises
    ------
    ConfigurationError
        Unknown profile, unknown key, wrong type or a value out of range; all mismatches of the file in one message.
    """
    if profile not in PROFILES:
        raise ConfigurationError(f"profile {profile!r}: expected one of {sorted(PROFILES)}")
    settings = FactorySettings(profile=profile)
    for section, changes in PROFILES[profile].items():
        settings = dataclasses.replace(
            settings, **{section: dataclasses.replace(getattr(settings, section), **changes)}
        )
    if overrides_file is not None and overrides_file.exists():
        settings = _overlay(settings, _parsed(overrides_file), str(overrides_file))
    _check(settings, str(overrides_file) if overrides_file else "defaults")
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path}: not valid TOML: {problem}. Correct the file or remove it.") from problem


def _overlay(settings: FactorySettings, changes: Mapping[str, Any], where: str) -> FactorySettings:
    problems: list[str] = []
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
    if problems:
        raise ConfigurationError(f"{where}: " + "; ".join(problems) + ". Nothing was changed; correct the file.")
    return dataclasses.replace(settings, **updated)


def _overlay_section(section: _Section, changes: Mapping[str, Any], where: str, problems: list[str]) -> _Section:
    fields = {f.name: f for f in dataclasses.fields(section)}  # type: ignore[arg-type]
    updated: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in fields:
            problems.append(f"{where} unknown key {key!r}; known: {sorted(fields)}")
            continue
        default = getattr(section, key)
        if isinstance(default, bool) or not isinstance(default, int | float):
            fits = isinstance(value, list) if isinstance(default, tuple) else isinstance(value, type(default) | dict)
        else:
            fits = isinstance(value, int | float if isinstance(default, float) else int) and not isinstance(value, bool)
        if not fits:
            problems.append(f"{where} {key}: expected {type(default).__name__}, got {value!r}")
            continue
        updated[key] = (
            tuple(value) if isinstance(default, tuple) else float(value) if isinstance(default, float) else value
        )
    return dataclasses.replace(section, **updated)  # type: ignore[type-var]


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
            if not (horizon.isdigit() and int(horizon) in HORIZONS_BARS and isinstance(values, Mapping)):
                problems.append(f"[barriers.{contract}.{horizon}]: expected a horizon of {HORIZONS_BARS}")
                continue
            base = merged[contract][int(horizon)]
            merged[contract][int(horizon)] = _overlay_section(
                base, values, f"[barriers.{contract}.{horizon}]", problems
            )
    return merged


def _check(settings: FactorySettings, where: str) -> None:
    splits, problems = settings.splits, []
    if settings.labels.events not in {"cusum", "all"}:
        problems.append(f"[labels] events: expected 'cusum' or 'all', got {settings.labels.events!r}")
    if not (splits.train_share > 0 and splits.val_share > 0 and splits.train_share + splits.val_share < 1):
        problems.append("[splits] train_share and val_share: expected positive shares that leave some test")
    if splits.folds < 2 or splits.purge_bars < 0 or splits.embargo_bars < 0:
        problems.append("[splits] expected folds >= 2, purge_bars >= 0 and embargo_bars >= 0")
    if not 0 < settings.evaluation.confidence < 1:
        problems.append(f"[evaluation] confidence: expected a share in (0, 1), got {settings.evaluation.confidence}")
    for contract, rows in settings.barriers.items():
        problems += [
            f"[barriers.{contract}.{h}] expected positive k_up, k_down and max_bars >= h, got {b}"
            for h, b in rows.items()
            if not (b.k_up > 0 and b.k_down > 0 and b.max_bars >= h)
        ]
    if problems:
        raise ConfigurationError(f"{where}: " + "; ".join(problems))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
