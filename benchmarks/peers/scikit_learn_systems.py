"""scikit-learn's perceptron for `worker.py`."""

import numpy as np
from sklearn.neural_network import MLPClassifier


class Backpropagation:
    """`MLPClassifier` 784-500-10 with ReLU, cross-entropy and Adam, its own initial weights, no weight decay.

    A portion is one call of `partial_fit`, which makes minibatches of it.
    """

    packages = ("scikit-learn", "scipy", "numpy")

    def __init__(self, weights):
        self.network = MLPClassifier((500,), batch_size=20, alpha=0.0, learning_rate_init=1e-3, random_state=0)

    def run(self, portions):
        """Train all portions."""
        for x, y, _ in portions:
            labels = y.reshape(-1, y.shape[-1]).argmax(axis=1)
            self.network.partial_fit(x.reshape(-1, x.shape[-1]), labels, classes=np.arange(10))

    def predict(self, x):
        """Probabilities."""
        return self.network.predict_proba(x)

    def wait(self):
        """Nothing is under way."""
