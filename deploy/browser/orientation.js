/**
 * The EXIF tag that says how a camera was held, and how pixels are turned by it.
 *
 * Browsers disagree on it: Chromium 156 turns JPEG and PNG even where `createImageBitmap`
 * is asked not to, and WebP never. So the page takes EXIF data out of a file before the
 * browser looks, and turns pixels itself.
 */

const ORIENTATION = 0x0112; // the tag's number
const UNKNOWN = [120, 120, 120, 120]; // a name that no reader knows: xxxx

/**
 * Take EXIF data out of a picture file.
 *
 * @param {Uint8Array} bytes of a JPEG, PNG or WebP file; others stay as they are.
 * @returns {{bytes: Uint8Array, turn: number}} the file without them, and what they said:
 *   EXIF's orientation, 1 (as stored) to 8.
 */
export function takeExif(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let found = [];
  if (isText(bytes, 0, "\xff\xd8")) found = jpegPlaces(bytes, view);
  if (isText(bytes, 0, "\x89PNG\r\n")) found = pngPlaces(bytes, view);
  if (isText(bytes, 0, "RIFF") && isText(bytes, 8, "WEBP")) found = webpPlaces(bytes, view);
  if (!found.length) return { bytes, turn: 1 };
  const cleaned = bytes.slice();
  for (const { name } of found) cleaned.set(UNKNOWN, name);
  return { bytes: cleaned, turn: orientationAt(bytes, view, found[0].data) };
}

/** Segments are FF, their kind, and their length in two bytes, which counts itself. */
function jpegPlaces(bytes, view) {
  const [scan, app1] = [0xda, 0xe1]; // where pixels begin; where EXIF lies
  const found = [];
  let place = 2;
  while (place + 10 <= bytes.length && bytes[place] === 0xff && bytes[place + 1] !== scan) {
    if (bytes[place + 1] === 0xff) {
      place++; // filled up
      continue;
    }
    if (bytes[place + 1] === app1 && isText(bytes, place + 4, "Exif\0")) {
      found.push({ name: place + 4, data: place + 10 });
    }
    place += 2 + view.getUint16(place + 2);
  }
  return found;
}

/**
 * Chunks are a length, their kind, that many bytes and a checksum. With another kind the
 * checksum is wrong, which decoders forgive where they need not know the chunk.
 */
function pngPlaces(bytes, view) {
  const found = [];
  let place = 8;
  while (place + 12 <= bytes.length) {
    const [name, data] = [place + 4, place + 8];
    if (isText(bytes, name, "eXIf")) found.push({ name, data });
    place = data + view.getUint32(place) + 4;
  }
  return found;
}

/** Chunks are their kind, a length and that many bytes, an even number of them. */
function webpPlaces(bytes, view) {
  const found = [];
  let place = 12;
  while (place + 8 <= bytes.length) {
    if (isText(bytes, place, "EXIF")) {
      const data = place + 8;
      found.push({ name: place, data: isText(bytes, data, "Exif\0") ? data + 6 : data });
    }
    const length = view.getUint32(place + 4, true);
    place += 8 + length + (length % 2);
  }
  return found;
}

/** The orientation in a TIFF directory; 1 if it says none or is broken. */
function orientationAt(bytes, view, start) {
  const little = isText(bytes, start, "II");
  if (!little && !isText(bytes, start, "MM")) return 1;
  try {
    const directory = start + view.getUint32(start + 4, little);
    for (let i = 0; i < view.getUint16(directory, little); i++) {
      const entry = directory + 2 + 12 * i;
      if (view.getUint16(entry, little) !== ORIENTATION) continue;
      const turn = view.getUint16(entry + 8, little);
      return turn >= 1 && turn <= 8 ? turn : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // it ends too early
  }
  return 1;
}

/**
 * How a canvas draws stored pixels upright.
 *
 * @param {number} turn EXIF's orientation.
 * @param {{width: number, height: number}} stored
 * @returns {{width: number, height: number, matrix: number[]}} the canvas's size, and
 *   what its `setTransform` takes.
 */
export function upright(turn, { width, height }) {
  const matrix = [
    [1, 0, 0, 1, 0, 0],
    [-1, 0, 0, 1, width, 0],
    [-1, 0, 0, -1, width, height],
    [1, 0, 0, -1, 0, height],
    [0, 1, 1, 0, 0, 0],
    [0, 1, -1, 0, height, 0],
    [0, -1, -1, 0, height, width],
    [0, -1, 1, 0, 0, width],
  ][turn - 1];
  return turn > 4 ? { width: height, height: width, matrix } : { width, height, matrix };
}

function isText(bytes, place, text) {
  return Array.from(text).every((letter, i) => bytes[place + i] === letter.charCodeAt(0));
}
