"""A new pipeline from a file: look at it, propose a schema and params, write the folder."""
