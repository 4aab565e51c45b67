// Sign-up and login; both return to where the person came from.
import type { ComponentChildren, JSX } from "preact";
import { logIn, signUp } from "../api/endpoints";
import { Problem } from "../api/client";
import { Link, navigate, safeReturn, useLocation } from "../lib/router";
import { setUser } from "../lib/session";
import { Notice, usePage } from "../ui/basics";
import { errorOf, text, TextField, useSubmit, type FormErrors } from "../ui/forms";

const FIELDS = ["name", "email", "password"];

export function LoginPage(): JSX.Element {
  const page = usePage("Log in");
  const { query } = useLocation();
  const next = safeReturn(query.get("next"));
  const { form, busy, errors, onSubmit } = useSubmit(FIELDS, async (data) => {
    const session = await logIn(text(data, "email"), String(data.get("password") ?? ""));
    setUser(session.user);
    navigate(next, { replace: true });
  });
  return (
    <AuthForm errors={errors}>
      <h1 {...page}>Welcome back</h1>
      {next !== "/" && (
        <p class="auth-why">Log in to go on where you were. Your choice of seats is kept.</p>
      )}
      <form ref={form} onSubmit={onSubmit} noValidate>
        <EmailField errors={errors} />
        <PasswordField errors={errors} autoComplete="current-password" />
        <button class="button button-main button-wide" disabled={busy}>
          {busy ? "Logging in…" : "Log in"}
        </button>
      </form>
      <p class="auth-other">
        New here? <Link href={`/signup?next=${encodeURIComponent(next)}`}>Create an account</Link>
      </p>
    </AuthForm>
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

const PasswordField = (props: {
  errors: FormErrors;
  autoComplete: string;
  hint?: string;
}): JSX.Element => (
  <TextField
    name="password"
    label="Password"
    type="password"
    autoComplete={props.autoComplete}
    hint={props.hint}
    error={errorOf(props.errors, "password")}
    required
  />
);
