"""A small simulated market taken all the way to a release, by the batch functions."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pandas as pd

from factory_assets.adapters import build_tabular, column_name, container_of
from factory_assets.deployment import Release, batch_rows
from factory_assets.features import catalogue, compute
from factory_assets.features.pools import tabular_pool
from factory_assets.labels import label_decisions, normalised
from factory_assets.market import SessionCalendar, build_canonical, build_ladder, simulate
from factory_assets.models import create
from factory_assets.splits.study import open_study
from factory_assets.stacking import FittedMeta, fit_member, meta_inputs
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import FactorySettings

CONTRACT, HORIZON = "SIM", 20
SESSIONS = 80
# Both rolls then matter: the one of December 2022 lies before the look-back of val, so that live and batch prices
# differ by its ratio; the one of March 2023 lies in val.
FIRST_DATE = date(2022, 12, 5)
SMALL = {"lightgbm": {"num_iterations": 40}, "logistic": {}}


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
    batch: pd.DataFrame


@cache
def release_world(seed=4):
    settings, product = FactorySettings(), instrument(CONTRACT)
    calendar = SessionCalendar.of(product)
    raw = simulate("planted", seed, SESSIONS, FIRST_DATE)
    canonical = build_canonical(raw, product, calendar, settings.market)
    sessions = calendar.covering(times_us(canonical.bars["open_time"]), pad_days=14)
    ladder = build_ladder(canonical.bars, sessions)
    pool = tabular_pool(settings.adapters.tabular_primary_minutes, settings.adapters.tabular_other_minutes)
    features = {m: compute(ladder[m].assign(contract=CONTRACT), names, minutes=m) for m, names in pool.items()}
    barriers = settings.barriers_of(CONTRACT, HORIZON)
    labels = label_decisions(ladder[5], ladder[1], sessions, product, barriers, settings.labels, HORIZON)
    days, counts = np.unique(dates_days(canonical.bars["trade_date"]), return_counts=True)
    study = open_study(
        CONTRACT, days, settings.splits, lambda: datetime(2026, 1, 1, tzinfo=UTC), session_bars=counts // 5
    )
    train = _train(labels, features, pool, study.train_last_day)
    release = _release(train, pool, barriers, settings, study, sessions.base_clock_us())
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


def _release(train, pool, barriers, settings, study, clock_us):
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    kinds = [scaling[name] for names in pool.values() for name in names]
    assert tuple(column_name(n, m) for m, names in pool.items() for n in names) == train.feature_names
    members = {
        name: fit_member(name, params, train, kinds, settings=settings.splits, clock_us=clock_us, seed=11)
        for name, params in SMALL.items()
    }
    probabilities = {name: member.predict_proba(train.features) for name, member in members.items()}
    names = tuple(sorted(members))
    meta = create("logistic_meta", seed=11).fit(meta_inputs(probabilities, names), train.label)
    return Release(
        contract=CONTRACT,
        horizon=HORIZON,
        barriers=barriers,
        labels=settings.labels,
        market=settings.market,
        pool=pool,
        members=members,
        meta=FittedMeta(base_names=names, model=meta),
        theta=0.25,
        m0_long=0.05,
        m0_short=-0.04,
        study=study.to_json(),
        inputs={"tabular": "0" * 64},
        metrics={"net_pnl_dollars": 12.5, "trades": 31},
        profile="fast",
    )
