"""Neural networks on top of `autograd`: layers, losses, optimizers, training, data.

>>> import nn
>>> X, y = nn.data.xor()
>>> model = nn.MLP([2, 8, 1], activation=nn.Tanh)
>>> history = model.fit(X, y, loss=nn.binary_cross_entropy_with_logits, epochs=200, learning_rate=0.05)
>>> nn.accuracy(model.predict(X), y, threshold=0)
1.0
"""

from nn import (
    activations,
    beside,
    data,
    draw,
    explore,
    history,
    init,
    layers,
    loss,
    metrics,
    module,
    network,
    optim,
    persist,
    train,
)
from nn.activations import GELU, Apply, Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from nn.beside import compare_gif
from nn.data import train_test_split
from nn.draw import NetworkPicture, draw_network
from nn.history import History, Record, Recorder, record_activations, record_predictions, record_weights
from nn.layers import Dense
from nn.loss import (
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
from nn.metrics import accuracy, confusion_matrix
from nn.module import Buffer, Module, Parameter, observe
from nn.network import MLP, NeuralNetwork, Sequential
from nn.optim import SGD, Adam, Optimizer, RMSProp
from nn.persist import load, read, save
from nn.train import Trainer, fit, predict

__all__ = [
    "Adam", "Apply", "BCEWithLogits", "BinaryCrossEntropy", "Buffer", "CrossEntropy", "Dense", "GELU", "Hinge",
    "History", "Identity", "LeakyReLU", "Loss", "MLP", "MSE", "Module", "NetworkPicture", "NeuralNetwork", "Optimizer",
    "Parameter", "RMSProp", "ReLU", "Record", "Recorder", "SGD", "Sequential", "Sigmoid", "Softmax", "Softplus",
    "Tanh", "Trainer", "accuracy", "activations", "beside", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "compare_gif", "confusion_matrix", "cross_entropy", "data", "draw", "draw_network", "explore", "fit", "hinge",
    "history", "init", "layers", "load", "loss", "mean_squared_error", "metrics", "module", "network", "observe",
    "optim", "persist", "predict", "read", "record_activations", "record_predictions", "record_weights", "save",
    "train", "train_test_split",
]  # fmt: skip
