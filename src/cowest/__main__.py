"""`python -m cowest`, which is also what `accelerate launch -m cowest` starts."""

import sys

from cowest.cli.main import main

sys.exit(main())
