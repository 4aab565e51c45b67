// Where the six digits of an authenticator app are typed.
import type { JSX } from "preact";
import { errorOf, TextField, type FormErrors } from "./forms";

export const CodeField = ({ errors }: { errors: FormErrors }): JSX.Element => (
  <TextField
    name="code"
    label="Code from your app"
    inputMode="numeric"
    autoComplete="one-time-code"
    maxLength={7}
    hint="Six digits, new ones every half minute."
    error={errorOf(errors, "code")}
    required
  />
);
