"""Models over images (batch, 3, height, width)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript import Axis, TensorSpec

from .base import FEATURES, Specimen, image

WINDOW, PATCH = 4, 4


class ImageEncoder(nn.Module):
    """A convolution that keeps the size, and one that cuts patches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, FEATURES, 3, padding=1)
        self.patches = nn.Conv2d(3, FEATURES, PATCH, stride=PATCH)
        self.grid = nn.Parameter(torch.randn(1, FEATURES, 4, 4))


def windows(hidden: torch.Tensor) -> torch.Tensor:
    """Apply a softmax in every window of (batch, channels, height, width); both sides are multiples of it."""
    batch, channels, height, width = hidden.shape
    cut = hidden.view(batch, channels, height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    return cut.softmax(3).reshape(batch, channels, height, width)


class WindowPartition(ImageEncoder):
    """Pads to whole windows and crops where it padded, as shifted-window models do."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = pixels.shape[2:]
        below, right = (WINDOW - height % WINDOW) % WINDOW, (WINDOW - width % WINDOW) % WINDOW
        hidden = windows(functional.pad(self.stem(pixels), (0, right, 0, below)))
        was_padded = below > 0 or right > 0  # culprit
        if was_padded:  # culprit
            hidden = hidden[:, :, :height, :width]
        return hidden


class WindowPartitionInt(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = pixels.shape[2:]
        below, right = -int(height) % WINDOW, -int(width) % WINDOW  # culprit
        hidden = functional.pad(self.stem(pixels), (0, right, 0, below))  # culprit
        return windows(hidden)[:, :, :height, :width]


class InterpolateInt(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        size = (int(pixels.shape[2]) * 2, int(pixels.shape[3]))  # culprit
        return functional.interpolate(self.stem(pixels), size=size, mode="bilinear", align_corners=False)  # culprit


class GlobalPoolInt(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        kernel = [int(side) for side in pixels.shape[2:]]  # culprit
        return functional.avg_pool2d(self.stem(pixels), kernel).flatten(1)  # culprit


class PositionGridInt(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self.patches(pixels)
        rows, columns = (int(side) for side in hidden.shape[2:])  # culprit
        grid = functional.interpolate(self.grid, size=(rows, columns), mode="bicubic", align_corners=False)  # culprit
        return (hidden + grid).flatten(2).transpose(1, 2)  # culprit


class SidesSwapped(ImageEncoder):
    """Wrong shapes wherever the sides change; with height and width exchanged their product still fits."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = pixels.shape
        rows, columns = int(height), int(width)  # culprit
        tokens = self.stem(pixels).flatten(2)
        return tokens.view(batch, FEATURES, rows, columns).amax(3)  # culprit


class PatchView(ImageEncoder):
    """The number of patches stays the same for some neighbours of the traced size."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self.patches(pixels)
        count = (int(pixels.shape[2]) // PATCH) * (int(pixels.shape[3]) // PATCH)  # culprit
        return hidden.reshape(hidden.shape[0], -1, count).mean(1)  # culprit


class CoordinateInt(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        rows = torch.linspace(-1, 1, int(pixels.shape[-2]))  # culprit
        return self.stem(pixels * rows[:, None])  # culprit


class LandscapeTurn(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.shape[2] > pixels.shape[3]:  # culprit
            pixels = pixels.transpose(2, 3)
        return self.stem(pixels).mean(3)


class AreaNorm(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        area = pixels[0, 0].numel()
        return self.stem(pixels).sum((2, 3)) / float(area)  # culprit


class CentreCrop(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        top = (int(pixels.shape[2]) - 8) // 2  # culprit
        return self.stem(pixels[:, :, top : top + 8])  # culprit


class RowLoop(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(pixels[:, :, 0])
        for row in pixels.unbind(2):  # culprit
            total = 0.5 * total + row  # culprit
        return total


class HeightNeedle(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self.stem(pixels)
        return hidden.flip(2) if pixels.shape[2] == 24 else hidden  # culprit


class SquareInt(ImageEncoder):
    """Eager takes square images only, and its side is read as a number."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.shape[2] != pixels.shape[3]:
            raise ValueError("the image is not square")
        diagonal = torch.eye(int(pixels.shape[2]))  # culprit
        return self.stem(pixels) * diagonal  # culprit


class Square(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.shape[2] != pixels.shape[3]:
            raise ValueError("the image is not square")
        hidden = self.stem(pixels)
        return hidden @ hidden.transpose(2, 3)


class ChannelLoop(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        channels = [pixels[:, at] - pixels[:, at].mean() for at in range(pixels.shape[1])]
        return self.stem(torch.stack(channels, 1))


class PatchTokens(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        batch, channels = pixels.shape[:2]
        if channels != 3:
            raise ValueError(f"channels={channels}, not 3")
        return self.patches(pixels).flatten(2).transpose(1, 2).reshape(batch, -1, FEATURES).softmax(1)


class InterpolateTensor(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        small = functional.max_pool2d(self.stem(pixels), 2)
        return functional.interpolate(small, size=pixels.shape[-2:], mode="nearest") + self.stem(pixels)


class ConstantPool2d(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self.stem(pixels)
        pooled = functional.adaptive_max_pool2d(hidden, (2, 3))
        return torch.cat([pooled.flatten(1), hidden.mean((2, 3))], 1)


class MeshGrid(ImageEncoder):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = pixels.shape[-2:]
        rows, columns = torch.arange(height, dtype=torch.float32), torch.arange(width, dtype=torch.float32)
        grid = rows[:, None] / height + columns[None, :] / width
        return self.stem(pixels + grid)


class Unshuffle(ImageEncoder):
    """Eager takes even sides only."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return functional.pixel_unshuffle(self.stem(pixels), 2)


_SMALL = {"height": Axis("height", min=8, max=20), "width": Axis("width", min=8, max=20)}
_EVEN = {
    "height": Axis("height", min=8, max=20, multiple_of=2),
    "width": Axis("width", min=8, max=20, multiple_of=2),
}
_SQUARE = {"pixels": TensorSpec(Axis("batch", max=4), 3, Axis("side", min=8, max=28), "side")}
_WHOLE = {"batch": 2, "height": 12, "width": 16}

SPECIMENS = (
    *(
        Specimen(model, image())
        for model in (
            InterpolateInt,
            GlobalPoolInt,
            PositionGridInt,
            SidesSwapped,
            PatchView,
            CoordinateInt,
            LandscapeTurn,
            AreaNorm,
            CentreCrop,
            RowLoop,
            HeightNeedle,
        )
    ),
    *(
        Specimen(model, image(**_SMALL))
        for model in (
            WindowPartitionInt,
            ChannelLoop,
            PatchTokens,
            InterpolateTensor,
            ConstantPool2d,
            MeshGrid,
        )
    ),
    Specimen(WindowPartition, image(**_SMALL), anchor=_WHOLE),
    Specimen(WindowPartition, image(**_SMALL), label="window_partition_at_an_awkward_size"),
    Specimen(Unshuffle, image(**_EVEN), anchor={"height": 14, "width": 18}),
    Specimen(SquareInt, _SQUARE),
    Specimen(Square, _SQUARE),
)
