"""The Dagster side of the factory: the only package that imports it.

Belongs here: assets, checks, partitions, jobs, resources, and what the command line asks of them. Does not: finance
(the packages below), bytes (:mod:`factory_assets.storage`), plots (:mod:`factory_assets.reports`). An asset body loads,
makes one domain call and publishes; :mod:`factory_assets.orchestration.factory_asset` holds what all of them share.
"""
