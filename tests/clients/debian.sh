#!/usr/bin/env bash
# Puts a program of a release of Debian into a folder, with the libraries that it wants, and prints where it is: debian.sh FOLDER
# RELEASE PACKAGE PROGRAM [NAME], where PROGRAM is its path and NAME what it is called there. Nothing is installed.
set -euo pipefail
folder=$1 release=$2 package=$3 program=$4 name=${5:-${4##*/}}
if [ ! -x "$folder/bin/$name" ]; then
    mkdir -p "$folder"/{bin,root,apt/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d},apt/var/lib/{dpkg,apt/lists/partial},apt/var/cache/apt/archives/partial}
    : >"$folder/apt/var/lib/dpkg/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" >"$folder/apt/etc/apt/sources.list"
    options=(-qq -o "Dir=$folder/apt" -o "Dir::State::status=$folder/apt/var/lib/dpkg/status" -o APT::Sandbox::User=root)
    timeout 300 apt-get "${options[@]}" update >&2
    timeout 300 apt-get "${options[@]}" install -y --no-install-recommends --download-only "$package" >&2
    shopt -s nullglob
    for file in "$folder"/apt/var/cache/apt/archives/{lib,zlib,"${package}_"}*.deb; do
        dpkg-deb -x "$file" "$folder/root"
    done
    root=$folder/root triplet=x86_64-linux-gnu
    # Where libraries are has changed from release to release.
    for place in "$root/usr/lib/$triplet" "$root/lib/$triplet"; do
        [ ! -e "$place/ld-linux-x86-64.so.2" ] || loader=$place/ld-linux-x86-64.so.2
    done
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$root/usr/lib/$triplet:$root/lib/$triplet" "$root$program" >"$folder/bin/$name"
    chmod +x "$folder/bin/$name"
fi
echo "$folder/bin"
