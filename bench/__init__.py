"""Measures what equip costs, as ratios to what the interpreter itself needs. ``make bench``, or ``python -m bench``."""
