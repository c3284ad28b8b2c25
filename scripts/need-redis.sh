#!/bin/sh
# Makes sure that redis-server is there for the tests: Debian's package where that can be installed, else a word on
# how to get it. The tests start servers of their own on free ports; none that runs already is touched.
set -eu
command -v redis-server >/dev/null 2>&1 && exit 0
if sh "$(dirname "$0")/install-quietly.sh" redis-server; then
  command -v redis-server >/dev/null 2>&1 && exit 0
fi
echo "The tests need redis-server 7.0 or later on the PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install redis-server    macOS: brew install redis" >&2
echo "Fedora: sudo dnf install redis" >&2
exit 1
