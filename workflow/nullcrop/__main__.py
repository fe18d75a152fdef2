"""Entry point of ``python -m nullcrop``."""

from nullcrop.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
