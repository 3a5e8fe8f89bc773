"""Runs at the end of ``import torch`` (entry point group ``torch.backends``)."""

from __future__ import annotations


def torch_autoload() -> None:
    """Lets torchvision's wheel be imported beside a CPU build of torch.

    Its compiled part links CUDA and cannot load there; declaring the two operators
    whose schemas its Python part asks for is enough.
    """
    import torch

    if torch.version.cuda is not None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch_autoload.library = library  # it must outlive this call
