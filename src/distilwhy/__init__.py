"""distilwhy: distil an LLM's answers and its reasons into a small model you own.

The public names are listed in ``__init__.pyi`` and loaded on first use: importing the package loads
no torch.
"""

import lazy_loader

from distilwhy._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
