"""What `peers.py --check` does."""


def check(environments):
    raise NotImplementedError
