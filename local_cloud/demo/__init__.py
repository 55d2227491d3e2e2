"""`make demo`: the main job end to end on the embedded cloud, with a table of what was proven."""
