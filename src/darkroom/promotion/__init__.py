"""Which model is in production.

- ``gate``: decide between candidate and champion, by ``rules``, whose tests are in ``statistics``
- ``contenders``: the gate's inputs and outputs
- ``comparing``, ``predictions``: predictions of both models on the same test images
- ``leaks``: test images that a model has seen
- ``looks``, ``lives``: the decisions and champions before
- ``champions``, ``history``: promotion records
- ``published``: read reports/promotion.json
- ``model_card``: the HTML model card
"""
