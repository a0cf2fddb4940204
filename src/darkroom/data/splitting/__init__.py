"""Find near-duplicate pairs (``near_duplicates.search``) and assign images to splits (``assign``)."""
