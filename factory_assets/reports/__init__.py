"""What a person looks at: plots of every phase and one self-contained HTML page a partition.

Belongs here: figures drawn from tables and the page they stand on. Does not: numbers (they come finished from
:mod:`factory_assets.evaluation` and the tables), where pages are kept (:mod:`factory_assets.orchestration`). The web UI
shows the same figures beside each asset. Matplotlib is imported when a figure is drawn.
"""
