"""`python -m openwindow` is `openwindow`."""

from openwindow.cli.app import main

if __name__ == "__main__":
    main()
