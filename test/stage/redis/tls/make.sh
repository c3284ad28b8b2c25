#!/bin/bash
# Makes the certificates of this folder anew; see README.md. Needs OpenSSL 3.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
touch "$work/index"
cat > "$work/conf" <<END
[ca]
default_ca = authority
[authority]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = names
copy_extensions = copy
default_startdate = 20200101000000Z
default_enddate = 21200101000000Z
[names]
commonName = supplied
[req]
distinguished_name = names
END
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1"; }
request() { openssl req -new -config "$work/conf" -key "$1" -subj "/CN=taskexe tests, $2" \
  -addext "$3" -out "$work/csr"; }
sign() { openssl ca -config "$work/conf" -batch -notext -in "$work/csr" -keyfile "$work/key" -out "$@"; }

key "$work/key"
request "$work/key" authority basicConstraints=critical,CA:TRUE
sign ca.crt -selfsign
key server.key
request server.key server subjectAltName=IP:127.0.0.1,DNS:localhost
sign server.crt -cert ca.crt
request server.key elsewhere subjectAltName=DNS:elsewhere.example
sign elsewhere.crt -cert ca.crt
