// Sign-up and login, with a second step where the account has a second factor; both return to where the person came from.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { logIn, signUp } from "../api/endpoints";
import { Problem } from "../api/client";
import type { Proof } from "../api/types";
import { Link, navigate, safeReturn, useLocation } from "../lib/router";
import { loadUser, setUser } from "../lib/session";
import { Notice, usePage } from "../ui/basics";
import { CodeField } from "../ui/CodeField";
import { PasswordField } from "../ui/PasswordField";
import { errorOf, text, TextField, useSubmit, type FormErrors } from "../ui/forms";

const FIELDS = ["name", "email", "password", "code", "recovery_code"];

type Step = "password" | "code" | "recovery_code";

/** What the form brings besides the password; nothing at the first step. */
function proofOf(step: Step, data: FormData): Proof | undefined {
  if (step === "password") return undefined;
  return step === "code"
    ? { code: text(data, "code") }
    : { recovery_code: text(data, "recovery_code") };
}

export function LoginPage(): JSX.Element {
  const page = usePage("Log in");
  const { query } = useLocation();
  const next = safeReturn(query.get("next"));
  const [step, setStep] = useState<Step>("password");
  const { form, busy, errors, setErrors, onSubmit } = useSubmit(FIELDS, async (data) => {
    const password = String(data.get("password") ?? "");
    try {
      await logIn(text(data, "email"), password, proofOf(step, data));
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== "totp-required") throw error;
      if (step === "password") setStep("code");
      else setErrors({ general: null, fields: [{ field: step, message: error.message }] });
      return;
    }
    /* A session's own view says what it may do. */
    await loadUser();
    navigate(next, { replace: true });
  });
  return (
    <AuthForm errors={errors}>
      <h1 {...page}>Welcome back</h1>
      {next !== "/" && (
        <p class="auth-why">Log in to go on where you were. Your choice of seats is kept.</p>
      )}
      <form ref={form} onSubmit={onSubmit} noValidate>
        <div hidden={step !== "password"} class="auth-fields">
          <EmailField errors={errors} />
          <PasswordField errors={errors} autoComplete="current-password" />
        </div>
        {step !== "password" && <ProofField key={step} step={step} errors={errors} />}
        <button class="button button-main button-wide" disabled={busy}>
          {busy ? "Logging in…" : "Log in"}
        </button>
      </form>
      {step === "password" ? (
        <p class="auth-other">
          New here? <Link href={`/signup?next=${encodeURIComponent(next)}`}>Create an account</Link>
        </p>
      ) : (
        <p class="auth-other">
          <button
            type="button"
            class="link-button"
            onClick={() => setStep(step === "code" ? "recovery_code" : "code")}
          >
            {step === "code" ? "Use a recovery code" : "Use the app’s code"}
          </button>{" "}
          ·{" "}
          <button type="button" class="link-button" onClick={() => setStep("password")}>
            Somebody else
          </button>
        </p>
      )}
    </AuthForm>
  );
}

/** The field of the second step, which has the focus. */
function ProofField({
  step,
  errors,
}: {
  step: "code" | "recovery_code";
  errors: FormErrors;
}): JSX.Element {
  const field = useRef<HTMLDivElement>(null);
  useEffect(() => field.current?.querySelector("input")?.focus(), []);
  return (
    <div ref={field}>
      {step === "code" ? (
        <CodeField errors={errors} />
      ) : (
        <TextField
          name="recovery_code"
          label="Recovery code"
          autoComplete="off"
          autoCapitalize="none"
          spellcheck={false}
          hint="One of the ten you kept. Each is good once."
          error={errorOf(errors, "recovery_code")}
          required
        />
      )}
    </div>
  );
}

export function SignupPage(): JSX.Element {
  const page = usePage("Sign up");
  const { query } = useLocation();
  const next = safeReturn(query.get("next"));
  const { form, busy, errors, onSubmit, setErrors } = useSubmit(FIELDS, async (data) => {
    const email = text(data, "email");
    const password = String(data.get("password") ?? "");
    try {
      await signUp(email, password, text(data, "name"));
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== "email-taken") throw error;
      setErrors({
        general: null,
        fields: [
          { field: "email", message: "There is an account with this email. Log in instead." },
        ],
      });
      return;
    }
    const session = await logIn(email, password);
    setUser(session.user);
    navigate(next, { replace: true });
  });
  return (
    <AuthForm errors={errors}>
      <h1 {...page}>Create your account</h1>
      <p class="auth-why">
        Your tickets are sent to your email, and you find them here at any time.
      </p>
      <form ref={form} onSubmit={onSubmit} noValidate>
        <TextField
          name="name"
          label="Name"
          autoComplete="name"
          maxLength={100}
          error={errorOf(errors, "name")}
          required
        />
        <EmailField errors={errors} />
        <PasswordField errors={errors} autoComplete="new-password" hint="At least 8 characters." />
        <button class="button button-main button-wide" disabled={busy}>
          {busy ? "Creating…" : "Create account"}
        </button>
      </form>
      <p class="auth-other">
        Have an account? <Link href={`/login?next=${encodeURIComponent(next)}`}>Log in</Link>
      </p>
    </AuthForm>
  );
}

function AuthForm({
  errors,
  children,
}: {
  errors: FormErrors;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="auth">
      {children}
      {errors.general && (
        <Notice kind="bad">
          <p>{errors.general}</p>
        </Notice>
      )}
    </section>
  );
}

const EmailField = ({ errors }: { errors: FormErrors }): JSX.Element => (
  <TextField
    name="email"
    label="Email"
    type="email"
    inputMode="email"
    autoComplete="username"
    autoCapitalize="none"
    spellcheck={false}
    error={errorOf(errors, "email")}
    required
  />
);
