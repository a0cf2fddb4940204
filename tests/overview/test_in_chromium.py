"""The pages in Chromium: none wider than the window, no text cut off or hard to read, and a lasso on the map."""

import json
import os
import re
import shutil
import subprocess
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest

from darkroom.drift import page as drift_page
from darkroom.experiments import compare, compare_page
from darkroom.labelling import page as label_page
from darkroom.overview import data_page, front_page, map_page
from darkroom.promotion import model_card
from support import comparisons
from support import overviews as known
from support.cards import card, write_report

pytestmark = pytest.mark.slow
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Widths, the least contrast of a text with what is behind it (WCAG asks for 4.5), and texts that are cut off.
SEEN = """<script>addEventListener("load", () => setTimeout(() => {
const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, at) => {
  const part = colour[at] / 255;
  return sum + weight * (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
}, 0);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const colour = numbers(getComputedStyle(element).backgroundColor);
    if (colour.length === 3 || colour[3]) return colour;
  }
  return dark ? [0, 0, 0] : [255, 255, 255];
};
let contrast = 21, cut = 0;
for (const element of document.body.querySelectorAll("*")) {
  const has_text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!has_text || !element.getClientRects().length) continue;
  const [one, other] = [numbers(getComputedStyle(element).color), behind(element)].map(light);
  contrast = Math.min(contrast, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  cut += element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest(".scroll");
}
parent.postMessage([root.clientWidth, root.scrollWidth, dark, contrast.toFixed(2), cut].join(" "), "*");
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


def found_by(folder, page, *more):
    """What a script has left in the page's body."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    profile = (f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--window-size=1700,1000")
    command = [CHROMIUM, *options, *profile, *more, "--dump-dom", page.as_uri()]
    # Chromium leaves a folder where temporary files are, with a socket, whose path must be short.
    with TemporaryDirectory() as temporary:
        there = {**os.environ, "TMPDIR": temporary}
        dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=there).stdout
    return re.search('data-found="([^"]*)"', dom).group(1)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of 100 classes, by name; and the images on the map."""
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
    audited = known.audited(LABELS)
    small = np.zeros((len(label_page.shown(audited)), 8, 8, 1), np.uint8)
    report = write_report(folder / "report", LABELS, 2 * len(LABELS), figure=(900, 300))
    of_classes = {"training images of each class": dict.fromkeys(LABELS, 6)}
    sides = [
        comparisons.side(comparisons.predictions(right, seed, 600, LABELS), name)
        for right, seed, name in ((0.5, 0, "n" * 80), (0.9, 1, "<b>قطة</b>"))
    ]
    compared = compare.compare(*sides)
    differing = dict.fromkeys(compared.disagreeing.index, np.zeros((8, 8, 1), np.uint8))
    with known.make_pictures(folder / "images.npy", len(rows)) as pictures:
        yield {
            "comparison": compare_page.page(sides[0].name, sides[1].name, compared, differing),
            "drift": drift_page.page(comparisons.drifted(LABELS)).replace("<details", "<details open"),
            "data": data_page.page(found, pictures, "Data of " + "m" * 80),
            "index": front_page.page(known.project(), pictures, {}),
            "map": map_page.page(described, images, pictures, 0),
            "label_audit": label_page.page(audited, small, "drawn numbers", "no colours"),
            "model_card": model_card.page(card(report, title="n" * 80, data=of_classes)),
            "names": list(images["name"]),
        }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900, 1600])
@pytest.mark.parametrize("name", ["index", "data", "map", "label_audit", "model_card", "comparison", "drift"])
def test_all_text_can_be_read_at_any_width(pages, tmp_path, name, width, scheme):
    (tmp_path / "page.html").write_text(pages[name].replace("</body>", SEEN))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width))
    # 0 is dark, 1 light.
    preferred = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    inner, needed, dark, contrast, cut = found_by(tmp_path, frame, preferred).split()
    assert (dark == "true") == (scheme == "dark")
    assert width - 20 <= int(inner) <= width
    assert int(needed) == int(inner)
    assert int(cut) == 0
    assert float(contrast) >= 4.5


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
