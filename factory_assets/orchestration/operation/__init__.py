"""Unattended operation: which runs are asked for and when, which runs died, and who is told of a failure.

Belongs here: the plan (what is due, as a pure function of what the store and the instance say), the look that gathers
that, the sensors that ask Dagster for what the plan wants, dead runs, alerts. Does not: what a run computes
(:mod:`factory_assets.orchestration.assets`), jobs (:mod:`factory_assets.orchestration.jobs`), promotion.
"""
