"""The pages in Chromium: no layout wider than the window, and a lasso on the map lists the files in it."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from darkroom.overview import data_page, front_page, map_page
from support import overviews as known

pytestmark = pytest.mark.slow
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FITS = """<script>addEventListener("load", () => setTimeout(() => {
const root = document.documentElement;
parent.postMessage(`${root.clientWidth} ${root.scrollWidth}`, "*");
}, 200))</script></body>"""
# A narrow window is not to be had from Chromium, but a frame is.
FRAME = """<body><iframe style="border:0;width:{width}px;height:900px" src="page.html"></iframe>
<script>onmessage = (event) => document.body.setAttribute("data-found", event.data)</script></body>"""
LASSO = """<script>addEventListener("load", () => setTimeout(() => {
const canvas = document.getElementById("map"), wide = canvas.clientWidth, high = canvas.clientHeight;
canvas.setPointerCapture = () => {};
const send = (type, x, y) => {
  const box = canvas.getBoundingClientRect(), at = { clientX: box.left + x, clientY: box.top + y };
  canvas.dispatchEvent(new PointerEvent(type, { ...at, pointerId: 1, bubbles: true }));
};
send("pointerdown", 1, 1);
for (const [x, y] of [[wide - 2, 1], [wide - 2, high - 2], [1, high - 2]]) send("pointermove", x, y);
send("pointerup", 1, high - 2);
document.body.setAttribute("data-found", document.getElementById("files").value.split("\\n").join("|"));
}, 200))</script></body>"""
OF_A_CLUSTER = """<script>addEventListener("load", () => setTimeout(() => {
const colours = document.getElementById("colour");
colours.value = "cluster";
colours.onchange();
document.querySelector("#legend button.list").click();
document.body.setAttribute("data-found", document.getElementById("files").value.split("\\n").join("|"));
}, 200))</script></body>"""
LABELS = (*known.LABELS, '"><script>alert(1)</script>', *(f"class {number} {'long' * 9}" for number in range(95)))


def found_by(folder, page):
    """What a script has left in the page's body."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    profile = (f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--window-size=1700,1000")
    command = [CHROMIUM, *options, *profile, "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return re.search('data-found="([^"]*)"', dom).group(1)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The three pages of 100 classes, by name; and the images on the map."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("pages")
    rows = known.make_rows(LABELS)
    names = rows["name"]
    pairs = known.make_pairs((names[0], "cat", "train", names[11], "<b>dog</b>", "test", 0.9, "two labels"))
    odd = pd.DataFrame({"name": names[:9], "label": rows["label"][:9], "picture": range(9)})
    found = data_page.Found(rows, rows, known.QUARANTINE, pairs, known.CHECKS, odd)
    features = np.random.default_rng(0).normal(size=(len(rows), 6))
    described, images = known.describe(folder / "described", features, rows)
    with known.make_pictures(folder / "images.npy", len(rows)) as pictures:
        yield {
            "data": data_page.page(found, pictures, "Data of " + "m" * 80),
            "index": front_page.page(known.project(), pictures, {}),
            "map": map_page.page(described, images, pictures, 0),
            "names": list(images["name"]),
        }


@pytest.mark.parametrize("width", [360, 900, 1600])
@pytest.mark.parametrize("name", ["index", "data", "map"])
def test_nothing_is_wider_than_the_window(pages, tmp_path, name, width):
    (tmp_path / "page.html").write_text(pages[name].replace("</body>", FITS))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width))
    inner, needed = map(int, found_by(tmp_path, frame).split())
    assert width - 20 <= inner <= width
    assert needed == inner


def unescaped(text):
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')


def test_the_files_of_a_cluster_are_listed(pages, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(pages["map"].replace("</body>", OF_A_CLUSTER))
    listed = unescaped(found_by(tmp_path, page)).split("|")
    (data,) = re.findall(r'id="points">(.*?)</script>', pages["map"])
    (cluster,) = [each for each in json.loads(data)["colours"] if each["name"] == "cluster"]
    assert listed == [name for name, kind in zip(pages["names"], cluster["of"], strict=True) if kind == 0]
    assert len(listed) == cluster["counts"][0] == max(cluster["counts"])
    assert len(cluster["kinds"]) == 20


def test_a_lasso_lists_the_files_in_it(pages, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(pages["map"].replace("</body>", LASSO))
    assert unescaped(found_by(tmp_path, page)).split("|") == pages["names"]
