import bundled  # noqa: F401
from pip._internal.cli.main import main

raise SystemExit(main())
