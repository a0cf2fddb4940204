"""Tables as sources: of paths and labels (``path_tables``), and Parquet files with images (``parquet_images``)."""
