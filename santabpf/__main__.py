"""python -m santabpf"""

from .cli import main

main()
