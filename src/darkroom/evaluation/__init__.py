"""Evaluation of a network: scores, confidence intervals, slices, diagnosis, Grad-CAM.

- ``metrics``, ``scores``: confusion matrix, accuracy, F scores; ``losses``, ``calibration``, ``ranking``
- ``scored``: all scores with confidence intervals; ``intervals`` of shares and means,
  ``class_scores``, ``cells`` (counts by group and class)
- ``groups``: groups of dependent images
- ``curves``, ``slices``: reliability, ROC; scores of slices of the data
- ``diagnosis``: overfitting, underfitting and what to do; ``next_steps``: what to do about the result
- ``grad_cam``, ``figures``, ``maps``: heat maps and pictures
- ``report``, ``cost``: tables and figures of one evaluation; latency, size, memory
"""
