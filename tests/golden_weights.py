"""Weights of the golden archives, which number B by pair: their ``B/k`` belongs to layer k + 1."""


def by_layer(key, k):
    """Number of weights in a circuit, from their number ``k`` in an archive."""
    return k + 1 if key == "B" else k


def initial_weights(golden):
    """Initial weights of an archive, as a circuit takes them: ``init/B/0`` is ``B/1``."""
    places = [name.split("/") for name in golden if name.startswith("init/")]
    return {f"{key}/{by_layer(key, int(k))}": golden[f"init/{key}/{k}"] for _, key, k in places}
