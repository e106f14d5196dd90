"""ResNets and what stands on them by definition, in NumPy and PyTorch's layout.

Each function makes the tensors that it needs, under their official names and with
PyTorch's shapes, so that a whole network is a checkpoint and its answer.
"""

import numpy as np


class Reference:
    """A network as it is computed: images `(n, 3, h, w)` to what it answers.

    Args:
        width: channels of layer1's 3x3 convolutions.
        modules: bottlenecks in each layer.

    Attributes:
        tensors: what it has needed so far, by official names.
    """

    def __init__(self, width, modules):
        self.width, self.modules = width, modules
        self.tensors = {}
        self.rng = np.random.default_rng(0)

    def weight(self, name, *shape):
        fan = np.prod(shape[1:]) if len(shape) == 4 else 4
        values = self.rng.normal(0, 1 / np.sqrt(fan), shape).astype(np.float32)
        self.tensors[name] = values
        return values.astype(np.float64)

    def conv(self, x, filters, kernel=1, stride=1, dilation=1, *, name, bias=False):
        pad = dilation * (kernel // 2)
        weight = self.weight(f"{name}.weight", filters, x.shape[1], kernel, kernel)
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        rows, columns = (
            (side + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for side in x.shape[2:]
        )
        y = np.zeros((len(x), filters, rows, columns))
        for i in range(kernel):
            for j in range(kernel):
                part = padded[:, :, i * dilation :, j * dilation :]
                part = part[:, :, ::stride, ::stride][:, :, :rows, :columns]
                y += np.einsum("nchw,fc->nfhw", part, weight[:, :, i, j])
        if bias:
            y += self.weight(f"{name}.bias", filters)[:, None, None]
        return y

    def bn(self, x, name, relu=True):
        count = x.shape[1]
        gamma, beta, mean = (
            self.weight(f"{name}.{leaf}", count)[:, None, None]
            for leaf in ("weight", "bias", "running_mean")
        )
        variance = self.rng.uniform(0.5, 1.5, count).astype(np.float32)
        self.tensors[f"{name}.running_var"] = variance
        self.tensors[f"{name}.num_batches_tracked"] = np.array(7)
        deviation = np.sqrt(variance.astype(np.float64) + 1e-5)[:, None, None]
        y = (x - mean) / deviation * gamma + beta
        return np.maximum(y, 0) if relu else y

    def bottleneck(self, x, planes, stride, dilation, name):
        y = self.bn(self.conv(x, planes, name=f"{name}.conv1"), f"{name}.bn1")
        y = self.conv(y, planes, 3, stride, dilation, name=f"{name}.conv2")
        y = self.conv(self.bn(y, f"{name}.bn2"), 4 * planes, name=f"{name}.conv3")
        y = self.bn(y, f"{name}.bn3", relu=False)
        if stride > 1 or x.shape[1] != 4 * planes:
            x = self.conv(x, 4 * planes, 1, stride, name=f"{name}.downsample.0")
            x = self.bn(x, f"{name}.downsample.1", relu=False)
        return np.maximum(x + y, 0)

    def body(self, x, strides=(1, 2, 2, 2), rates=((1,),) * 4, deep=False):
        """What the last layer gives; `rates` of each layer's bottlenecks in turn."""
        if deep:
            for number, (filters, stride) in enumerate(((1, 2), (1, 1), (2, 1)), 1):
                x = self.conv(x, filters * self.width, 3, stride, name=f"conv{number}")
                x = self.bn(x, f"bn{number}")
        else:
            x = self.bn(self.conv(x, self.width, 7, 2, name="conv1"), "bn1")
        x = largest(x)
        for layer, (count, stride) in enumerate(
            zip(self.modules, strides, strict=True)
        ):
            for block in range(count):
                rate = rates[layer][block % len(rates[layer])]
                planes = self.width * 2**layer
                name = f"layer{layer + 1}.{block}"
                x = self.bottleneck(x, planes, stride if not block else 1, rate, name)
        return x

    def deconv(self, x, filters, name):
        """Every cell adds its kernel to the answer, which loses a cell on each side."""
        weight = self.weight(f"{name}.weight", x.shape[1], filters, 4, 4)
        n, _, h, w = x.shape
        y = np.zeros((n, filters, 2 * h + 2, 2 * w + 2))
        for i in range(h):
            for j in range(w):
                added = np.einsum("nc,cfkl->nfkl", x[:, :, i, j], weight)
                y[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += added
        return y[:, :, 1:-1, 1:-1]


def largest(x):
    """The largest of 3x3, at every other place; nothing lies outside."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, columns = ((side + 1) // 2 for side in x.shape[2:])
    parts = [
        padded[:, :, i::2, j::2][:, :, :rows, :columns]
        for i in range(3)
        for j in range(3)
    ]
    return np.max(parts, axis=0)


def adaptive_mean(x, bins):
    """As PyTorch's documentation has it."""
    sides = [
        [(i * side // bins, -(-(i + 1) * side // bins)) for i in range(bins)]
        for side in x.shape[2:]
    ]
    rows = [
        np.stack([x[:, :, a:b, c:d].mean((2, 3)) for c, d in sides[1]], axis=-1)
        for a, b in sides[0]
    ]
    return np.stack(rows, axis=2)


def aligned(x, size):
    """Bilinear, the corners' middles kept."""
    for axis, side in zip((2, 3), size, strict=True):
        old = x.shape[axis]
        places = np.linspace(0, old - 1, side) if side > 1 else np.zeros(1)
        low = np.minimum(places.astype(int), max(0, old - 2))
        part = (places - low).reshape((-1, 1) if axis == 2 else (-1,))
        high = np.minimum(low + 1, old - 1)
        x = np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part
    return x


def simple_baseline(reference, x, keypoints, features):
    """Heatmaps `(n, keypoints, h / 4, w / 4)`."""
    x = reference.body(x)
    for step in range(3):
        x = reference.deconv(x, features, f"deconv_layers.{3 * step}")
        x = reference.bn(x, f"deconv_layers.{3 * step + 1}")
    return reference.conv(x, keypoints, name="final_layer", bias=True)


def psp_net(reference, x, classes, features):
    """Logits `(n, classes, h / 8, w / 8)`."""
    x = reference.body(x, (1, 2, 1, 1), ((1,), (1,), (2,), (4,)), deep=True)
    parts = [x]
    for level, bins in enumerate((1, 2, 3, 6)):
        name = f"ppm.features.{level}"
        y = reference.conv(adaptive_mean(x, bins), features, name=f"{name}.1")
        parts.append(aligned(reference.bn(y, f"{name}.2"), x.shape[2:]))
    y = reference.conv(np.concatenate(parts, axis=1), features, 3, name="cls.0")
    return reference.conv(reference.bn(y, "cls.1"), classes, name="cls.4", bias=True)


def channels_last(x):
    return x.transpose(0, 2, 3, 1)
