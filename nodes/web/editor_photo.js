// A photo from the artist's disk as what a request can carry: a JPEG of bounded size in base64.

import { say } from "./words.js";

const LARGEST = 1280; // pixels a side: enough for a face

export async function photoPixels(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error(
      say("editor.no_picture", "The browser cannot open {file}. Choose a JPEG, PNG or WebP.", { file: file.name }),
    );
  }
  const scale = Math.min(LARGEST / Math.max(picture.width, picture.height), 1);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(Math.round(picture.width * scale), 1);
  canvas.height = Math.max(Math.round(picture.height * scale), 1);
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#fff"; // behind what is transparent, as the server has it
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas.toDataURL("image/jpeg", 0.92).split(",")[1];
}
