"""hodology: find, measure, edit and draw the paths that signals take through networks.

The package is imported lazily: `import hodology` loads no array library. Use the rooms directly,
for example ``from hodology.interpret import NeuronPath``.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
