#!/bin/sh
# Makes sure that a Chromium is there for the tests of the page: Debian's package where that can be installed, else a
# word on how to get it. It is only started by tests, without a window.
set -eu
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "chromium is missing: installing Debian's package" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends chromium >&2
  command -v chromium >/dev/null 2>&1 && exit 0
fi
echo "The tests of the page need Chromium on the PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install chromium    macOS: brew install --cask chromium" >&2
echo "Fedora: sudo dnf install chromium" >&2
exit 1
