"""Parameter files for the experiments that come with the package."""
