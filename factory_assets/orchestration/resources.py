"""The one resource of the graph: where the factory lives, which settings are in force, and what time it is."""

import os
from functools import cached_property
from pathlib import Path

import dagster as dg

from factory_assets.storage import Store
from factory_assets.vocabulary.clock import Clock, system_clock
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.settings import FactorySettings, load_settings


def profile_in_force() -> str:
    """Profile named by ``FACTORY_PROFILE``; ``fast`` if unset."""
    return os.environ.get("FACTORY_PROFILE") or "fast"


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

    @cached_property
    def place(self) -> FactoryHome:
        """Folders of this run."""
        return FactoryHome(Path(self.home)) if self.home else FactoryHome.from_environment()

    @cached_property
    def settings(self) -> FactorySettings:
        """Defaults, profile and the user's overrides."""
        return load_settings(self.profile, self.place.settings_file)

    @property
    def clock(self) -> Clock:
        """The wall clock; tests hand in another resource with a frozen one."""
        return system_clock

    @cached_property
    def store(self) -> Store:
        """The only place that writes data."""
        return Store(self.place.store_url, clock=self.clock, locks_folder=self.place.root / "locks")
