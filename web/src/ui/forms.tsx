// Form fields with the server's complaint beside the field it names.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf, Problem, type FieldError } from "../api/client";

export interface FormErrors {
  general: string | null;
  fields: FieldError[];
}

export const NO_ERRORS: FormErrors = { general: null, fields: [] };

/** Puts what the server refused into fields; what names no field stays general. */
export function toFormErrors(error: unknown, known: readonly string[]): FormErrors {
  if (!(error instanceof Problem)) return { general: messageOf(error), fields: [] };
  const fields = error.errors.filter((item) => known.some((name) => matches(item.field, name)));
  const others = error.errors.filter((item) => !fields.includes(item));
  const rest = others.map((item) => `${item.field}: ${item.message}`).join("\n");
  if (rest !== "") return { general: rest, fields };
  return { general: fields.length > 0 ? null : messageOf(error), fields };
}

const matches = (field: string, name: string): boolean =>
  field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`);

export function errorOf(errors: FormErrors, name: string): string | undefined {
  return errors.fields.find((item) => matches(item.field, name))?.message;
}

export interface FieldProps {
  name: string;
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  children(attributes: {
    id: string;
    name: string;
    "aria-invalid": boolean;
    "aria-describedby": string;
  }): JSX.Element;
}

export function Field({ name, label, hint, error, children }: FieldProps): JSX.Element {
  const id = `field-${name.replace(/\W/g, "-")}`;
  return (
    <div class={`field${error ? " has-error" : ""}`}>
      <label class="field-label" for={id}>
        {label}
      </label>
      {children({ id, name, "aria-invalid": Boolean(error), "aria-describedby": `${id}-note` })}
      <p class={error ? "field-error" : "field-hint"} id={`${id}-note`}>
        {error ?? hint}
      </p>
    </div>
  );
}

type InputProps = Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "name" | "label"> & {
  name: string;
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
};

export function TextField({ name, label, hint, error, ...input }: InputProps): JSX.Element {
  return (
    <Field name={name} label={label} hint={hint} error={error}>
      {(attributes) => <input {...input} {...attributes} />}
    </Field>
  );
}

/** Runs one submit at a time, keeps its errors, and moves the focus to the first field that was refused. */
export function useSubmit(known: readonly string[], submit: (data: FormData) => Promise<void>) {
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState(NO_ERRORS);
  useEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [errors]);
  const onSubmit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy || !form.current) return;
    setBusy(true);
    setErrors(NO_ERRORS);
    try {
      await submit(new FormData(form.current));
    } catch (error) {
      setErrors(toFormErrors(error, known));
    }
    setBusy(false);
  };
  return { form, busy, errors, setErrors, onSubmit };
}

export const text = (data: FormData, name: string): string => String(data.get(name) ?? "").trim();

/** null, which the server refuses by name, when nothing or no number was typed. */
export function number(data: FormData, name: string): number | null {
  const typed = text(data, name).replace(",", ".");
  const value = Number(typed);
  return typed === "" || Number.isNaN(value) ? null : value;
}
