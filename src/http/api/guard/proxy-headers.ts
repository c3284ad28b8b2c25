/**
 * The headers by which a request shows that a proxy, a load balancer or a content network passed it on. Programs of
 * this machine have no reason to send one. A proxy that adds none is not seen by them: that is what a token is for.
 */

const PROXY_HEADERS = [
  /^(forwarded|via|cdn-loop|max-forwards|proxy-.+|front-end-https|remote-addr|true-client-ip|(.+-)?client-?ip)$/,
  /^x-(forwarded|original|envoy|real|remote|proxy|proxyuser|rewrite|cluster)(-.+)?$/,
  /^x-(azure|arr|appengine|akamai|varnish|bluecoat)(-.+)?$/,
  /^x-(host|scheme|url-scheme|nginx-proxy|haproxy-.+|traefik-.+|amzn-trace-id|amz-cf-id|cloud-trace-context)$/,
  /^(x-)?(cf|fastly|akamai|incap|wl-proxy|ali-cdn|tailscale|fly|ssl-client)-.+$/,
];

/** The first header that tells of a proxy; null where there is none. Names are in small letters. */
export function cameThrough(headers: Readonly<Record<string, string>>): string | null {
  const names = Object.keys(headers);
  return names.find((name) => PROXY_HEADERS.some((pattern) => pattern.test(name.toLowerCase()))) ?? null;
}
