"""The solution of the exercise `python -m demos manual_backprop`: what stands in the place of every blank."""

import numpy as np

from demos.manual_backprop.data import batch, parameters

X, Y = batch()  # (32, 3): three characters of a name, as numbers; (32,): the character that follows
C, W1, gain, shift, W2, b2 = parameters()
n = len(Y)

# ---------------------------------------------------------------------------------------------------------- forward
emb = C[X]  # a vector for every character
flat = emb.reshape(n, -1)
z = flat @ W1  # no bias: the mean is subtracted next, and any bias with it
mean = z.sum(axis=0, keepdims=True) / n  # batch normalisation: every column gets mean 0 and variance 1 ...
centred = z - mean
square = centred**2
var = square.sum(axis=0, keepdims=True) / (n - 1)
inv = (var + 1e-5) ** -0.5
normed = centred * inv
act = gain * normed + shift  # ... and then the mean and the variance that training likes
h = np.tanh(act)
logits = h @ W2 + b2
shifted = logits - logits.max(axis=1, keepdims=True)  # keeps exp small, and changes nothing: no gradient
counts = np.exp(shifted)
total = counts.sum(axis=1, keepdims=True)
probs = counts / total
logprobs = np.log(probs)
loss = -logprobs[np.arange(n), Y].mean()

# --------------------------------------------------------------------------------------------------------- backward
dlogprobs = -np.eye(len(b2))[Y] / n  # (32, 12)
dprobs = dlogprobs / probs  # (32, 12)
dtotal = -(dprobs * counts / total**2).sum(axis=1, keepdims=True)  # (32, 1)
dcounts = dprobs / total + dtotal  # (32, 12)
dshifted = dcounts * counts  # (32, 12)
dlogits = dshifted  # (32, 12)
dh = dlogits @ W2.T  # (32, 16)
dW2 = h.T @ dlogits  # (16, 12)
db2 = dlogits.sum(axis=0)  # (12,)
dact = dh * (1 - h**2)  # (32, 16)
dgain = (dact * normed).sum(axis=0, keepdims=True)  # (1, 16)
dshift = dact.sum(axis=0, keepdims=True)  # (1, 16)
dnormed = dact * gain  # (32, 16)
dinv = (dnormed * centred).sum(axis=0, keepdims=True)  # (1, 16)
dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv  # (1, 16)
dsquare = np.ones_like(square) * dvar / (n - 1)  # (32, 16)
dcentred = dnormed * inv + 2 * centred * dsquare  # (32, 16)
dmean = -dcentred.sum(axis=0, keepdims=True)  # (1, 16)
dz = dcentred + dmean / n  # (32, 16)
dflat = dz @ W1.T  # (32, 12)
dW1 = flat.T @ dz  # (12, 16)
demb = dflat.reshape(emb.shape)  # (32, 3, 4)
dC = np.zeros_like(C)  # (12, 4)
np.add.at(dC, X, demb)
