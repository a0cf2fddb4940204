"use strict";
const data = JSON.parse(document.getElementById("points").textContent);
const find = (id) => document.getElementById(id);
const canvas = find("map"), pen = canvas.getContext("2d"), sheet = find("sheet"), tip = find("tip");
const total = data.x.length, lowX = Math.min(...data.x), lowY = Math.min(...data.y);
const extent = { x: Math.max(...data.x) - lowX || 1, y: Math.max(...data.y) - lowY || 1 };
let colour = data.colours[0], hidden = new Set(), chosen = new Set(), lasso = [], view = { zoom: 1, x: 0, y: 0 };

const hue = (kind, kinds) => (kinds <= 12 ? (kind * 360) / kinds + 210 : kind * 137.508) % 360;
const shade = (kind) => `hsl(${hue(kind, colour.kinds.length)} 70% ${45 + (colour.kinds.length > 12 ? 12 * (kind % 3) : 4)}%)`;
const isOff = (point) => hidden.has(colour.of[point]);

function place(point) {
  const room = 24, wide = canvas.clientWidth - 2 * room, high = canvas.clientHeight - 2 * room;
  const x = room + (wide * (data.x[point] - lowX)) / extent.x, y = room + (high * (data.y[point] - lowY)) / extent.y;
  return [(x - view.x) * view.zoom, (y - view.y) * view.zoom];
}

function picture(to, point, x, y, size) {
  const from = [(point % data.columns) * data.side, Math.floor(point / data.columns) * data.side];
  to.drawImage(sheet, ...from, data.side, data.side, x, y, size, size);
}

function draw() {
  const scale = window.devicePixelRatio || 1, style = getComputedStyle(document.body);
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  const small = Math.min(28, 14 * Math.sqrt(view.zoom)), radius = total > 1000 ? 2.5 : 4;
  for (let point = 0; point < total; point++) {
    if (isOff(point)) continue;
    const [x, y] = place(point), marked = chosen.has(point);
    pen.globalAlpha = chosen.size && !marked ? 0.3 : 1;
    pen.fillStyle = shade(colour.of[point]);
    if (find("as-pictures").checked) {
      pen.fillRect(x - small / 2 - 2, y - small / 2 - 2, small + 4, small + 4);
      picture(pen, point, x - small / 2, y - small / 2, small);
    } else {
      pen.beginPath();
      pen.arc(x, y, marked ? radius + 1.5 : radius, 0, 7);
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = style.color;
  pen.beginPath();
  for (const [x, y] of lasso) pen.lineTo(x, y);
  pen.stroke();
}

function inside([x, y], shape) {
  let is = false;
  for (let one = 0, other = shape.length - 1; one < shape.length; other = one++) {
    const [ax, ay] = shape[one], [bx, by] = shape[other];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) is = !is;
  }
  return is;
}

function list() {
  find("files").value = [...chosen].map((point) => data.names[point]).join("\n");
  find("count").textContent = chosen.size ? `${chosen.size} chosen` : "Nothing chosen";
}

function named(text) {
  const name = document.createElement("bdi");
  name.textContent = text;
  return name;
}

function line(...parts) {
  const all = document.createElement("div");
  all.append(...parts);
  return all;
}

function legend() {
  const buttons = colour.kinds.map((kind, number) => {
    const button = document.createElement("button"), dot = document.createElement("i"), text = document.createElement("span");
    dot.style.background = shade(number);
    text.append(named(kind), ` (${colour.counts[number]})`);
    button.append(dot, text);
    button.title = "show or hide";
    button.onclick = () => {
      hidden.has(number) ? hidden.delete(number) : hidden.add(number);
      button.classList.toggle("off", hidden.has(number));
      draw();
    };
    const files = document.createElement("button"), both = document.createElement("span");
    files.textContent = "list";
    files.className = "list";
    files.setAttribute("aria-label", `list the files of ${kind}`);
    files.onclick = () => {
      chosen = new Set([...colour.of.keys()].filter((point) => colour.of[point] === number));
      list();
      draw();
    };
    both.append(button, files);
    return both;
  });
  find("legend").replaceChildren(...buttons);
}

function nearest(x, y) {
  let best = null, least = 144;
  for (let point = 0; point < total; point++) {
    if (isOff(point)) continue;
    const [px, py] = place(point), far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least) [best, least] = [point, far];
  }
  return best;
}

function hover(event) {
  const point = nearest(event.offsetX, event.offsetY);
  tip.style.display = point === null ? "none" : "block";
  if (point === null) return;
  const own = tip.querySelector("canvas").getContext("2d");
  own.clearRect(0, 0, data.side, data.side);
  picture(own, point, 0, 0, data.side);
  const said = data.colours.map((each) => line(`${each.name}: `, named(each.kinds[each.of[point]])));
  find("said").replaceChildren(line(named(data.shown[point] ?? data.names[point])), ...said);
  const right = event.clientX + 16 + tip.offsetWidth > window.innerWidth;
  tip.style.left = `${Math.max(0, right ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16)}px`;
  tip.style.top = `${Math.max(0, Math.min(event.clientY + 12, window.innerHeight - tip.offsetHeight))}px`;
}

function zoomBy(factor, x, y) {
  const zoom = Math.min(40, Math.max(1, view.zoom * factor));
  const keep = (at, start) => (zoom === 1 ? 0 : start + at / view.zoom - at / zoom);
  view = { zoom, x: keep(x, view.x), y: keep(y, view.y) };
  draw();
}

canvas.onpointerdown = (event) => {
  canvas.setPointerCapture(event.pointerId);
  lasso = [[event.offsetX, event.offsetY]];
};
canvas.onpointermove = (event) => {
  if (!lasso.length) return hover(event);
  lasso.push([event.offsetX, event.offsetY]);
  draw();
};
canvas.onpointerup = (event) => {
  chosen = new Set();
  if (lasso.length > 3) for (let point = 0; point < total; point++) if (!isOff(point) && inside(place(point), lasso)) chosen.add(point);
  lasso = [];
  list();
  hover(event);
  draw();
};
canvas.onpointercancel = canvas.onpointerup;
canvas.onpointerleave = () => (tip.style.display = "none");
canvas.ondblclick = find("all").onclick = () => { view = { zoom: 1, x: 0, y: 0 }; draw(); };
canvas.onwheel = (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
};
find("closer").onclick = () => zoomBy(1.5, canvas.clientWidth / 2, canvas.clientHeight / 2);
find("farther").onclick = () => zoomBy(1 / 1.5, canvas.clientWidth / 2, canvas.clientHeight / 2);
find("copy").onclick = () => { find("files").select(); document.execCommand("copy"); };
find("colour").append(...data.colours.map((each) => new Option(each.name)));
find("colour").onchange = () => { colour = data.colours[find("colour").selectedIndex]; hidden = new Set(); legend(); draw(); };
find("as-pictures").onchange = draw;
window.onresize = draw;
sheet.decode().then(draw, draw);
legend();
list();
draw();
