// The second factor of one's own account: set up with an app, shown once, taken away with a code; either with the password.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api/client";
import { confirmTotp, createTotp, getTotp, removeTotp } from "../api/endpoints";
import type { Proof, Totp, TotpCreated } from "../api/types";
import { loadUser } from "../lib/session";
import { Failure, Notice, Spinner, useLoad, usePage } from "../ui/basics";
import { CodeField } from "../ui/CodeField";
import { CopyButton } from "../portal/Copy";
import { errorOf, text, TextField, useSubmit } from "../ui/forms";
import { LoginNeeded } from "../ui/LoginNeeded";
import { PasswordField } from "../ui/PasswordField";

const FIELDS = ["password", "code", "recovery_code"];

/** As it was typed: spaces count. */
const password = (data: FormData): string => String(data.get("password") ?? "");

export function SecurityPage(): JSX.Element {
  const page = usePage("Security");
  const { data: totp, error, reload } = useLoad("totp", getTotp);
  const [codes, setCodes] = useState<string[] | null>(null);
  if (error instanceof Problem && error.status === 401)
    return <LoginNeeded what="the security of your account" />;
  const changed = (shown: string[] | null): void => {
    setCodes(shown);
    reload();
    void loadUser();
  };
  return (
    <section class="auth security">
      <h1 {...page}>Second factor</h1>
      {error != null && <Failure error={error} onRetry={reload} />}
      {totp === undefined && error == null && <Spinner />}
      {codes && <RecoveryCodes codes={codes} />}
      {totp && (totp.state === "on" ? <On totp={totp} onOff={() => changed(null)} /> : null)}
      {totp && totp.state !== "on" && <Off totp={totp} onDone={changed} />}
    </section>
  );
}

function RecoveryCodes({ codes }: { codes: string[] }): JSX.Element {
  return (
    <Notice kind="good" title="It is on. Keep these codes">
      <p>
        Each logs you in once when you do not have the app. They are shown this once: print them, or
        keep them where you keep your passwords.
      </p>
      <ul class="recovery-codes" data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <CopyButton text={codes.join("\n")} label="Copy the recovery codes" />
    </Notice>
  );
}

function Off({
  totp,
  onDone,
}: {
  totp: Totp;
  onDone: (codes: string[]) => void;
}): JSX.Element {
  const [made, setMade] = useState<TotpCreated | null>(null);
  const start = useSubmit(["password"], async (data) => setMade(await createTotp(password(data))));
  const confirm = useSubmit(["code"], async (data) => {
    onDone((await confirmTotp(text(data, "code"))).recovery_codes);
  });
  if (!made) {
    return (
      <>
        {totp.required && (
          <Notice kind="warn" title="Needed for what you do here">
            <p>Until it is on, this account may do what a fan may.</p>
          </Notice>
        )}
        <p>
          With it you log in with a code from an app on your phone besides your password: who learns
          the one without the other stays outside.
        </p>
        {start.errors.general && <Notice kind="bad">{start.errors.general}</Notice>}
        <form ref={start.form} onSubmit={start.onSubmit} noValidate>
          <PasswordField errors={start.errors} autoComplete="current-password" />
          <button class="button button-main button-wide" disabled={start.busy}>
            Set it up
          </button>
        </form>
      </>
    );
  }
  return (
    <>
      <p>1. Scan this with an authenticator app.</p>
      <img
        class="security-qr"
        src={`data:image/svg+xml,${encodeURIComponent(made.qr_svg)}`}
        alt="QR code for your authenticator app"
      />
      <p>No camera? Type this key instead:</p>
      <p class="secret">
        <code data-testid="totp-secret">{made.secret}</code>
        <CopyButton text={made.secret} label="Copy the key" />
      </p>
      <p>2. Type the code that the app shows now.</p>
      {confirm.errors.general && <Notice kind="bad">{confirm.errors.general}</Notice>}
      <form ref={confirm.form} onSubmit={confirm.onSubmit} noValidate>
        <CodeField errors={confirm.errors} />
        <button class="button button-main button-wide" disabled={confirm.busy}>
          Turn it on
        </button>
      </form>
      <p class="auth-other">Other devices are logged out then, and log in with a code.</p>
    </>
  );
}

function On({ totp, onOff }: { totp: Totp; onOff: () => void }): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const [isLost, setLost] = useState(false);
  const { form, busy, errors, onSubmit } = useSubmit(FIELDS, async (data) => {
    const proof: Proof = isLost
      ? { recovery_code: text(data, "recovery_code") }
      : { code: text(data, "code") };
    await removeTotp(password(data), proof);
    onOff();
  });
  const left = totp.recovery_codes_left;
  return (
    <>
      <p data-testid="totp-state">
        It is on. {left === 1 ? "One recovery code is" : `${left} recovery codes are`} left.
        {left < 3 && " Take it away and set it up again for new ones."}
      </p>
      {!isAsking ? (
        <button type="button" class="button" onClick={() => setAsking(true)}>
          Take it away…
        </button>
      ) : (
        <form ref={form} onSubmit={onSubmit} noValidate>
          {errors.general && <Notice kind="bad">{errors.general}</Notice>}
          <PasswordField errors={errors} autoComplete="current-password" />
          {isLost ? (
            <TextField
              name="recovery_code"
              label="Recovery code"
              autoComplete="off"
              error={errorOf(errors, "recovery_code")}
              required
            />
          ) : (
            <CodeField errors={errors} />
          )}
          <button class="button button-danger button-wide" disabled={busy}>
            Take it away
          </button>
          <button type="button" class="link-button" onClick={() => setLost(!isLost)}>
            {isLost ? "Use the app’s code" : "Use a recovery code"}
          </button>
        </form>
      )}
    </>
  );
}
