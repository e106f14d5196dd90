/** The canvas: a picture, what was found in it, and boxes that the user draws on it. */

import { draw } from "./drawing.js";
import { canvasOf } from "./pictures.js";

const LONGEST = 1280; // pixels of the canvas that small pictures are enlarged to
const SHORTEST_DRAG = 6; // pixels of the screen; less is a click

/** How much larger a picture is drawn, so that lines on small ones are fine. */
export function enlargement({ width, height }) {
  return Math.max(1, Math.floor(LONGEST / Math.max(width, height)));
}

/** A canvas with a picture and an answer. */
export class Stage {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(box: number[]) => void} chosen is told of a box that was drawn, x, y, width
   *   and height in pixels of the picture.
   */
  constructor(canvas, chosen) {
    Object.assign(this, { canvas, chosen, shown: null, drag: null, boxable: false });
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
  }

  /** Whether boxes may be drawn. */
  allowBoxes(boxable) {
    this.boxable = boxable;
    this.canvas.classList.toggle("boxed", boxable);
  }

  /**
   * Show a picture with what was found in it.
   *
   * @param {object} picture
   * @param {object | null} answer null: none yet.
   * @param {object | null} manifest
   * @param {{threshold: number, opacity: number, boxes: number[][]}} how
   */
  show(picture, answer, manifest, how) {
    const same = this.shown?.picture === picture;
    const ground = same ? this.shown.ground : canvasOf(picture);
    this.shown = { picture, answer, manifest, how, ground };
    this.paint();
  }

  paint() {
    const { picture, answer, manifest, how, ground } = this.shown;
    const scale = enlargement(picture);
    const [wide, tall] = [picture.width * scale, picture.height * scale];
    if (this.canvas.width !== wide || this.canvas.height !== tall) {
      Object.assign(this.canvas, { width: wide, height: tall });
    }
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.drawImage(ground, 0, 0, wide, tall);
    if (answer) draw(context, answer, manifest, { ...how, scale });
    for (const box of this.drag ? [...how.boxes, this.drag.box] : how.boxes) {
      this.dash(context, box, scale);
    }
  }

  dash(context, box, scale) {
    context.save();
    context.lineWidth = Math.max(2, this.canvas.width / 500);
    context.setLineDash([context.lineWidth * 4, context.lineWidth * 3]);
    context.strokeStyle = "white";
    context.shadowColor = "black";
    context.shadowBlur = 4;
    context.strokeRect(...box.map((value) => value * scale));
    context.restore();
  }

  begin(event) {
    if (!this.boxable || !this.shown || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { start: this.place(event), from: [event.clientX, event.clientY] };
    this.drag.box = [...this.drag.start, 0, 0];
  }

  move(event) {
    if (!this.drag) return;
    const [x, y] = this.drag.start;
    const [right, down] = this.place(event);
    this.drag.box = [Math.min(x, right), Math.min(y, down), Math.abs(right - x), Math.abs(down - y)];
    this.paint();
  }

  end(event) {
    if (!this.drag) return;
    const { box, from } = this.drag;
    const far = Math.max(Math.abs(event.clientX - from[0]), Math.abs(event.clientY - from[1]));
    this.cancel();
    if (far >= SHORTEST_DRAG && box[2] > 0 && box[3] > 0) this.chosen(box);
  }

  cancel() {
    this.drag = null;
    if (this.shown) this.paint();
  }

  /** Where the pointer is, in pixels of the picture and inside of it. */
  place(event) {
    const seen = this.canvas.getBoundingClientRect();
    const { picture } = this.shown;
    const inside = (share, side) => Math.min(Math.max(share, 0), 1) * side;
    return [
      inside((event.clientX - seen.left) / seen.width, picture.width),
      inside((event.clientY - seen.top) / seen.height, picture.height),
    ];
  }
}
