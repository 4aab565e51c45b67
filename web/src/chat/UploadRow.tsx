import type { JSX } from "preact";
import { Icon } from "./icons";
import type { UploadItem, Uploads } from "./uploads";
import { formatBytes } from "./words";

/** A file on its way, where its message will be. */
export function UploadRow({
  upload,
  uploads,
}: {
  upload: UploadItem;
  uploads: Uploads;
}): JSX.Element {
  const { id, name, bytes, sent, state } = upload;
  return (
    <article
      class="chat-message is-mine is-first"
      data-upload={state}
      aria-label={`Upload of ${name}`}
    >
      <div class="chat-bubble-row">
        <div class="chat-bubble">
          <p class="chat-file">
            <Icon name="file" />
            <span class="chat-file-name">
              <bdi>{name}</bdi>
            </span>
            <span class="chat-file-size">
              {formatBytes(sent)} of {formatBytes(bytes)}
            </span>
          </p>
          <progress
            class="chat-progress"
            max={Math.max(1, bytes)}
            value={sent}
            aria-label={`${name}, sent`}
          />
          <p class="chat-upload-row">
            {state === "running" ? (
              <button type="button" class="chat-link" onClick={() => uploads.pause(id)}>
                Pause
              </button>
            ) : (
              <button type="button" class="chat-link" onClick={() => uploads.resume(id)}>
                {state === "failed" ? "Try again" : "Resume"}
              </button>
            )}
            <button type="button" class="chat-link" onClick={() => uploads.cancel(id)}>
              Cancel
            </button>
          </p>
        </div>
      </div>
      {state === "failed" && (
        <p class="chat-failed" role="alert">
          Not sent: {upload.problem}
        </p>
      )}
    </article>
  );
}
