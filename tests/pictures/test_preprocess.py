"""Pictures become inputs as torchvision's transforms make them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from resgen.errors import ResgenError
from resgen.pictures.find import photographs
from resgen.pictures.preprocess import prepare, read
from resgen.spec.model import Preprocess

SHAPE = (3, 48, 40)


@pytest.fixture(scope="module")
def photograph():
    return read(photographs()[0])


@pytest.mark.peers
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest"])
@pytest.mark.parametrize("resize", [None, 24, 57, 64, 500])
def test_it_is_what_torchvision_makes(photograph, peers, resize, interpolation):
    vision = peers.torchvision.transforms
    mode = vision.InterpolationMode(interpolation)
    if resize is None:
        steps = [vision.Resize((48, 40), mode)]
    else:
        steps = [vision.Resize(resize, mode), vision.CenterCrop((48, 40))]
    wanted = Preprocess(resize=resize, interpolation=interpolation)
    normalize = vision.Normalize(wanted.mean, wanted.std)
    steps += [vision.ToTensor(), normalize]
    expected = vision.Compose(steps)(photograph).numpy()
    found = prepare(photograph, wanted, SHAPE)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_without_antialias_it_samples_as_torch_does(photograph, mode):
    wanted = Preprocess(None, None, mode, antialias=False, mean=(0,) * 3, std=(1,) * 3)
    pixels = torch.from_numpy(np.array(photograph, np.float32)).permute(2, 0, 1)
    method = "nearest-exact" if mode == "nearest" else mode
    expected = torch.nn.functional.interpolate(pixels[None], (48, 40), mode=method)[0]
    found = prepare(photograph, wanted, SHAPE) * 255
    # Pillow rounds each pixel, and weighs in fixed point.
    assert np.abs(found - expected.numpy()).max() <= 1.5


def test_crop_and_size_may_differ(photograph):
    found = prepare(photograph, Preprocess(resize=60, crop=32), SHAPE)
    assert found.shape == SHAPE
    resized = photograph.resize((int(60 * photograph.width / photograph.height), 60))
    left, top = round((resized.width - 32) / 2), 14
    middle = resized.crop((left, top, left + 32, top + 32))
    same = prepare(middle, Preprocess(resize=None), SHAPE)
    assert np.abs(found - same).max() < 0.3  # Pillow's default is bicubic


def plain(color, channels=3):
    return Preprocess(None, color=color, mean=(0.0,) * channels, std=(1.0,) * channels)


def test_colours():
    pixels = np.zeros((4, 5, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 255, 51
    rgb = prepare(pixels, plain("rgb"), (3, 4, 5))
    np.testing.assert_allclose(rgb[:, 0, 0], [1, 0, 0.2], atol=1e-6)
    bgr = prepare(pixels, plain("bgr"), (3, 4, 5))
    np.testing.assert_array_equal(bgr, rgb[::-1])
    gray = prepare(pixels, plain("gray", 1), (1, 4, 5))
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
    assert abs(gray[0, 0, 0] - (0.299 + 0.114 * 0.2)) < 1 / 255


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1"])
def test_every_mode_of_pillow(mode):
    gray = Image.fromarray(np.full((4, 5), 255, np.uint8))
    found = prepare(gray.convert(mode), plain("rgb"), (3, 4, 5))
    np.testing.assert_allclose(found, 1, atol=1e-6)


def test_sixteen_bits_are_not_clipped():
    deep = Image.fromarray(np.full((4, 5), 0x8000, np.uint16))
    found = prepare(deep, plain("gray", 1), (1, 4, 5))
    np.testing.assert_allclose(found, 0x80 / 255, atol=1e-6)


def test_a_camera_s_orientation_is_put_right(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0] = 255  # the top of what the sensor saw
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "turned.png", exif=exif)
    found = prepare(read(tmp_path / "turned.png"), plain("rgb"), (3, 4, 6))
    assert found[:, -1].min() == 1
    assert found[:, 0].max() == 0


def test_the_photographs_are_photographs():
    assert len(photographs()) >= 3
    for path in photographs():
        values = prepare(read(path), Preprocess(), (3, 64, 64))
        assert values.std() > 0.3


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n12"])
def test_what_is_no_picture_is_named(tmp_path, content):
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResgenError, match=r"picture\.png"):
        read(path)


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(ResgenError, match="is a folder"):
        read(tmp_path)


def test_a_signal_is_no_picture(photograph):
    with pytest.raises(ResgenError, match="no rgb picture"):
        prepare(photograph, Preprocess(), (3, 100))


def test_a_damaged_orientation_is_none(tmp_path):
    path = tmp_path / "a.jpg"
    block = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00" + b"\x12\x01\xff\xff" * 5
    Image.new("RGB", (8, 6), (250, 9, 9)).save(path, exif=block)
    assert read(path).size == (8, 6)


@pytest.mark.parametrize("size", [(0, 5, 3), (5, 0, 3), (0, 0, 3)])
def test_a_picture_without_pixels_is_refused(size):
    with pytest.raises(ResgenError, match="no pixels"):
        prepare(np.zeros(size, np.uint8), Preprocess(), SHAPE)
