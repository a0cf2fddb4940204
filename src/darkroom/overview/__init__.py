"""What the pipeline shows to read: ``front_page``; ``data_page`` with ``odd``; ``map_page`` with ``projection``."""
