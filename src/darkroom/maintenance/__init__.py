"""Project maintenance.

- ``check``, ``check_data``, ``check_weights``, ``advice``: check params.yaml, data, initial weights, tracking store and
  registry before a run
- ``runs``: table of recorded runs
- ``restore``: rebuild a lost tracking store
- ``retrain``, ``offering``, ``summary``: retraining in CI, pull request, report
- ``cleaning``, ``needs``: free disk space, but keep what is still needed
"""
