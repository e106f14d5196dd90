/**
 * What a network's output means, by the rules of `decoder.py`.
 *
 * Maps are `{height, width, channels, data}`: rows of cells, channels last.
 */

import { isUnbiased } from "./geometry.js";

/**
 * A crop or a window as the network takes it: in its order of colours, normalised.
 *
 * @param {{data: Float32Array}} picture three channels, 0..255, of the input's size.
 */
export function prepare(picture, manifest) {
  const { mean, std, color_order: order } = manifest.input;
  return Float32Array.from(picture.data, (value, i) => {
    const channel = i % 3;
    const given = order === "BGR" ? picture.data[i + 2 - 2 * channel] : value;
    return (given - mean[channel]) / std[channel];
  });
}

/** Heatmaps to keypoints in pixels of the input: `{points: [[x, y]], scores: []}`. */
export function decodePose(heatmaps, manifest) {
  const { refinement, sigma, encoding } = manifest.decoding;
  const each = encoding === "udp_offsets" ? 3 : 1;
  const [points, scores] = [[], []];
  for (let k = 0; k < heatmaps.channels; k += each) {
    const own = channel(heatmaps, k);
    if (each === 3) {
      const offsets = [channel(heatmaps, k + 1), channel(heatmaps, k + 2)];
      const { place, score } = findDisc(own, offsets, sigma);
      points.push(place);
      scores.push(score);
    } else {
      points.push(findPeak(own, refinement, sigma));
      scores.push(highest(own).value);
    }
  }
  const steps = [heatmaps.width, heatmaps.height].map((cells) => {
    const stride = manifest.output.stride;
    // Of UDP from middle to middle of pixels.
    return isUnbiased(manifest) ? (stride * cells - 1) / Math.max(cells - 1, 1) : stride;
  });
  return { points: points.map(([x, y]) => [x * steps[0], y * steps[1]]), scores };
}

/** Heatmaps to landmarks in pixels of the input: `{points: [[x, y]], scores: []}`. */
export function decodeLandmarks(heatmaps, manifest) {
  const { refinement, sigma } = manifest.decoding;
  const [points, scores] = [[], []];
  for (let k = 0; k < heatmaps.channels; k++) {
    const own = channel(heatmaps, k);
    const score = highest(own).value;
    const cell = score > 0 ? findLandmark(own, refinement, sigma) : [-1, -1];
    points.push(cell.map((value) => (value + 0.5) * manifest.output.stride - 0.5));
    scores.push(score);
  }
  return { points, scores };
}

/** `findPeak` that looks at the neighbours of all cells but those on the border. */
function findLandmark(map, rule, sigma) {
  if (rule !== "quarter") return findPeak(map, rule, sigma);
  const { x, y } = highest(map);
  const inside = x > 0 && x < map.width - 1 && y > 0 && y < map.height - 1;
  if (!inside) return findPeak(map, "none", sigma);
  return [
    x + 0.25 * Math.sign(at(map, x + 1, y) - at(map, x - 1, y)),
    y + 0.25 * Math.sign(at(map, x, y + 1) - at(map, x, y - 1)),
  ];
}

/** Column and row of the highest cell, refined; [0, 0] if none is above 0. */
export function findPeak(map, rule, sigma) {
  const { width, height } = map;
  const { x, y, value } = highest(map);
  if (value <= 0) return [0, 0];
  let [right, down] = [0, 0];
  if (rule === "quarter" || rule === "quarter_by_axis") {
    // To the higher neighbour.
    let across = x > 1 && x < width - 1;
    let along = y > 1 && y < height - 1;
    if (rule === "quarter") across = along = across && along; // both axes, or none
    if (across && y > 0) right = 0.25 * Math.sign(at(map, x + 1, y) - at(map, x - 1, y));
    if (along && x > 0) down = 0.25 * Math.sign(at(map, x, y + 1) - at(map, x, y - 1));
  } else if (rule === "udp") {
    [right, down] = toTopByCells(smoothLogarithm(map, sigma, 1e-3, 50), x, y);
  } else if (rule === "dark" && x > 1 && x < width - 2 && y > 1 && y < height - 2) {
    // To the top of a parabola through the smoothed heatmap's logarithm.
    const h = smoothLogarithm(map, sigma);
    const of = (i, j) => at(h, x + i, y + j);
    [right, down] = toTop(
      (of(1, 0) - of(-1, 0)) / 2,
      (of(0, 1) - of(0, -1)) / 2,
      (of(2, 0) - 2 * of(0, 0) + of(-2, 0)) / 4,
      (of(0, 2) - 2 * of(0, 0) + of(0, -2)) / 4,
      (of(1, 1) - of(1, -1) - of(-1, 1) + of(-1, -1)) / 4,
    );
  }
  return [x + right, y + down];
}

/** The same by differences of single cells, up to the border: UDP's rule. */
function toTopByCells(h, x, y) {
  const of = (i, j) =>
    at(
      h,
      Math.min(Math.max(x + i, 0), h.width - 1),
      Math.min(Math.max(y + j, 0), h.height - 1),
    );
  const least = 2 ** -23; // so that the slope of what is level is not 0
  const dxx = of(1, 0) - 2 * of(0, 0) + of(-1, 0) + least;
  const dyy = of(0, 1) - 2 * of(0, 0) + of(0, -1) + least;
  const corners = of(1, 1) + of(-1, -1) + 2 * of(0, 0);
  const dxy = corners - of(1, 0) - of(0, 1) - of(-1, 0) - of(0, -1);
  return toTop((of(1, 0) - of(-1, 0)) / 2, (of(0, 1) - of(0, -1)) / 2, dxx, dyy, dxy / 2);
}

/** From a place to the top of a parabola, by its first and second slopes there. */
function toTop(dx, dy, dxx, dyy, dxy) {
  const determinant = dxx * dyy - dxy * dxy;
  if (determinant === 0) return [0, 0];
  return [(dxy * dy - dyy * dx) / determinant, (dxy * dx - dxx * dy) / determinant];
}

/** Place and score by a disc, and by how far right and down it is, in radii. */
function findDisc(disc, [right, down], sigma) {
  const smooth = blur(disc, 2 * Math.floor((6 * sigma - 1) / 2) + 1, "reflect");
  const { x, y, value } = highest(smooth);
  if (value <= 0) return { place: [0, 0], score: value };
  const radius = 0.0546875 * Math.max(disc.width, disc.height);
  const place = [x + radius * at(right, x, y), y + radius * at(down, x, y)];
  return { place, score: value };
}

/** A heatmap blurred by a Gaussian, at its old height, as a logarithm. */
function smoothLogarithm(map, sigma, least = 1e-10, most = Infinity) {
  const blurred = blur(map, Math.floor(Math.trunc(6 * sigma - 1) / 2), "constant");
  const top = highest(blurred).value;
  const gain = top !== 0 ? highest(map).value / top : 1;
  const data = blurred.data.map((v) => Math.log(Math.min(Math.max(v * gain, least), most)));
  return { ...blurred, data };
}

/** A map smoothed by a Gaussian; beyond it lies 0 ("constant") or its mirror image. */
function blur(map, radius, beyond) {
  const spread = 0.3 * (radius - 1) + 0.8; // as OpenCV chooses it for this size
  const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * spread ** 2)),
  );
  const total = kernel.reduce((sum, share) => sum + share, 0);
  const { width, height } = map;
  const along = (data, length, index) =>
    Float64Array.from({ length: width * height }, (_, cell) => {
      const [x, y] = [cell % width, Math.floor(cell / width)];
      let sum = 0;
      for (let i = -radius; i <= radius; i++) {
        const place = index.of(x, y) + i;
        const inside = place >= 0 && place < length;
        if (!inside && beyond === "constant") continue;
        const seen = inside ? place : mirrored(place, length);
        sum += (kernel[i + radius] / total) * data[index.cell(x, y, seen)];
      }
      return sum;
    });
  const rows = { of: (x, y) => y, cell: (x, y, place) => place * width + x };
  const columns = { of: (x) => x, cell: (x, y, place) => y * width + place };
  const data = along(along(map.data, height, rows), width, columns);
  return { ...map, data };
}

/** A place beyond a side, mirrored at the middles of its ends, as often as it takes. */
function mirrored(place, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const inside = ((place % period) + period) % period;
  return inside < length ? inside : period - inside;
}

/** One channel of a map, as a map. */
function channel(map, index) {
  const { height, width, channels } = map;
  const data = Float64Array.from(
    { length: height * width },
    (_, cell) => map.data[cell * channels + index],
  );
  return { height, width, channels: 1, data };
}

function at(map, x, y) {
  return map.data[y * map.width + x];
}

/** The highest cell of a map, of several the first: `{x, y, value}`. */
function highest(map) {
  let best = 0;
  for (let i = 1; i < map.data.length; i++) {
    if (map.data[i] > map.data[best]) best = i;
  }
  return {
    x: best % map.width,
    y: Math.floor(best / map.width),
    value: map.data[best],
  };
}

/** Shares that sum up to 1. */
export function softmax(numbers) {
  const top = numbers.reduce((most, number) => Math.max(most, number), -Infinity);
  const powers = Float64Array.from(numbers, (number) => Math.exp(number - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
