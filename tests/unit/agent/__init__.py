"""Tests of the agent's parts. They run under Python 3.8 too, as the agent does on a NAS."""
