"""Neural networks on top of `autograd`: layers, losses, optimizers, training, data.

>>> import nn
>>> X, y = nn.data.xor()
>>> model = nn.MLP([2, 8, 1], activation=nn.Tanh)
>>> history = model.fit(X, y, loss=nn.binary_cross_entropy_with_logits, epochs=200, learning_rate=0.05)
>>> nn.accuracy(model.predict(X), y, threshold=0)
1.0
"""

from . import activations, data, history, init, layers, loss, metrics, module, network, optim, persist, train
from .activations import GELU, Apply, Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from .data import train_test_split
from .history import History, Record, Recorder, record_activations, record_predictions, record_weights
from .layers import Dense
from .loss import (
    MSE,
    BCEWithLogits,
    BinaryCrossEntropy,
    CrossEntropy,
    Hinge,
    Loss,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge,
    mean_squared_error,
)
from .metrics import accuracy, confusion_matrix
from .module import Buffer, Module, Parameter, observe
from .network import MLP, NeuralNetwork, Sequential
from .optim import SGD, Adam, Optimizer, RMSProp
from .persist import load, read, save
from .pictures.comparison import compare_gif
from .pictures.diagrams import draw
from .pictures.neurons import NetworkPicture
from .pictures.pages import explore
from .train import Trainer, fit, predict

__all__ = [
    "Adam", "Apply", "BCEWithLogits", "BinaryCrossEntropy", "Buffer", "CrossEntropy", "Dense", "GELU", "Hinge",
    "History", "Identity", "LeakyReLU", "Loss", "MLP", "MSE", "Module", "NetworkPicture", "NeuralNetwork", "Optimizer",
    "Parameter", "RMSProp", "ReLU", "Record", "Recorder", "SGD", "Sequential", "Sigmoid", "Softmax", "Softplus",
    "Tanh", "Trainer", "accuracy", "activations", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "compare_gif", "confusion_matrix", "cross_entropy", "data", "draw", "explore", "fit", "hinge",
    "history", "init", "layers", "load", "loss", "mean_squared_error", "metrics", "module", "network", "observe",
    "optim", "persist", "predict", "read", "record_activations", "record_predictions", "record_weights", "save",
    "train", "train_test_split",
]  # fmt: skip
