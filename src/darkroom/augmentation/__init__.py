"""Random variations of training images, in batches of uint8 images.

- ``augmenter``: apply all that ``preprocess.augmentation`` enables; ``streams``: the random numbers of each part
- ``geometry``, ``appearance``: parts that move pixels, and those that change their values
- ``operations``: the operations on single images; ``policies``: TrivialAugment and RandAugment, which choose from them
- ``named``: transforms of albumentations by name
- ``mixing``: MixUp and CutMix, after all others
"""
