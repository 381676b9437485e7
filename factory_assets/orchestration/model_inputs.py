"""What each base model reads: the set its registry entry declares, or the one ``[models.inputs]`` names instead."""

from collections.abc import Mapping, Sequence
from typing import Any

from factory_assets.adapters.feature_sets import FEATURE_SETS, FeatureSet, feature_set
from factory_assets.models import registry
from factory_assets.vocabulary.errors import ConfigurationError

FEATURE_SET = "feature_set"
"""The one key of ``[models.inputs.<model>]``."""


def set_of_model(name: str, inputs: Mapping[str, Mapping[str, Any]]) -> FeatureSet:
    """Set a base model reads.

    Parameters
    ----------
    name : str
        Registry name.
    inputs : mapping of str to mapping
        Section ``[models.inputs]``, which comes before the entry; empty asks the entry alone.

    Raises
    ------
    UnknownNameError
        A set there is not.
    ConfigurationError
        A set that another adapter shapes.
    """
    declared = registry.entry(name)
    wanted = feature_set(str(inputs.get(name, {}).get(FEATURE_SET, declared.feature_set)))
    if wanted.adapter != declared.adapter:
        raise ConfigurationError(
            f"model {name!r}: feature set {wanted.name!r} is of the adapter {wanted.adapter!r}, the model reads "
            f"{declared.adapter!r}; sets it can read are {_sets_of(declared.adapter)}"
        )
    return wanted


def input_problems(inputs: Mapping[str, Mapping[str, Any]], tuned: Sequence[str]) -> list[str]:
    """What the file says of models' inputs that no run would ever read, or that a model could not.

    Parameters
    ----------
    inputs : mapping of str to mapping
        Section ``[models.inputs]`` as loaded.
    tuned : sequence of str
        Models a file may speak of.
    """
    problems = []
    for name, changes in inputs.items():
        where = f"[models.inputs.{name}]"
        if name not in tuned:
            problems.append(f"{where}: models whose inputs can be set are {list(tuned)}")
            continue
        if unknown := sorted({*changes} - {FEATURE_SET}):
            problems.append(f"{where} unknown key {unknown[0]!r}; known: ['{FEATURE_SET}']")
        known, found = _sets_of(registry.entry(name).adapter), changes.get(FEATURE_SET)
        if found is not None and found not in known:
            problems.append(f"{where} {FEATURE_SET}: expected one of {known}, got {found!r}")
    return problems


def _sets_of(adapter: str) -> list[str]:
    return sorted(name for name, one in FEATURE_SETS.items() if one.adapter == adapter)
