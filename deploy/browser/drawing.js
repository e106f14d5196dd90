/** Answers, drawn over pictures, and what their colours mean. */

// RGB: of the person's left, of the right, and of what has no side.
const LEFT = "rgb(255 128 0)";
const RIGHT = "rgb(0 128 255)";
const MIDDLE = "rgb(51 204 51)";
const INK = "rgb(20 20 24)";
const LEAST_SHARE = 0.001; // of a picture, that a class in its legend covers

/**
 * Draw an answer over what a canvas shows.
 *
 * @param {CanvasRenderingContext2D} context of a canvas of the picture's size times
 *   `scale`.
 * @param {object} answer see look.js.
 * @param {object} manifest
 * @param {{threshold: number, opacity: number, scale: number}} how points with a lower
 *   score are left out; the opacity is that of labels' colours.
 */
export function draw(context, answer, manifest, { threshold, opacity, scale }) {
  if (answer.labels) drawLabels(context, answer, manifest, opacity);
  if (!answer.boxes) return;
  const colors = sidesOf(manifest);
  const lines = linesOf(manifest);
  const several = answer.boxes.length > 1;
  answer.boxes.forEach(({ box, points, scores }, number) => {
    const own = hueOf(number);
    const longest = Math.min(
      Math.max(box[2], box[3]) * scale,
      Math.max(context.canvas.width, context.canvas.height),
    );
    const face = answer.task === "landmarks";
    const thick = Math.max(face ? 1 : 1.5, longest / (face ? 240 : 120));
    const place = (index) => points[index].map((value) => (value + 0.5) * scale);
    const seen = (index) => scores[index] >= threshold;
    context.lineCap = "round";
    if (several) {
      context.strokeStyle = own;
      context.lineWidth = Math.max(1, thick / 2);
      context.strokeRect(...box.map((value) => value * scale));
    }
    for (const [start, end] of lines) {
      if (!seen(start) || !seen(end)) continue;
      const side = colors[start] === colors[end] ? colors[start] : MIDDLE;
      context.strokeStyle = several && !face ? own : side;
      context.lineWidth = thick;
      context.beginPath();
      context.moveTo(...place(start));
      context.lineTo(...place(end));
      context.stroke();
    }
    points.forEach((_, index) => {
      if (!seen(index)) return;
      disc(context, place(index), thick * 1.1 + 1, INK);
      disc(context, place(index), thick * 1.1, colors[index]);
    });
  });
}

function disc(context, [x, y], radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** A colour of a person's own, far from those before. */
function hueOf(number) {
  return `hsl(${(300 + number * 222.5) % 360} 95% 65%)`;
}

/** A colour for each point, by the side that it is on. */
function sidesOf(manifest) {
  const { names, flip_pairs: pairs } = manifest.keypoints ?? manifest.landmarks;
  if (manifest.keypoints) {
    const [left, right] = [0, 1].map((side) => new Set(pairs.map((pair) => pair[side])));
    return names.map((name) => (left.has(name) ? LEFT : right.has(name) ? RIGHT : MIDDLE));
  }
  const paired = new Set(pairs.flat()); // a jaw may be counted through
  return names.map((name) => {
    const words = name.toLowerCase().split(/[_ ]/);
    if (!paired.has(name)) return MIDDLE;
    return words.includes("left") ? LEFT : words.includes("right") ? RIGHT : MIDDLE;
  });
}

/** Which points are joined: pairs of indices. */
function linesOf(manifest) {
  const { names, skeleton, contours = [] } = manifest.keypoints ?? manifest.landmarks;
  const along = (contour) => contour.slice(1).map((name, i) => [contour[i], name]);
  const pairs = skeleton ?? contours.flatMap(along);
  return pairs.map((pair) => pair.map((name) => names.indexOf(name)));
}

function drawLabels(context, answer, manifest, opacity) {
  const { width, height, labels } = answer;
  const colors = colorsOf(manifest.classes);
  const plain = backgroundOf(manifest.classes);
  const image = new ImageData(width, height);
  labels.forEach((label, i) => {
    if (label === plain) return;
    image.data.set([...colors[label], Math.round(255 * opacity)], 4 * i);
  });
  const over = new OffscreenCanvas(width, height);
  over.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(over, 0, 0, context.canvas.width, context.canvas.height);
}

/**
 * What colours mean, or how sure classes are: rows of the list beside the picture.
 *
 * @returns {{name: string, color: string | null, share: number | null}[]}
 */
export function legend(answer, manifest) {
  if (answer.ranking) {
    return answer.ranking.slice(0, 5).map(([name, share]) => ({ name, color: null, share }));
  }
  if (answer.boxes) {
    const rows = { [LEFT]: "left", [RIGHT]: "right", [MIDDLE]: "neither side" };
    const used = new Set(sidesOf(manifest));
    return Object.entries(rows)
      .filter(([color]) => used.has(color))
      .map(([color, name]) => ({ name, color, share: null }));
  }
  const colors = colorsOf(manifest.classes);
  const plain = backgroundOf(manifest.classes);
  return sharesOf(answer.labels, manifest)
    .map((share, i) => ({
      name: manifest.classes.names[i],
      color: i === plain ? "transparent" : `rgb(${colors[i].join(" ")})`,
      share,
    }))
    .filter(({ share }) => share >= LEAST_SHARE)
    .sort((a, b) => b.share - a.share);
}

/** One line about an answer. */
export function summary(answer, manifest, threshold) {
  if (answer.ranking) {
    const [name, share] = answer.ranking[0];
    return `${name}, ${percent(share)}`;
  }
  if (answer.labels) {
    const [first] = legend(answer, manifest);
    return first ? `mostly ${first.name}, ${percent(first.share)}` : "no class stands out";
  }
  const all = answer.boxes.flatMap(({ scores }) => scores);
  const seen = all.filter((score) => score >= threshold).length;
  const kind = answer.task === "pose" ? "keypoints" : "landmarks";
  return `${seen} of ${all.length} ${kind} at ${threshold.toFixed(2)} or above`;
}

/** An answer without its maps: of labels the share of each class. */
export function inShort({ labels, confidence, ...rest }, manifest) {
  if (!labels) return rest;
  const shares = sharesOf(labels, manifest);
  const classes = manifest.classes.names.map((name, i) => [name, shares[i]]);
  return { ...rest, classes: Object.fromEntries(classes) };
}

/** Which share of a picture each class has. */
function sharesOf(labels, manifest) {
  const counts = manifest.classes.names.map(() => 0);
  for (const label of labels) counts[label]++;
  return counts.map((count) => count / labels.length);
}

export function percent(share) {
  const value = 100 * share;
  return value > 0 && value < 1 ? "< 1 %" : `${value.toFixed(0)} %`;
}

/** Colours of classes: the set's own, or those of PASCAL VOC. */
function colorsOf({ names, palette }) {
  if (palette?.length) return palette;
  // The bits of an index, dealt out to red, green and blue in turn.
  return names.map((_, index) => {
    const color = [0, 0, 0];
    for (let place = 0; place < 8; place++) {
      for (let c = 0; c < 3; c++) {
        color[c] |= ((index >> (3 * place + c)) & 1) << (7 - place);
      }
    }
    return color;
  });
}

/** Which class pictures leave uncoloured; -1: none. */
function backgroundOf({ names, background }) {
  if (background != null) return names.indexOf(background);
  const called = names.map((name) => name.replace(/^[_ ]+|[_ ]+$/g, "").toLowerCase());
  return called.indexOf("background");
}
