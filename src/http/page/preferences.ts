/** What a browser has chosen: how the page looks, and in which time zone. Cookies, so that the server renders it so. */
import { isZone } from "./view/format.ts";

export const THEMES = ["system", "light", "dark"] as const;

export interface Preferences {
  readonly theme: (typeof THEMES)[number];
  /** As Intl has it. */
  readonly zone: string;
}

/** @param cookies - the header Cookie. */
export function preferencesOf(cookies: string): Preferences {
  const given = cookies.split(";").map((each) => each.trim().split("="));
  const of = (name: string): string => given.find(([key]) => key === name)?.[1] ?? "";
  const zone = decoded(of("taskexe_zone"));
  return {
    theme: THEMES.find((theme) => theme === of("taskexe_theme")) ?? "system",
    zone: isZone(zone) ? zone : "UTC",
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
