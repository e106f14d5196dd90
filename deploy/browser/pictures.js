/** Picture files and frames to pixels. */

import { Refusal } from "./manifest.js";
import { takeExif, upright } from "./orientation.js";

/** What the page opens; browsers know a few more. */
export const NAMES = /\.(jpe?g|png|webp|gif|bmp|avif)$/i;

/**
 * A picture file's pixels.
 *
 * @param {Blob} file with a name, for errors.
 * @param {"upright" | "stored"} orientation of the manifest: as viewers show a picture,
 *   turned by its EXIF tag, or as it is stored.
 * @returns {Promise<{picture, notes: string[]}>} the picture's channels are red, green,
 *   blue and alpha.
 */
export async function readPicture(file, orientation) {
  const { bytes, turn } = takeExif(new Uint8Array(await file.arrayBuffer()));
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]), {
      colorSpaceConversion: "none", // Python reads numbers as they are
      premultiplyAlpha: "none",
    });
  } catch (error) {
    throw new Refusal(`${file.name} is no picture that this browser reads (${error.message}).`);
  }
  const { width, height, matrix } = upright(orientation === "stored" ? 1 : turn, bitmap);
  const picture = pixelsOf(bitmap, width, height, matrix);
  bitmap.close();
  const note =
    `${file.name} is transparent in places: the colours beneath, which Python sees, are ` +
    "lost in a browser.";
  return { picture, notes: isOpaque(picture) ? [] : [note] };
}

/**
 * What a canvas can draw, as a picture.
 *
 * @param {CanvasImageSource} source
 * @param {number} width of the picture.
 * @param {number} height of the picture.
 * @param {number[]} [matrix] see `upright`; none: as it is.
 */
export function pixelsOf(source, width, height, matrix = [1, 0, 0, 1, 0, 0]) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.setTransform(...matrix);
  context.drawImage(source, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, channels: 4, data };
}

function isOpaque({ data }) {
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] < 255) return false;
  }
  return true;
}

/** A picture on a canvas of its own, to be drawn. */
export function canvasOf(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const image = new ImageData(picture.data, picture.width, picture.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
