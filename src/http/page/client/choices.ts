/** The theme and the time zone: cookies of this browser, so that the server renders the next page so. */

/** A year, in seconds. */
const KEPT_S = 365 * 86_400;

export function chooseFrame(): void {
  const theme = document.querySelector<HTMLSelectElement>("#theme");
  theme?.addEventListener("change", () => {
    keep("taskexe_theme", theme.value);
    if (theme.value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    dispatchEvent(new Event("themechange"));
  });
  const zone = document.querySelector<HTMLSelectElement>("#zone");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone !== null && own && ![...zone.options].some(({ value }) => value === own)) {
    zone.append(new Option(own, own));
  }
  zone?.addEventListener("change", () => {
    keep("taskexe_zone", encodeURIComponent(zone.value));
    location.reload();
  });
}

function keep(name: string, value: string): void {
  // biome-ignore lint/suspicious/noDocumentCookie: the other way is asynchronous, and the page is loaded again at once
  document.cookie = `${name}=${value}; Path=/ui; Max-Age=${KEPT_S}; SameSite=Strict`;
}
