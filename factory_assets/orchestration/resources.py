"""The one resource of the graph: where the factory lives, which settings are in force, and what time it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import dagster as dg

from factory_assets.models import registry
from factory_assets.orchestration.model_inputs import input_problems
from factory_assets.orchestration.operation.presence import end_presence, hold_presence
from factory_assets.orchestration.tracking import Tracker
from factory_assets.storage import Store
from factory_assets.vocabulary.clock import Clock, factory_clock
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.settings import FactorySettings, load_settings


def profile_in_force() -> str:
    """Profile named by ``FACTORY_PROFILE``; ``fast`` if unset."""
    return os.environ.get("FACTORY_PROFILE") or "fast"


def settings_in_force(profile: str, settings_file: Path | None) -> FactorySettings:
    """Defaults, profile and the user's file, with the models' parameters held against the registry.

    Parameters
    ----------
    profile : str
        Budget of the run.
    settings_file : Path or None
        ``factory.toml``; absent is fine.

    Raises
    ------
    ConfigurationError
        Anything wrong with the file, a model or parameter it names included; all of it in one message.
    """
    return load_settings(profile, settings_file, more_problems=_model_problems)


def _model_problems(settings: FactorySettings) -> list[str]:
    """Parameters and inputs the file sets that no run would ever read, or that the model would refuse."""
    # Metas and baselines are fitted with their defaults: a value set for one would silently change nothing.
    tuned = [name for name in registry.names() if registry.entry(name).primary_minutes is not None]
    problems = []
    for name, changes in settings.models.parameters.items():
        if name not in tuned:
            problems.append(f"[models.parameters.{name}]: models whose parameters can be set are {tuned}")
            continue
        try:
            registry.entry(name).defaults.with_changes(changes, f"[models.parameters.{name}]")
        except ConfigurationError as problem:
            problems.append(str(problem).removesuffix("."))
    return problems + input_problems(settings.models.inputs, tuned)


class FactoryResource(dg.ConfigurableResource):
    """Home, settings, store and clock of one run.

    Attributes
    ----------
    profile : str
        Budget of the run (``fast``, ``standard``, ``full``), editable in the launchpad.
    home : str
        FACTORY_HOME for this run; empty means the environment's.
    """

    profile: str = profile_in_force()
    home: str = ""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> "Iterator[FactoryResource]":
        """Lend the resource to a run; for as long, whoever looks can tell that the run's process is alive."""
        run = context.run
        descriptor = hold_presence(self.place, run.run_id) if run is not None else None
        try:
            with super().yield_for_execution(context) as resource:
                yield resource
        finally:
            if run is not None and descriptor is not None:
                end_presence(self.place, run.run_id, descriptor)

    @cached_property
    def place(self) -> FactoryHome:
        """Folders of this run."""
        return FactoryHome(Path(self.home)) if self.home else FactoryHome.from_environment()

    @cached_property
    def settings(self) -> FactorySettings:
        """Defaults, profile and the user's overrides; a :class:`ConfigurationError` tells all that is wrong."""
        return settings_in_force(self.profile, self.place.settings_file)

    @property
    def clock(self) -> Clock:
        """The wall clock, or a rehearsal's; tests hand in another resource with a frozen one."""
        return factory_clock

    @cached_property
    def tracker(self) -> Tracker:
        """The log of what was fitted and released; it fails no run and changes no output."""
        return Tracker(self.place, self.settings.tracking)

    @cached_property
    def store(self) -> Store:
        """The only place that writes data."""
        return Store(self.place.store_url, clock=self.clock, locks_folder=self.place.root / "locks")
