// Importing a venue: choose a file, look at it, send it, and see what the server finds wrong with it.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { newKey } from "../api/client";
import { createVenue } from "../api/endpoints";
import { navigate } from "../lib/router";
import { Notice, usePage } from "../ui/basics";
import { errorOf, NO_ERRORS, number, text, TextField, useSubmit } from "../ui/forms";
import { parsePlan, PLAN_BYTES_MAX, type Plan } from "./plan";
import { PlanPreview } from "./PlanPreview";

const FIELDS = ["name", "city", "country", "lat", "lon"];

export function NewVenuePage(): JSX.Element {
  const page = usePage("Import a venue");
  const [plan, setPlan] = useState<Plan | null>(null);
  const [planError, setPlanError] = useState<string | null>(null);
  const key = useRef({ body: "", key: "" });

  const { form, busy, errors, onSubmit, setErrors } = useSubmit(FIELDS, async (data) => {
    if (!plan) return setPlanError("Choose the seating plan’s file first.");
    const body = {
      name: text(data, "name"),
      city: text(data, "city"),
      country: text(data, "country"),
      lat: number(data, "lat"),
      lon: number(data, "lon"),
      seating_plan: plan,
    };
    const same = JSON.stringify(body);
    if (key.current.body !== same) key.current = { body: same, key: newKey() };
    const venue = await createVenue(body, key.current.key);
    navigate(`/organizer/events/new?venue=${encodeURIComponent(venue.id)}`);
  });

  const choose = async (file: File | undefined): Promise<void> => {
    setPlan(null);
    setPlanError(null);
    setErrors(NO_ERRORS);
    if (!file) return;
    try {
      if (file.size > PLAN_BYTES_MAX)
        throw new Error("The file has more than 10 MiB, which is the most a plan may have.");
      const chosen = parsePlan(await file.text());
      setPlan(chosen);
      const name = form.current?.elements.namedItem("name");
      if (name instanceof HTMLInputElement && name.value === "") name.value = chosen.name ?? "";
    } catch (error) {
      setPlanError(error instanceof Error ? error.message : "The file can't be read.");
    }
  };

  return (
    <>
      <h1 {...page}>Import a venue</h1>
      <p class="lead">
        A seating plan in the open JSON format becomes a venue whose seats all your events can use.
      </p>
      <form ref={form} onSubmit={onSubmit} noValidate class="form">
        <div class={`drop${planError ? " has-error" : ""}`}>
          <label class="field-label" for="plan-file">
            Seating plan (.json)
          </label>
          <input
            id="plan-file"
            type="file"
            accept="application/json,.json"
            aria-describedby="plan-note"
            onChange={(event) => choose(event.currentTarget.files?.[0])}
          />
          <p id="plan-note" class={planError ? "field-error" : "field-hint"} role="status">
            {planError ?? "Nothing is sent before you press Import."}
          </p>
        </div>
        {plan && <PlanPreview plan={plan} />}
        <div class="form-grid">
          <TextField
            name="name"
            label="Venue’s name"
            maxLength={100}
            required
            error={errorOf(errors, "name")}
          />
          <TextField
            name="city"
            label="City"
            maxLength={100}
            required
            error={errorOf(errors, "city")}
          />
          <TextField
            name="country"
            label="Country"
            hint="Two letters, such as DE"
            maxLength={100}
            required
            error={errorOf(errors, "country")}
          />
          <TextField
            name="lat"
            label="Latitude"
            inputMode="decimal"
            hint="-90 to 90"
            required
            error={errorOf(errors, "lat")}
          />
          <TextField
            name="lon"
            label="Longitude"
            inputMode="decimal"
            hint="-180 to 180"
            required
            error={errorOf(errors, "lon")}
          />
        </div>
        {errors.general && (
          <Notice kind="bad" title="The server refused this">
            <ul class="error-list">
              {errors.general.split("\n").map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          </Notice>
        )}
        <button class="button button-main" disabled={busy}>
          {busy ? "Importing…" : "Import"}
        </button>
      </form>
    </>
  );
}
