"""The gate's statistics: functions of counts and arrays alone.

- ``paired``: exact tests of two models' answers on the same independent images
- ``grouped``: the same for groups of dependent images
- ``spending``: the level of each of many decisions
- ``power``: the gain that a test set can find
"""
