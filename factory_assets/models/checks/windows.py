"""Checks of models of windows: lazy windows and the array they stand for are one thing."""

from functools import partial

import numpy as np

from factory_assets.models.checks.require import require, require_refusal
from factory_assets.models.checks.worlds import overlapping_windows
from factory_assets.models.registry import create, entry
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows


def check_lazy_windows_equal_dense_arrays(name: str) -> None:
    """Windows over a shared store fit and predict, bit for bit, as the array of their values in any order does."""
    if entry(name).dimensions != 3:
        return
    lazy = overlapping_windows(rows=400, windows=240)
    dense = lazy.materialised()
    labels = np.where(dense[:, -3:, 0].sum(axis=1) > 0, 1, -1)
    train, later = np.arange(180), np.arange(180, 240)
    back = train[::-1]
    one = create(name).fit(lazy[train], labels[train], eval_set=(lazy[later], labels[later]))
    two = create(name).fit(dense[back], labels[back], eval_set=(dense[later], labels[later]))
    require(one.to_files() == two.to_files(), f"{name}: lazy windows and their array fit to other files")
    same = bool((one.predict_proba(lazy[later]) == one.predict_proba(dense[later])).all())
    require(same, f"{name}: lazy windows and their array are predicted differently")


def check_holes_behind_windows_are_refused(name: str) -> None:
    """NaN in a row some window shows, or in a pad one shows, is refused; one that no window shows is no matter."""
    if entry(name).dimensions != 3:
        return
    lazy = overlapping_windows(rows=120, windows=60)
    labels = np.arange(60) % 3
    model = create(name).fit(lazy, labels)
    plain = model.predict_proba(lazy)
    unused, shown = int(np.flatnonzero(~lazy.used_rows())[0]), int(lazy.first[7])
    for row, is_shown in ((unused, False), (shown, True)):
        store = lazy.store.copy()
        store[row, 1] = np.nan
        holed = LazyWindows(store=store, last=lazy.last, first=lazy.first, length=lazy.length, pad=lazy.pad)
        if is_shown:
            require_refusal(partial(create(name).fit, holed, labels), BadInputError, "column 1", name)
            require_refusal(partial(model.predict_proba, holed), BadInputError, "column 1", name)
        else:
            require(
                bool((model.predict_proba(holed) == plain).all()), f"{name}: a row no window shows changes something"
            )
    padless = LazyWindows(
        store=lazy.store, last=lazy.last, first=lazy.first, length=lazy.length, pad=np.full_like(lazy.pad, np.nan)
    )
    require_refusal(partial(create(name).fit, padless, labels), BadInputError, "step 0", name)
    whole = lazy.last - lazy.first + 1 == lazy.length
    require(bool((model.predict_proba(padless[whole]) == plain[whole]).all()), f"{name}: a pad nobody shows counts")
