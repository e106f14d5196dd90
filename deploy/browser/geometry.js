/**
 * Between pictures and what a network looks at, by the rules of `decoder.py`.
 *
 * A picture is `{height, width, channels, data}`, rows of pixels whose first three
 * channels are red, green and blue in 0..255. Pixels are counted from the middle of the
 * top-left one: x to the right, y down. A box is `[x, y, width, height]` in pixels.
 */

const SMALLEST = 1; // pixels that a box counts as at least, so that its crop has a size

/** Whether lengths are counted from middle to middle of pixels (UDP). */
export function isUnbiased(manifest) {
  return (manifest.decoding.encoding ?? "plain").startsWith("udp");
}

/**
 * From pixels of the network's input to pixels of the picture: the box at the input's
 * aspect ratio with a margin.
 *
 * @returns {{across: number, left: number, down: number, top: number}} x of the picture
 *   is `across * x + left`, y is `down * y + top`.
 */
export function cropOfBox([x, y, w, h], manifest) {
  const { height, width } = manifest.input;
  const side = Math.max(w, (h * width) / height, SMALLEST) * manifest.decoding.padding;
  const less = isUnbiased(manifest) ? 1 : 0;
  return {
    across: side / (width - less),
    left: x + w / 2 - side / 2,
    down: (side * height) / width / (height - less),
    top: y + h / 2 - (side * height) / width / 2,
  };
}

/** Points `[[x, y], ...]` of the network's input in pixels of the picture. */
export function toPicture(points, crop) {
  return points.map(([x, y]) => [crop.across * x + crop.left, crop.down * y + crop.top]);
}

/** The part of a picture that a network looks at; black outside of it. */
export function cutOut(picture, crop, manifest) {
  const { height, width } = manifest.input;
  const rows = places(height, (i) => crop.down * i + crop.top);
  const columns = places(width, (i) => crop.across * i + crop.left);
  return rounded(
    weighted(picture, nearness(rows, picture.height), nearness(columns, picture.width)),
  );
}

/** The middle of a picture, resized: what a classifier looks at. */
export function centralCrop(picture, manifest) {
  const given = [picture.height, picture.width];
  const wanted = [manifest.input.height, manifest.input.width];
  const factor = Math.max(
    ...[0, 1].map((side) => halfToEven(wanted[side] / manifest.crop_share) / given[side]),
  );
  const weights = [0, 1].map((side) => {
    const whole = Math.floor(given[side] * factor + 1e-6); // the picture, resized
    const offset = halfToEven((whole - wanted[side]) / 2);
    const step = given[side] / whole;
    const centers = places(wanted[side], (i) => (i + 0.5 + offset) * step - 0.5);
    // Where the picture shrinks, pixels farther away count too.
    return toOne(nearness(centers, given[side], Math.max(step, 1)));
  });
  return rounded(weighted(picture, ...weights));
}

// Faces

/** Centre and side of the square of the picture that is looked at. */
function faceSquare([x, y, w, h], manifest) {
  const center = [Math.fround(x + w / 2), Math.fround(y + h / 2)];
  return { center, side: Math.max(w, h, SMALLEST) * manifest.decoding.padding };
}

/**
 * The part of a picture that a network for landmarks looks at. By the official rule it
 * is a window of whole pixels with stretched contrast.
 */
export function cutFace(picture, box, manifest) {
  if (manifest.decoding.rule === "affine") {
    return cutOut(picture, cropOfBox(box, manifest), manifest);
  }
  const size = manifest.input.height;
  let { center, side } = faceSquare(box, manifest);
  const factor = side / size;
  if (factor >= 2) {
    if (manifest.decoding.stretched_twice) picture = stretched(picture);
    const [rows, columns] = [picture.height, picture.width].map((n) =>
      Math.max(Math.floor(n / factor), 1),
    );
    picture = resizedLikePillow(picture, rows, columns);
    center = center.map((value) => value / factor);
    side /= factor;
  }
  const place = (i, axis) =>
    Math.trunc((i - size / 2) * (side / size) + center[axis]) + 1;
  const low = [place(-1, 0), place(-1, 1)];
  const high = [place(size - 1, 0), place(size - 1, 1)];
  const [wide, tall] = [0, 1].map((axis) => Math.max(high[axis] - low[axis], 1));
  const found = blank(tall, wide);
  for (let y = Math.max(low[1], 0); y < Math.min(low[1] + tall, picture.height); y++) {
    for (let x = Math.max(low[0], 0); x < Math.min(low[0] + wide, picture.width); x++) {
      const from = (y * picture.width + x) * picture.channels;
      const to = ((y - low[1]) * wide + x - low[0]) * 3;
      for (let c = 0; c < 3; c++) found.data[to + c] = picture.data[from + c];
    }
  }
  return resizedLikePillow(stretched(found), size, size);
}

/** Landmarks `[[x, y], ...]` in pixels of the input in pixels of the picture. */
export function faceToPicture(points, box, manifest) {
  if (manifest.decoding.rule === "affine") {
    return toPicture(points, cropOfBox(box, manifest));
  }
  const size = manifest.input.height;
  const { center, side } = faceSquare(box, manifest);
  return points.map((point) =>
    point.map(
      (value, axis) =>
        Math.trunc((value + 0.5 - size / 2) * (side / size) + center[axis]) + 1,
    ),
  );
}

/** Contrast stretched to 0..255, from the lowest to the highest of all channels. */
function stretched(picture) {
  let [low, high] = [255, 0];
  const found = withoutAlpha(picture);
  for (const value of found.data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const gain = 255 / (high - low || 1);
  return { ...found, data: found.data.map((value) => Math.trunc((value - low) * gain + 0.5)) };
}

/** Resized as Pillow does: bilinear, with averaging where it shrinks. */
function resizedLikePillow(picture, height, width) {
  const axis = (pixels, length) => {
    const step = length / pixels;
    const centers = places(pixels, (i) => (i + 0.5) * step - 0.5);
    return toOne(nearness(centers, length, Math.max(step, 1)));
  };
  const whole = (pixels) => places(pixels, (i) => i);
  const flat = weighted(
    picture,
    nearness(whole(picture.height), picture.height),
    axis(width, picture.width),
  );
  const narrow = { ...flat, data: flat.data.map((value) => Math.floor(value + 0.5)) };
  const found = weighted(
    narrow,
    axis(height, picture.height),
    nearness(whole(width), width),
  );
  return { ...found, data: found.data.map((value) => Math.floor(value + 0.5)) };
}

// Whole pictures

/** Height and width at which a picture is looked at, as its views in training were. */
export function sizeOfLook(picture, manifest) {
  const { short_side: short, stretch } = manifest.views;
  if (stretch) return [manifest.input.height, manifest.input.width];
  const given = [picture.height, picture.width];
  const factor = short ? short / Math.min(...given) : 1;
  return given.map((side) => Math.floor(side * factor + 0.5));
}

/** The largest size that fits into the network's input at the picture's aspect ratio. */
export function sizeOfFit(picture, manifest) {
  const { height, width } = manifest.input;
  const factor = Math.min(height / picture.height, width / picture.width);
  return [picture.height, picture.width].map((side) =>
    Math.max(1, Math.round(side * factor)),
  );
}

/** A picture at another height and width, bilinear, in whole numbers. */
export function resized(picture, [height, width]) {
  if (picture.height === height && picture.width === width) return withoutAlpha(picture);
  return rounded(
    weighted(
      picture,
      acrossEdges(picture.height, height),
      acrossEdges(picture.width, width),
    ),
  );
}

/** Weights of `length` cells for `pixels` pixels; the corners stay at the corners. */
export function acrossEdges(length, pixels) {
  const step = length / pixels;
  return nearness(
    places(pixels, (i) => clipped((i + 0.5) * step - 0.5, length)),
    length,
  );
}

/** The same; the middles of the corner cells stay at the corners. */
export function acrossMiddles(length, pixels) {
  const step = (length - 1) / Math.max(pixels - 1, 1);
  return nearness(
    places(pixels, (i) => clipped(i * step, length)),
    length,
  );
}

/**
 * Where windows begin so that they cover a side; the last one ends with it.
 *
 * @param {number} side of the picture, at least as long as the window.
 * @param {number} window its side.
 * @param {number} share of the window, from one place to the next.
 */
export function windowPlaces(side, window, share) {
  const stride = Math.max(1, Math.trunc(window * share));
  const found = [];
  for (let place = 0; place < side - window; place += stride) found.push(place);
  return [...found, side - window];
}

/** The part of a picture from a place on; black beyond the picture. */
export function windowAt(picture, top, left, height, width) {
  const found = blank(height, width);
  const [tall, wide] = [
    Math.min(height, picture.height - top),
    Math.min(width, picture.width - left),
  ];
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) {
      const from = ((top + y) * picture.width + left + x) * picture.channels;
      for (let c = 0; c < 3; c++) {
        found.data[(y * width + x) * 3 + c] = picture.data[from + c];
      }
    }
  }
  return found;
}

// Resizing: each pixel of the result is a mean of those around its place in the source.

/**
 * Weights of the pixels around places: 1 for a pixel at the place, 0 from `reach` on.
 *
 * @returns {{first: number, shares: Float32Array}[]} of each place the first pixel that
 *   counts, and how much it and those behind it do.
 */
export function nearness(centers, length, reach = 1) {
  return Array.from(centers, (center) => {
    const first = Math.max(0, Math.floor(center - reach) + 1);
    const last = Math.min(length - 1, Math.ceil(center + reach) - 1);
    const shares = new Float32Array(Math.max(0, last - first + 1));
    shares.forEach((_, i) => {
      shares[i] = Math.max(0, 1 - Math.abs(center - first - i) / reach);
    });
    return { first, shares };
  });
}

/** The same weights, of each place in sum 1. */
function toOne(weights) {
  return weights.map(({ first, shares }) => {
    const total = shares.reduce((sum, share) => sum + share, 0);
    return { first, shares: shares.map((share) => share / total) };
  });
}

/**
 * A picture's or a map's sums by weights of its rows and of its columns.
 *
 * @param {number} [count] how many channels to look at, from the first.
 * @returns {{height, width, channels, data: Float32Array}}
 */
export function weighted(picture, rows, columns, count = 3) {
  const { width, channels, data } = picture;
  const found = new Float32Array(rows.length * columns.length * count);
  const row = new Float32Array(width * count);
  rows.forEach(({ first, shares }, y) => {
    row.fill(0);
    shares.forEach((share, i) => {
      const start = (first + i) * width * channels;
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < count; c++) {
          row[x * count + c] += share * data[start + x * channels + c];
        }
      }
    });
    columns.forEach((column, x) => {
      const to = (y * columns.length + x) * count;
      column.shares.forEach((share, i) => {
        const from = (column.first + i) * count;
        for (let c = 0; c < count; c++) found[to + c] += share * row[from + c];
      });
    });
  });
  return { height: rows.length, width: columns.length, channels: count, data: found };
}

function places(count, place) {
  return Float64Array.from({ length: count }, (_, i) => place(i));
}

function clipped(place, length) {
  return Math.min(Math.max(place, 0), length - 1);
}

function blank(height, width) {
  return { height, width, channels: 3, data: new Float32Array(height * width * 3) };
}

function withoutAlpha(picture) {
  if (picture.channels === 3) return picture;
  return windowAt(picture, 0, 0, picture.height, picture.width);
}

function rounded(picture) {
  return { ...picture, data: picture.data.map(halfToEven) };
}

/** The nearest whole number; of two the even one, as NumPy rounds. */
function halfToEven(value) {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
}
