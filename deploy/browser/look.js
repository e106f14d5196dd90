/**
 * Looks at pictures: cut out, network, decoding, back to the picture's pixels.
 *
 * Each task looks as `predict` does with the same export.
 */

import { decodeLandmarks, decodePose, prepare, softmax } from "./decoding.js";
import {
  acrossEdges,
  acrossMiddles,
  centralCrop,
  cropOfBox,
  cutFace,
  cutOut,
  faceToPicture,
  resized,
  sizeOfFit,
  sizeOfLook,
  toPicture,
  weighted,
  windowAt,
  windowPlaces,
} from "./geometry.js";
import { Refusal } from "./manifest.js";

const HIGHEST = 80; // logits are cut here, so that the sum of a few exponentials is finite
const MOST_NUMBERS = 2 ** 27; // of a picture's scores: half a gigabyte

/** Tasks whose networks look at boxes: people, or faces. */
export const BOXED = { pose: "person", landmarks: "face" };

/**
 * Look at a picture.
 *
 * @param {object} picture see geometry.js.
 * @param {Network} network see network.js.
 * @param {object} manifest its facts.
 * @param {object} how
 * @param {number[][]} [how.boxes] x, y, width, height; none: one that fills the picture.
 * @param {boolean} [how.fitted] labels: the whole picture at once, made as large as fits,
 *   instead of a window that slides over it.
 * @param {(done: number, all: number) => void} [how.progress]
 * @returns {Promise<object>} by task: `boxes`, of each `{box, points, scores}` in pixels
 *   of the picture; `ranking`, pairs of names and probabilities, the likeliest first; or
 *   `labels` (Uint8Array), `confidence` (Float32Array), `width` and `height`.
 */
export async function look(picture, network, manifest, how = {}) {
  const ask = async (crop) => await network.ask(prepare(crop, manifest));
  const decoded = !network.outputs.includes(manifest.output.name);
  const { task } = manifest;
  if (task === "classification") {
    const answer = await ask(centralCrop(picture, manifest));
    const shares = decoded
      ? answer.probabilities.data
      : softmax(answer[manifest.output.name].data);
    const ranking = manifest.classes.map((name, i) => [name, shares[i]]);
    return { task, ranking: ranking.sort((a, b) => b[1] - a[1]) };
  }
  if (task === "segmentation") {
    return { task, ...(await labelPixels(picture, ask, manifest, decoded, how)) };
  }
  const boxes = how.boxes?.length ? how.boxes : [[0, 0, picture.width, picture.height]];
  const found = [];
  for (const box of boxes) {
    how.progress?.(found.length, boxes.length);
    const crop = task === "pose" ? cropOfBox(box, manifest) : null;
    const cut = crop ? cutOut(picture, crop, manifest) : cutFace(picture, box, manifest);
    const answer = await ask(cut);
    const { points, scores } = pointsOf(answer, manifest, decoded);
    const back = crop ? toPicture(points, crop) : faceToPicture(points, box, manifest);
    found.push({ box, points: back, scores });
  }
  return { task, boxes: found };
}

/** Points in pixels of the input, and their scores, of an answer to one box. */
function pointsOf(answer, manifest, decoded) {
  const names = { pose: "keypoints", landmarks: "landmarks" };
  if (decoded) {
    const { data } = answer[names[manifest.task]];
    const scores = Array.from(answer.scores.data);
    return { points: scores.map((_, k) => [data[2 * k], data[2 * k + 1]]), scores };
  }
  const decode = { pose: decodePose, landmarks: decodeLandmarks }[manifest.task];
  return decode(mapOf(answer[manifest.output.name]), manifest);
}

function mapOf({ shape: [, height, width, channels], data }) {
  return { height, width, channels, data };
}

// Labels of pixels

/** How many windows a look at a picture takes. */
export function windowsOf(picture, manifest) {
  const { height, width } = manifest.input;
  const size = sizeOfLook(picture, manifest);
  const share = manifest.views.stride_share;
  const along = (side, window) => windowPlaces(Math.max(side, window), window, share).length;
  return along(size[0], height) * along(size[1], width);
}

async function labelPixels(picture, ask, manifest, decoded, { fitted, progress }) {
  const { height, width } = manifest.input;
  const size = fitted ? sizeOfFit(picture, manifest) : sizeOfLook(picture, manifest);
  const [tall, wide] = [Math.max(size[0], height), Math.max(size[1], width)];
  const classes = manifest.classes.names.length;
  if (tall * wide * classes > MOST_NUMBERS) {
    throw new Refusal(
      `The picture, looked at in ${wide} x ${tall} pixels, has too many for ${classes} ` +
        "scores each in a browser; tick “whole at once”, or make it smaller.",
    );
  }
  const seen = windowAt(resized(picture, size), 0, 0, tall, wide); // black beyond
  const total = new Float32Array(tall * wide * classes);
  const looks = new Float32Array(tall * wide);
  const share = manifest.views.stride_share;
  const tops = windowPlaces(tall, height, share);
  const lefts = windowPlaces(wide, width, share);
  let done = 0;
  for (const top of tops) {
    for (const left of lefts) {
      progress?.(done++, tops.length * lefts.length);
      if (done > 1) await breath();
      const answer = await ask(windowAt(seen, top, left, height, width));
      const scores = scoresOf(answer, manifest, decoded);
      for (let y = 0; y < height; y++) {
        const row = (top + y) * wide + left;
        for (let x = 0; x < width; x++) looks[row + x]++;
        const from = y * width * classes;
        for (let i = 0; i < width * classes; i++) total[row * classes + i] += scores[from + i];
      }
    }
  }
  for (let i = 0; i < total.length; i++) total[i] /= looks[Math.floor(i / classes)];
  const scores = { height: tall, width: wide, channels: classes, data: total };
  return highestClasses(scores, size, picture);
}

/** Scores of a window's pixels: exponentials of logits, `(height, width, classes)`. */
function scoresOf(answer, manifest, decoded) {
  const { height, width } = manifest.input;
  const classes = manifest.classes.names.length;
  if (decoded) {
    // A score a class whose highest one and whose sum are those of the answer.
    const { labels, confidence } = answer;
    const scores = new Float32Array(height * width * classes);
    confidence.data.forEach((sure, pixel) => {
      const rest = (1 - sure) / Math.max(1, classes - 1);
      scores.fill(rest, pixel * classes, (pixel + 1) * classes);
      scores[pixel * classes + labels.data[pixel]] = sure;
    });
    return scores;
  }
  const map = mapOf(answer[manifest.output.name]);
  const across = manifest.output.align_corners ? acrossMiddles : acrossEdges;
  const rows = across(map.height, height);
  const logits = weighted(map, rows, across(map.width, width), classes);
  return logits.data.map((logit) => Math.exp(Math.min(logit, HIGHEST)));
}

/** The highest class of each of a picture's pixels, a row after the other. */
function highestClasses(scores, [tall, wide], picture) {
  const { height, width } = picture;
  const classes = scores.channels;
  const labels = new Uint8Array(height * width);
  const confidence = new Float32Array(height * width);
  const columns = acrossEdges(wide, width);
  acrossEdges(tall, height).forEach((row, y) => {
    const { data } = weighted(scores, [row], columns, classes);
    for (let x = 0; x < width; x++) {
      let [best, total] = [0, 0];
      for (let c = 0; c < classes; c++) {
        total += data[x * classes + c];
        if (data[x * classes + c] > data[x * classes + best]) best = c;
      }
      labels[y * width + x] = best;
      confidence[y * width + x] = total ? data[x * classes + best] / total : 0;
    }
  });
  return { labels, confidence, width, height };
}

/** Lets the page draw and take clicks. */
export function breath() {
  return new Promise((resolve) => setTimeout(resolve));
}
