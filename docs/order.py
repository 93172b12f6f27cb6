"""The order of the examples in the gallery, from a first look to custom cells and rules."""

#: Examples that are named nowhere here stand between these and `LAST`, by name.
FIRST = (
    "train_and_look",
    "plot_notebook",
    "plot_circuit",
    "plot_compartments",
    "plot_learning",
    "plot_weights",
    "plot_activity",
    "plot_conventions",
    "plot_domains",
    "plot_rules",
)
LAST = ("custom_cell", "custom_rule", "custom_learner")


class Order:
    """Sort key of the gallery's files, as sphinx-gallery takes it."""

    def __init__(self, folder):
        pass

    def __call__(self, file):
        """Give the place of a file."""
        name = file.removesuffix(".py")
        if name in FIRST:
            return (0, FIRST.index(name), name)
        return (2, LAST.index(name), name) if name in LAST else (1, 0, name)
