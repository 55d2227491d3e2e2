"""A simulated year: the real renewer and the real agent, driven as their schedules drive them."""
