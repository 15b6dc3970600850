#!/usr/bin/env bash
# Puts psql 17 into a folder, from Debian 13's packages, with the libraries that it wants, and prints where it is. Nothing is installed.
set -euo pipefail
folder=$1
if [ ! -x "$folder/bin/psql" ]; then
    mkdir -p "$folder"/{bin,root,apt/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d},apt/var/lib/{dpkg,apt/lists/partial},apt/var/cache/apt/archives/partial}
    : >"$folder/apt/var/lib/dpkg/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >"$folder/apt/etc/apt/sources.list"
    options=(-qq -o "Dir=$folder/apt" -o "Dir::State::status=$folder/apt/var/lib/dpkg/status" -o APT::Sandbox::User=root)
    timeout 300 apt-get "${options[@]}" update >&2
    timeout 300 apt-get "${options[@]}" install -y --no-install-recommends --download-only postgresql-client-17 >&2
    for package in "$folder"/apt/var/cache/apt/archives/{lib,zlib,postgresql-client-17_}*.deb; do
        dpkg-deb -x "$package" "$folder/root"
    done
    cat >"$folder/bin/psql" <<END
#!/bin/sh
exec "$folder/root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$folder/root/usr/lib/x86_64-linux-gnu" "$folder/root/usr/lib/postgresql/17/bin/psql" "\$@"
END
    chmod +x "$folder/bin/psql"
fi
"$folder/bin/psql" --version >&2
echo "$folder/bin"
