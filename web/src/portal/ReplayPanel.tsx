// Sends all again that a filter finds: first says how many and how long, then shows how far the job is. The job goes on without
// this page: whoever comes back finds the one that is running.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure, Notice, useLoad } from "../ui/basics";
import { cancelReplay, getReplay, listReplays, startReplay, type DeadFilter } from "./api";
import { formatMs } from "./text";
import type { Replay } from "./types";
import { usePoll } from "./usePoll";

interface Props {
  filter: DeadFilter;
  isEmpty: boolean | undefined;
  onDone(): void;
}

const isOver = ({ state }: Replay): boolean => state !== "running";

const WORDS: Record<string, string> = {
  done: "Everything was sent again",
  cancelled: "The replay was cancelled",
  failed: "The replay could not be finished",
};

const inWords = (seconds: number | null): string => {
  if (seconds === null) return "";
  const words = seconds < 100 ? `${Math.max(1, Math.round(seconds))} s` : formatMs(seconds * 1000);
  return ` It takes about ${words}.`;
};

export function ReplayPanel({ filter, isEmpty, onDone }: Props): JSX.Element {
  const [job, setJob] = useState<string | null>(null);
  const running = useLoad(
    "replay",
    async () => (await listReplays()).data.find((one) => !isOver(one))?.id,
  );
  useEffect(() => {
    if (running.data) setJob(running.data);
  }, [running.data]);
  const [preview, setPreview] = useState<Replay | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (act: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await act();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const look = (): Promise<void> => run(async () => setPreview(await startReplay(filter, true)));
  const start = (): Promise<void> =>
    run(async () => {
      const { id } = await startReplay(filter, false);
      setPreview(null);
      setJob(id ?? null);
    });
  const close = (): void => {
    setJob(null);
    onDone();
  };
  if (job !== null) return <Progress key={job} job={job} onClose={close} onDone={onDone} />;
  return (
    <section class="actions" aria-label="Replay all">
      {error !== null && <Failure error={error} />}
      {preview === null ? (
        <div class="actions-row">
          <button type="button" class="button" disabled={busy || isEmpty !== false} onClick={look}>
            Replay all…
          </button>
        </div>
      ) : (
        <div class="confirm" role="group" aria-label="Replay all">
          <p data-testid="preview">
            {preview.total === 0
              ? "There is nothing to send again."
              : `${preview.total.toLocaleString()} ${preview.total === 1 ? "message is" : "messages are"} sent again, behind what comes live.${inWords(preview.eta_seconds)}`}
          </p>
          <div class="confirm-buttons">
            <button
              type="button"
              class="button button-main"
              disabled={busy || preview.total === 0}
              onClick={start}
            >
              Replay {preview.total.toLocaleString()}
            </button>
            <button type="button" class="button" disabled={busy} onClick={() => setPreview(null)}>
              Not now
            </button>
          </div>
        </div>
      )}
    </section>
  );
}

interface ProgressProps {
  job: string;
  onClose(): void;
  onDone(): void;
}

function Progress({ job, onClose, onDone }: ProgressProps): JSX.Element {
  const { data, error, reload } = usePoll(`replay ${job}`, () => getReplay(job));
  const [failure, setFailure] = useState<unknown>(null);
  const over = data !== undefined && isOver(data);
  useEffect(() => {
    if (over) onDone();
  }, [over]);
  const cancel = async (): Promise<void> => {
    setFailure(null);
    try {
      await cancelReplay(job);
      reload();
    } catch (problem) {
      setFailure(problem);
    }
  };
  const done = (data?.done ?? 0) + (data?.failed ?? 0) + (data?.skipped ?? 0);
  return (
    <Notice
      kind={!over ? "info" : data.state === "done" ? "good" : "warn"}
      title={over ? (WORDS[data.state ?? ""] ?? "The replay is over") : "Replay is running"}
    >
      {data && (
        <>
          <progress
            value={done}
            max={Math.max(1, data.total)}
            aria-label="Progress of the replay"
          />
          <p data-testid="progress" data-state={data.state}>
            {done.toLocaleString()} of {data.total.toLocaleString()}
            {(data.failed ?? 0) > 0 && `, ${data.failed!.toLocaleString()} of them failed`}.
            {!over && inWords(data.eta_seconds)}
          </p>
        </>
      )}
      {(failure ?? error) !== undefined && (failure ?? error) !== null && (
        <Failure error={failure ?? error} onRetry={reload} />
      )}
      <div class="actions-row">
        {!over && (
          <button type="button" class="button" onClick={cancel}>
            Cancel the replay
          </button>
        )}
        {(over || error !== undefined) && (
          <button type="button" class="button" onClick={onClose}>
            Close
          </button>
        )}
      </div>
    </Notice>
  );
}
