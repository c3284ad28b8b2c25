#!/bin/sh
# Makes sure that promtool and prometheus are there for the tests: Debian's package where that can be installed, else a
# word on how to get it. The tests start servers of their own on free ports; none that runs already is touched.
set -eu
command -v promtool >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1 && exit 0
if sh "$(dirname "$0")/install-quietly.sh" prometheus; then
  command -v promtool >/dev/null 2>&1 && exit 0
fi
echo "The tests need promtool and prometheus 2.42 or later on the PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install prometheus    macOS: brew install prometheus" >&2
exit 1
