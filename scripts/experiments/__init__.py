"""The experiments of the paper, by name, each in one command."""

from . import (
    architectures,
    compressing,
    deblurring,
    denoising,
    impedance,
    inpainting,
    photographing,
    prior_effect,
    quality,
    readme,
    refined,
    restoring,
    samples,
    scanning,
    shaken,
    slide,
    small_and_noisy,
    super_resolution,
)
from .lab import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    "impedance": impedance.EXPERIMENT,
    "architectures": architectures.EXPERIMENT,
    "samples": samples.EXPERIMENT,
    "prior_effect": prior_effect.EXPERIMENT,
    **denoising.EXPERIMENTS,
    **super_resolution.EXPERIMENTS,
    **inpainting.EXPERIMENTS,
    **restoring.EXPERIMENTS,
    **compressing.EXPERIMENTS,
    **deblurring.EXPERIMENTS,
    "shaken": shaken.EXPERIMENT,
    "camera": photographing.EXPERIMENT,
    "small_and_noisy": small_and_noisy.EXPERIMENT,
    **scanning.EXPERIMENTS,
    "quality": quality.EXPERIMENT,
    "refined": refined.EXPERIMENT,
    "slide": slide.EXPERIMENT,
    "readme": readme.EXPERIMENT,
}
