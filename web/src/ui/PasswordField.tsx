// Where a password is typed.
import type { JSX } from "preact";
import { errorOf, TextField, type FormErrors } from "./forms";

export const PasswordField = (props: {
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
