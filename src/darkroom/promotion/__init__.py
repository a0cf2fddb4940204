"""Which model is in production.

- ``gate``: decide between candidate and champion
- ``contenders``: the gate's inputs and outputs
- ``predictions``: predictions of both models on the same test images
- ``champions``, ``history``: promotion records
- ``published``: read reports/promotion.json
- ``model_card``: the HTML model card
"""
