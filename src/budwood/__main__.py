"""``python -m budwood`` is ``budwood``."""

from budwood.cli.main import main

if __name__ == "__main__":
    main()
