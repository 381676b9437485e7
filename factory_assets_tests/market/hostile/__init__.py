"""Hostile input: mutations of valid samples of every format, judged by a second, plain reading of the same bytes.

Belongs here: the samples' variants (:mod:`.bases`), the mutations by family of format (``*_mutations``), the plain
reading (:mod:`.plain_reading`, :mod:`.plain_binary`), and the run of one case and of thousands (:mod:`.one_case`,
:mod:`.corpus`). A case has a name, ``format/kind/number``, which is its seed:
``python -m factory_assets_tests.market.hostile.corpus csv/bad_time/17`` runs it again.
"""
