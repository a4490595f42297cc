"""Raw tables: sources, reading of CSV and Parquet, the data contract."""
