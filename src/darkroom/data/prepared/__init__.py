"""The packed images of each split: ``packing`` writes them, ``prepared`` reads them."""
