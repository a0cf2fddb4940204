"""Evaluation of a network: scores, confidence intervals, slices, diagnosis, Grad-CAM.

- ``metrics``, ``scores``: confusion matrix, accuracy, F scores, calibration
- ``bootstrap``: confidence intervals by resampling groups
- ``curves``, ``slices``: reliability, ROC, label errors; scores of slices of the data
- ``diagnosis``: overfitting, underfitting and what to do
- ``grad_cam``, ``figures``, ``maps``: heat maps and pictures
- ``report``, ``cost``: tables and figures of one evaluation; latency, size, memory
"""
