"""`python -m openwindow` is `openwindow`."""

from openwindow.cli import main

if __name__ == "__main__":
    main()
