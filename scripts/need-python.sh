#!/bin/sh
# Makes sure that python3 is there for the tests: Debian's package where that can be installed, else a word on how to
# get it. The tests need 3.9 or later, and nothing beside its standard library.
set -eu
is_there() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1
}
is_there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "python3 is missing: installing Debian's package" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends python3 >&2
  is_there && exit 0
fi
echo "The tests need Python 3.9 or later, as python3 on the PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install python3    macOS: brew install python" >&2
echo "Fedora: sudo dnf install python3" >&2
exit 1
