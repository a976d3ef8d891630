"""``python -m hodology`` is the ``hodology`` command."""

from hodology.cli import main

if __name__ == "__main__":
    main()
