/** The camera's frames, and how many of them are looked at in a second. */

import { Refusal } from "./manifest.js";
import { pixelsOf } from "./pictures.js";

const REMEMBERED = 30; // frames that the speed is the mean of

/** An open camera. */
export class Camera {
  constructor(stream, video) {
    Object.assign(this, { stream, video, times: [] });
  }

  /** Ask for the camera; the browser asks its user. */
  static async open() {
    if (!navigator.mediaDevices) {
      throw new Refusal(
        "Browsers hand out the camera on https and localhost only; this page is on " +
          `${location.origin}.`,
      );
    }
    let stream;
    try {
      const video = { facingMode: "environment", width: { ideal: 640 } };
      stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (error) {
      throw new Refusal(`The camera does not open: ${error.message}.`);
    }
    const video = document.createElement("video");
    Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    return new Camera(stream, video);
  }

  /** The frame that is shown next, as a picture. */
  async frame() {
    await new Promise((resolve) => {
      // Where a browser cannot tell of frames, pictures of the screen are as good.
      if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(resolve);
      else requestAnimationFrame(resolve);
    });
    return pixelsOf(this.video, this.video.videoWidth, this.video.videoHeight);
  }

  /** Note that a frame was looked at; frames per second, of the last ones. */
  tick() {
    this.times = [...this.times, performance.now()].slice(-REMEMBERED);
    const span = this.times.at(-1) - this.times[0];
    return span ? (1000 * (this.times.length - 1)) / span : 0;
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
  }
}
