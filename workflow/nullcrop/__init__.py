"""nullcrop: can a network read the diagnosis off pixels that hold none?

The package knows how each step is done and never imports Snakemake; the workflow around it
knows what depends on what. Every rule is one sub-command of ``python -m nullcrop``.
"""

__version__ = "0.1.0"
