"""``python -m equip``."""

from equip.cli import main

main()
