"""The gate's rules, one file each; each returns findings.

- ``first``: a model without a predecessor must beat the largest class
- ``better``: significantly more correct predictions than the champion
- ``not_worse``: at most a margin below the champion and those before it
- ``classes``: no class is lost
- ``limits``: floor of accuracy, calibration, latency, size, memory
"""
