"""A small simulated market taken all the way to a release, by the batch functions."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pandas as pd

from factory_assets.adapters import build_tabular, candidates_of, column_name, container_of, feature_set
from factory_assets.adapters.sequence import window_index, windows_of
from factory_assets.deployment import BatchRows, Release, SequenceInput, batch_rows
from factory_assets.deployment.release import features_read, reading_regimes
from factory_assets.features import catalogue, compute
from factory_assets.features.pools import sequence_pool, tabular_columns
from factory_assets.labels import label_decisions, normalised
from factory_assets.market import SessionCalendar, build_canonical, build_ladder, simulate
from factory_assets.models import create
from factory_assets.models.registry import entry
from factory_assets.splits.study import open_study
from factory_assets.stacking import FittedMeta, fit_member, meta_inputs
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import FactorySettings, MarketSettings
from factory_assets_tests.features.regime_samples import invented_regimes

CONTRACT, HORIZON = "SIM", 20
SESSIONS = 80
# Both rolls then matter: the one of December 2022 lies before the look-back of val, so that live and batch prices
# differ by its ratio; the one of March 2023 lies in val.
FIRST_DATE = date(2022, 12, 5)
SMALL = {"lightgbm": {"num_iterations": 40}, "logistic": {}}
WINDOW_BARS = 24


@dataclass(frozen=True)
class ReleaseWorld:
    """Raw minutes, batch tables and a release fitted on the train period."""

    raw: pd.DataFrame
    canonical: pd.DataFrame
    rolls: pd.DataFrame
    ladder: dict
    features: dict
    labels: pd.DataFrame
    release: Release
    batch: BatchRows


@cache
def release_world(seed=4, window_bars=WINDOW_BARS, epochs=1, channels=8, has_volume=True):
    """The world and a release with members of both adapters."""
    settings, product = FactorySettings(), instrument(CONTRACT)
    calendar = SessionCalendar.of(product)
    raw = simulate("planted", seed, SESSIONS, FIRST_DATE)
    if not has_volume:
        settings = dataclasses.replace(settings, market=MarketSettings(roll_rule="calendar"))
        raw = raw.assign(volume=np.nan)
    canonical = build_canonical(raw, product, calendar, settings.market, has_volume=has_volume)
    sessions = calendar.covering(times_us(canonical.bars["open_time"]), pad_days=14)
    ladder = build_ladder(canonical.bars, sessions)
    pool, names = tabular_columns(settings.adapters, has_volume=has_volume), sequence_pool(has_volume=has_volume)
    sequence = SequenceInput(minutes=5, names=names, window_bars=window_bars, outage_minutes_max=30)
    names = {**pool, 5: sequence.names}
    own = {m: ladder[m].assign(contract=CONTRACT) for m in pool}
    regimes = {m: invented_regimes(own[m], m) for m in pool}
    features = {m: compute(own[m], names[m], minutes=m, regimes=regimes[m]) for m in pool}
    barriers = settings.barriers_of(CONTRACT, HORIZON)
    labels = label_decisions(ladder[5], ladder[1], sessions, product, barriers, settings.labels, HORIZON)
    days, counts = np.unique(dates_days(canonical.bars["trade_date"]), return_counts=True)
    study = open_study(
        CONTRACT, days, settings.splits, lambda: datetime(2026, 1, 1, tzinfo=UTC), session_bars=counts // 5
    )
    clock_us = sessions.base_clock_us()
    tabular = _train(labels, features, pool, study.train_last_day)
    containers = {"tabular": tabular, "sequence": _windowed(tabular, features[5], sequence, clock_us)}
    params = {**SMALL, "tcn": {"epochs_max": epochs, "channels": channels}}
    release = _release(containers, pool, sequence, regimes, barriers, settings, study, clock_us, params, has_volume)
    return ReleaseWorld(
        raw=raw,
        canonical=canonical.bars,
        rolls=canonical.rolls,
        ladder=ladder,
        features=features,
        labels=labels,
        release=release,
        batch=batch_rows(release, labels, features),
    )


def _train(labels, features, pool, last_day):
    sample = labels[labels["event"] & (dates_days(labels["trade_date"]) <= last_day)]
    rows = build_tabular(times_us(sample["decision_time"]), dates_days(sample["trade_date"]), features, pool)
    return container_of(rows, sample, normalised(sample["uniqueness"].to_numpy()))


def _windowed(tabular, features, sequence, clock_us):
    last, first = window_index(
        tabular.decision_us,
        times_us(features["close_time"]),
        clock_us,
        window_bars=sequence.window_bars,
        outage_minutes_max=sequence.outage_minutes_max,
    )
    windows = windows_of(features, sequence.names, last, first, window_bars=sequence.window_bars)
    return dataclasses.replace(tabular, features=windows, feature_names=sequence.names)


def _release(containers, pool, sequence, regimes, barriers, settings, study, clock_us, params, has_volume):
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    members = {}
    for name, changes in params.items():
        train = containers[entry(name).adapter]
        kinds = [scaling[column.split("__")[0]] for column in train.feature_names]
        wanted = candidates_of(feature_set(entry(name).feature_set), settings.adapters, has_volume=has_volume)
        members[name] = fit_member(
            name, changes, train, kinds, settings=settings.splits, clock_us=clock_us, seed=11, candidates=wanted
        )
    pool, sequence = _pool_of(members, pool), _sequence_of(members, sequence)
    return Release(
        contract=CONTRACT,
        horizon=HORIZON,
        barriers=barriers,
        labels=settings.labels,
        market=settings.market,
        has_volume=has_volume,
        joins_without_overlap=False,
        pool=pool,
        sequence=sequence,
        regimes={m: regimes[m] for m in reading_regimes(features_read(pool, sequence))},
        members=members,
        meta=_meta(members, containers),
        theta=0.25,
        m0_long=0.05,
        m0_short=-0.04,
        study=study.to_json(),
        inputs={"tabular": "0" * 64},
        metrics={"net_pnl_dollars": 12.5, "trades": 31},
        profile="fast",
    )


def _read(members, adapter):
    return {column for m in members.values() if m.model.entry.adapter == adapter for column in m.feature_names}


def _pool_of(members, pool):
    """What the tabular members chose, in the order of their rows."""
    read = _read(members, "tabular")
    kept = {m: tuple(name for name in names if column_name(name, m) in read) for m, names in pool.items()}
    return {m: names for m, names in kept.items() if names}


def _sequence_of(members, sequence):
    read = _read(members, "sequence")
    return dataclasses.replace(sequence, names=tuple(name for name in sequence.names if name in read)) if read else None


def _meta(members, containers):
    said = {name: m.predict_samples(containers[m.model.entry.adapter]) for name, m in members.items()}
    names = tuple(sorted(members))
    meta = create("logistic_meta", seed=11).fit(meta_inputs(said, names), containers["tabular"].label)
    return FittedMeta(base_names=names, model=meta)


def without_windows(world):
    """A release of the tabular members alone; its meta is fitted on what they say of the batch rows."""
    members = {name: m for name, m in world.release.members.items() if m.model.entry.adapter == "tabular"}
    rows = world.labels["event"].to_numpy()
    said = world.batch.take(rows)
    names = tuple(sorted(members))
    probabilities = {name: p for name, p in world.release.member_probabilities(said.inputs).items() if name in members}
    label = world.labels.loc[rows, "label"].to_numpy().astype(np.int8)
    meta = create("logistic_meta", seed=11).fit(meta_inputs(probabilities, names), label)
    regimes = {m: world.release.regimes[m] for m in reading_regimes(features_read(world.release.pool, None))}
    meta = FittedMeta(base_names=names, model=meta)
    return dataclasses.replace(world.release, members=members, sequence=None, regimes=regimes, meta=meta)
