"""Images to calibrate on: crops of the photographs that scikit-image ships.

python crops.py FOLDER COUNT
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from PIL import Image

from resgen.pictures.find import photographs

#: Sides of a crop; ResNet-50 takes 224 of the lower one after a resize to 256.
WIDTH, HEIGHT = 400, 300

folder, count = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir()
drawn = random.Random(0)
pictures = [Image.open(path).convert("RGB") for path in photographs()]
for turn in range(count):
    picture = pictures[turn % len(pictures)]
    left = drawn.randint(0, picture.width - WIDTH)
    top = drawn.randint(0, picture.height - HEIGHT)
    crop = picture.crop((left, top, left + WIDTH, top + HEIGHT))
    crop.save(folder / f"{turn:03}.jpg", quality=95)
