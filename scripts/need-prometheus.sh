#!/bin/sh
# Makes sure that promtool and prometheus are there for the tests: Debian's package where that can be installed, else a
# word on how to get it. The tests start servers of their own on free ports; none that runs already is touched.
set -eu
command -v promtool >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "promtool is missing: installing Debian's package prometheus" >&2
  # The package would start a server at once; the tests need only the programs.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends prometheus >&2
  command -v promtool >/dev/null 2>&1 && exit 0
fi
echo "The tests need promtool and prometheus 2.42 or later on the PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install prometheus    macOS: brew install prometheus" >&2
exit 1
