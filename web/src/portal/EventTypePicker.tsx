// Which events an endpoint gets: all, or chosen ones, by group. A whole group is a pattern ("invoice.*"), so it takes types that
// come later, too. What nobody has described can be typed in.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { EventType } from "./types";

export interface PickerProps {
  types: EventType[];
  chosen: string[];
  error?: string | undefined;
  onChange(chosen: string[]): void;
}

/** "invoice.paid" belongs to "invoice"; a name without a dot to nothing. */
export const groupOf = (name: string): string =>
  name.includes(".") ? name.slice(0, name.indexOf(".")) : "";

export function groupsOf(types: EventType[]): [string, EventType[]][] {
  const groups = new Map<string, EventType[]>();
  for (const type of types) {
    const group = groupOf(type.name);
    groups.set(group, [...(groups.get(group) ?? []), type]);
  }
  return [...groups.entries()].sort(([a], [b]) => a.localeCompare(b));
}

export function EventTypePicker({ types, chosen, error, onChange }: PickerProps): JSX.Element {
  const [isAll, setAll] = useState(chosen.length === 0);
  const [typed, setTyped] = useState("");
  const known = new Set(types.flatMap(({ name }) => [name, `${groupOf(name)}.*`]));
  const others = chosen.filter((name) => !known.has(name));
  const toggle = (name: string, on: boolean): void =>
    onChange(on ? [...chosen, name] : chosen.filter((other) => other !== name));
  const choose = (all: boolean): void => {
    setAll(all);
    if (all) onChange([]);
  };
  const add = (): void => {
    const name = typed.trim();
    if (name !== "" && !chosen.includes(name)) onChange([...chosen, name]);
    setTyped("");
  };
  return (
    <fieldset class={`type-picker${error ? " has-error" : ""}`}>
      <legend>Events</legend>
      <label class="check">
        <input type="radio" name="all" checked={isAll} onChange={() => choose(true)} /> All events,
        also those that come later
      </label>
      <label class="check">
        <input type="radio" name="all" checked={!isAll} onChange={() => choose(false)} /> Only these
      </label>
      {!isAll && (
        <div class="picker-groups">
          {groupsOf(types).map(([group, members]) => (
            <Group key={group} group={group} members={members} chosen={chosen} toggle={toggle} />
          ))}
          {others.map((name) => (
            <label key={name} class="check">
              <input type="checkbox" checked onChange={() => toggle(name, false)} />
              <code>{name}</code>
            </label>
          ))}
          <div class="picker-add">
            <input
              aria-label="Another event or pattern"
              placeholder="Another, such as invoice.*"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== "Enter") return;
                event.preventDefault();
                add();
              }}
            />
            <button type="button" class="button" onClick={add} disabled={typed.trim() === ""}>
              Add
            </button>
          </div>
        </div>
      )}
      <p class={error ? "field-error" : "field-hint"} role={error ? "alert" : undefined}>
        {error ?? (!isAll && chosen.length === 0 ? "With none chosen, all are sent." : "")}
      </p>
    </fieldset>
  );
}

interface GroupProps {
  group: string;
  members: EventType[];
  chosen: string[];
  toggle(name: string, on: boolean): void;
}

function Group({ group, members, chosen, toggle }: GroupProps): JSX.Element {
  const pattern = `${group}.*`;
  const isWhole = group !== "" && chosen.includes(pattern);
  return (
    <div class="picker-group" role="group" aria-label={group || "Others"}>
      {group !== "" && (
        <label class="check picker-whole">
          <input
            type="checkbox"
            checked={isWhole}
            onChange={(event) => toggle(pattern, event.currentTarget.checked)}
          />
          <code>{pattern}</code>
        </label>
      )}
      {members.map((type) => (
        <label key={type.name} class="check picker-type" title={type.description}>
          <input
            type="checkbox"
            checked={isWhole || chosen.includes(type.name)}
            disabled={isWhole}
            onChange={(event) => toggle(type.name, event.currentTarget.checked)}
          />
          <span>
            <code>{type.name}</code>
            {type.deprecated && <span class="badge badge-warn">deprecated</span>}
            {type.description !== "" && <span class="portal-note">{type.description}</span>}
          </span>
        </label>
      ))}
    </div>
  );
}
