"""Training steps of the pose network in PyTorch, channels last.

`python -m benchmarks.torch_steps JSON` is the process that is measured, in which there
is no TensorFlow. The JSON holds `body` (`hrnet_tf.networks.backbone.Body`), `images`,
`size` and `keypoints`. The network is written from the paper and has random weights.

Source: Wang et al., https://arxiv.org/abs/1908.07919, section 3.
"""

import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

STEPS = 6
KILOBYTE, MEGABYTE = 1024, 1e6


def unit(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, if asked for, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    layers = [conv, nn.BatchNorm2d(outputs), *[nn.ReLU(inplace=True)] * relu]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """A path and what goes beside it, added up."""

    def __init__(self, path: nn.Module, beside: nn.Module) -> None:
        super().__init__()
        self.path, self.beside = path, beside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum, not below 0."""
        return torch.relu(self.path(x) + self.beside(x))


def basic(width: int) -> Residual:
    """Two 3x3 convolutions around an identity."""
    path = nn.Sequential(unit(width, width), unit(width, width, relu=False))
    return Residual(path, nn.Identity())


def bottleneck(inputs: int, planes: int) -> Residual:
    """1x1, 3x3, 1x1 convolutions to `4 * planes` channels."""
    outputs = 4 * planes
    path = nn.Sequential(
        unit(inputs, planes, 1),
        unit(planes, planes),
        unit(planes, outputs, 1, relu=False),
    )
    same = inputs == outputs
    return Residual(
        path, nn.Identity() if same else unit(inputs, outputs, 1, relu=False)
    )


def way(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch to another: identity, nearest upsampling or strides of 2."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(unit(widths[source], widths[target], 1, relu=False), up)
    before = [
        unit(widths[source], widths[source], 3, 2) for _ in range(target - source - 1)
    ]
    return nn.Sequential(*before, unit(widths[source], widths[target], 3, 2, False))


class Exchange(nn.Module):
    """Residual blocks on each branch, then sums over all of them."""

    def __init__(self, widths: Sequence[int], blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(basic(width) for _ in range(blocks))) for width in widths
        )
        self.ways = nn.ModuleList(
            nn.ModuleList(way(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """One map an output, highest resolution first."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [
            torch.relu(sum(go(x) for go, x in zip(ways, maps, strict=True)))
            for ways in self.ways
        ]


class Transition(nn.Module):
    """Gives each branch its width, and adds one of half the lowest resolution."""

    def __init__(self, before: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.same = nn.ModuleList(
            nn.Identity() if old == new else unit(old, new)
            for old, new in zip(before, widths, strict=False)
        )
        self.new = unit(before[-1], widths[-1], 3, 2)

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """One map more."""
        kept = [change(x) for change, x in zip(self.same, maps, strict=True)]
        return [*kept, self.new(maps[-1])]


class Pose(nn.Module):
    """HRNet with one 1x1 convolution to a heatmap a keypoint."""

    def __init__(self, body: dict[str, Any], keypoints: int) -> None:
        super().__init__()
        first: list[nn.Module] = []
        channels = 3
        for filters, stride in body["stem"]:
            first.append(unit(channels, filters, 3, stride))
            channels = filters
        blocks, planes = body["bottlenecks"]
        for _ in range(blocks):
            first.append(bottleneck(channels, planes))
            channels = 4 * planes
        self.first = nn.Sequential(*first)
        stages: list[nn.Module] = []
        before: list[int] = [channels]
        for branches, modules in enumerate(body["modules"], start=2):
            widths = [body["width"] * 2**branch for branch in range(branches)]
            stages.append(Transition(before, widths))
            last_stage = branches == len(body["modules"]) + 1
            for module in range(modules):
                last = last_stage and module == modules - 1
                outputs = 1 if last else branches
                stages.append(Exchange(widths, body["blocks"], outputs))
            before = widths
        self.stages = nn.Sequential(*stages)
        self.final_layer = nn.Conv2d(body["width"], keypoints, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Heatmaps, `(batch, keypoints, height / 4, width / 4)`."""
        return self.final_layer(self.stages([self.first(images)])[0])


def make_step(
    network: nn.Module, images: torch.Tensor, targets: torch.Tensor
) -> Callable[[], object]:
    """A training step: mean squares, their gradients, Adam."""
    optimizer = torch.optim.Adam(network.parameters(), 0.001)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(images), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def measure(case: dict[str, Any]) -> tuple[float, float, float, int]:
    """CPU seconds until the first step ends, ms a step, MB at most, weights."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    begin = time.process_time()
    network = Pose(case["body"], case["keypoints"])
    network = network.to(memory_format=torch.channels_last).train()
    images = torch.randn(case["images"], 3, *case["size"])
    images = images.to(memory_format=torch.channels_last)
    stride = math.prod(stride for _, stride in case["body"]["stem"])
    size = (side // stride for side in case["size"])
    targets = torch.rand(case["images"], case["keypoints"], *size)
    targets = targets.to(memory_format=torch.channels_last)
    step = make_step(network, images, targets)
    step()
    first = time.process_time() - begin
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE / MEGABYTE
    weights = sum(each.numel() for each in network.parameters())
    return first, 1000 * statistics.median(times), peak, weights


if __name__ == "__main__":
    print(*measure(json.loads(sys.argv[1])))
