"""The closed registry of models.

A model registers itself with :func:`register`; a user's package names the module that does so in the entry-point group
``factory_assets.models``. The first read imports all of them, once, and closes the registry: from then on it is frozen.
"""

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from factory_assets.models.fit_versions import fit_versions
from factory_assets.models.model_entry import ModelEntry, SearchRange
from factory_assets.models.parameters import ModelParameters
from factory_assets.vocabulary.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from factory_assets.models.base import BaseModel

_Model = TypeVar("_Model", bound="type[BaseModel]")

ENTRY_POINT_GROUP = "factory_assets.models"
_OWN_MODULES = (
    "factory_assets.models.boosting.gradient_lightgbm",
    "factory_assets.models.classical.logistic",
    "factory_assets.models.meta.logistic_meta",
    "factory_assets.models.neural.tcn",
)


class ModelRegistry:
    """Models by name: open while its modules are imported, closed and frozen afterwards.

    Parameters
    ----------
    modules : sequence of str
        Modules whose import registers the factory's own models.
    group : str or None
        Entry-point group of users' packages; None for none.
    """

    def __init__(self, *, modules: Sequence[str], group: str | None) -> None:
        self._modules = tuple(modules)
        self._group = group
        self._pending: dict[str, ModelEntry] = {}
        self._closed: MappingProxyType[str, ModelEntry] | None = None
        self._loading = False
        self._lock = threading.RLock()

    def register(
        self,
        *,
        name: str,
        family: str,
        adapter: str,
        primary_minutes: int | None,
        feature_set: str,
        scaling: str,
        window: int | None,
        defaults: ModelParameters,
        search_space: Mapping[str, SearchRange],
        determinism: str,
        file_format: str,
        weights_equal_copies: bool = False,
        rounds_parameter: str | None = None,
        own_process: bool = False,
        resumable: bool = False,
        has_thresholds: bool = False,
        memorising: Mapping[str, bool | int | float] = MappingProxyType({}),
    ) -> Callable[[_Model], _Model]:
        """Class decorator that adds a model; the fields are those of :class:`ModelEntry`.

        Raises
        ------
        ConfigurationError
            A name that is taken, an entry that contradicts itself, or a registry that was read already.
        """

        def _add(model_class: _Model) -> _Model:
            entry = ModelEntry(
                name=name,
                family=family,
                adapter=adapter,
                primary_minutes=primary_minutes,
                feature_set=feature_set,
                scaling=scaling,
                window=window,
                defaults=defaults,
                search_space=search_space,
                determinism=determinism,
                file_format=file_format,
                weights_equal_copies=weights_equal_copies,
                rounds_parameter=rounds_parameter,
                own_process=own_process,
                resumable=resumable,
                has_thresholds=has_thresholds,
                memorising=memorising,
                model_class=model_class,
            )
            with self._lock:
                if self._closed is not None:
                    raise ConfigurationError(
                        f"model {name!r}: the registry is closed once it has been read. Register in a module named in "
                        f"the entry-point group {self._group!r}, which is imported before that."
                    )
                if name in self._pending:
                    holder = self._pending[name].model_class
                    raise ConfigurationError(
                        f"model {name!r}: the name is taken by {holder.__module__}.{holder.__qualname__}"
                    )
                self._pending[name] = entry
            model_class.entry = entry
            return model_class

        return _add

    def names(self) -> tuple[str, ...]:
        """Names of all models, sorted."""
        return tuple(sorted(self._entries()))

    def entry(self, name: str) -> ModelEntry:
        """Entry of one model.

        Raises
        ------
        UnknownNameError
            If no model has that name.
        """
        entries = self._entries()
        if name not in entries:
            raise UnknownNameError(f"model {name!r}: known models are {sorted(entries)}")
        return entries[name]

    def create(self, name: str, **params: Any) -> "BaseModel":
        """Unfitted model with the registry's defaults and the changes given.

        Raises
        ------
        UnknownNameError
            If no model has that name.
        ConfigurationError
            Unknown parameters, wrong types or values out of range.
        """
        return self.entry(name).model_class(**params)

    def _entries(self) -> Mapping[str, ModelEntry]:
        if self._closed is not None:
            return self._closed
        with self._lock:
            if self._closed is None:
                if self._loading:
                    raise ConfigurationError("the model registry was read while its modules are still being imported")
                self._loading = True
                try:
                    for module in self._modules:
                        importlib.import_module(module)
                    for point in entry_points(group=self._group) if self._group else ():
                        self._load(point)
                finally:
                    self._loading = False
                for entry in self._pending.values():
                    fit_versions(entry.model_class)  # what was just imported, before anybody edits it
                self._closed = MappingProxyType(dict(self._pending))
            return self._closed

    def _load(self, point: Any) -> None:
        try:
            point.load()
        except (ImportError, AttributeError) as problem:
            raise ConfigurationError(
                f"entry point {point.name!r} of group {self._group!r}: {point.value!r} cannot be loaded: {problem}. "
                "Correct or remove the package that declares it."
            ) from problem


REGISTRY = ModelRegistry(modules=_OWN_MODULES, group=ENTRY_POINT_GROUP)
register = REGISTRY.register
names = REGISTRY.names
entry = REGISTRY.entry
create = REGISTRY.create
