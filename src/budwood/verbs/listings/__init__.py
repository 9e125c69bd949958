"""Models and versions as another tool lists them: by title, with sources, tags and descriptions."""
