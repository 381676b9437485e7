"""The default IO manager of Dagster pickles; here every read and write goes through the store, so it refuses both."""

from typing import Any

import dagster as dg

from factory_assets.vocabulary.errors import FactoryError


class NoImplicitIO(dg.IOManager):
    """Refuses to load or keep values between steps."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Refuse: assets publish through the store."""
        raise FactoryError(f"{context.step_key} handed a {type(obj).__name__} to Dagster; publish it as a Product.")

    def load_input(self, context: dg.InputContext) -> Any:
        """Refuse: assets read through the store."""
        raise FactoryError(f"{context.name} is an implicit input; read it with Materialization.read.")
