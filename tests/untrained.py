"""Published networks without their weights: random ones, through the door of checkpoints."""

import torch

from pg_core.networks import load_model
from pg_core.networks.published import PUBLISHED


def random_weights(name, classes=10):
    """Weights with statistics of BatchNorm that tell one channel from another."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = PUBLISHED[name].build(classes)
        for part in body.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(part.weight, 0.5, 1.5)
                torch.nn.init.normal_(part.bias, std=0.1)
                torch.nn.init.normal_(part.running_mean, std=0.1)
                torch.nn.init.uniform_(part.running_var, 0.5, 1.5)
    return body.state_dict()


def untrained(name, folder):
    """The network with random weights, from a file that is gone again."""
    path = folder / f"{name}.pth"
    torch.save(random_weights(name), path)
    network = load_model(name, "cpu", path)
    path.unlink()
    return network
