"""The page for people: what the stages, `score` and `registry` wrote, in a browser."""
