"""Tools for those who change the project: code deps of dvc.yaml, lock comparison, banned words."""
