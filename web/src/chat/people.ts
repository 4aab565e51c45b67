// Finding whom to write to. There is no directory: who knows an address finds its owner.
import { get, Problem } from "../api/client";
import { oneLine } from "./text";

export interface Person {
  id: string;
  name: string;
}

const seen = new Map<string, Person>();

/** Fails with a sentence for a person. */
export async function findPerson(email: string): Promise<Person> {
  const address = email.trim().toLowerCase();
  const known = seen.get(address);
  if (known) return known;
  try {
    const path = `/v1/users/lookup?email=${encodeURIComponent(address)}`;
    const { id, name } = await get<Person>(path, { fresh: true });
    const person = { id, name: oneLine(name) || address };
    seen.set(address, person);
    return person;
  } catch (error) {
    if (error instanceof Problem && error.status === 404)
      throw new Error(`Nobody here has the address ${address}.`);
    if (error instanceof Problem && error.status === 422)
      throw new Error("That is not an email address.");
    throw error;
  }
}
