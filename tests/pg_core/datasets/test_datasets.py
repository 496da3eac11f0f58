"""Data sets as values: their names, the folders that they are published in, and what is refused."""

import pytest

from pg_core.datasets.base import DATASETS, OTHER, Dataset, dataset_of
from pg_core.datasets.folders import SAMPLES, labelled_photos, sample_title
from pg_core.networks import MODELS, TRAINED, load_model


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_a_data_set_is_known_by_its_name_and_by_its_classes(dataset):
    assert Dataset.named(dataset.name) is Dataset.named(dataset) is dataset
    assert dataset_of(dataset.classes) is dataset
    assert dataset_of(dataset.classes[1:]) is OTHER
    assert str(dataset) == dataset.title


def test_a_name_of_no_data_set_is_refused():
    for value in ("magic", "other", "ImageNet", None, 1):
        with pytest.raises(ValueError, match="expected one of imagenette, cifar10, imagenet, got"):
            Dataset.named(value)


def test_folders_are_one_for_each_class():
    with pytest.raises(ValueError, match="expected 2 folders for pets, one for each class, got 1"):
        Dataset("pets", "Pets", ("cat", "dog"), ("n1",))
    with pytest.raises(ValueError, match="expected a folder for each class of pets, got the same one twice"):
        Dataset("pets", "Pets", ("cat", "dog"), ("n1", "n1"))


def test_every_network_that_is_shipped_has_the_classes_of_its_data_set():
    for name in TRAINED:
        labels = MODELS[name].labels
        assert load_model(name, "cpu").classes == DATASETS[labels].classes


def test_a_folder_named_like_a_class_is_that_class_whatever_a_data_set_calls_so(tmp_path, monkeypatch):
    pets = Dataset("pets", "Pets", ("cat", "dog"), ("dog", "n2"))
    monkeypatch.setitem(DATASETS, pets.name, pets)
    for folder in ("dog", "n2", "cat"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.png").touch()
    labels = {photo.name: photo.label for photo in labelled_photos(tmp_path, ("cat", "dog"))}
    assert labels == {"cat/one.png": 0, "dog/one.png": 1, "n2/one.png": 1}


def test_samples_are_listed_by_what_there_is_to_see_in_them_and_no_two_alike():
    titles = {name: sample_title(name) for name in SAMPLES}
    assert titles["chelsea"] == "cat (chelsea)"
    assert titles["rocket"] == "rocket"
    assert len(set(titles.values())) == len(SAMPLES)
