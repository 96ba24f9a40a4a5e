# shellcheck shell=bash disable=SC2154
# What the packages have in common. `packaging/deb` and `packaging/server/deb` source this in the source's directory,
# after they have set `name`, the package's, and `into`, the directory to write it to.
revision=1 # of the package, where the program stays the same

command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing; it is part of Debian and Ubuntu"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(cargo pkgid --locked --package "$name")
version=${version##*[#@]}
# 1.0.0-rc.1 comes before 1.0.0, which Debian writes with a tilde.
version=${version/-/\~}-$revision
architecture=$(dpkg --print-architecture)
day=$(date --date="@$SOURCE_DATE_EPOCH" --rfc-email)
maintainer="${DEBFULLNAME:-The Nightlatch authors} <${DEBEMAIL:-nightlatch@packages.invalid}>"

root=$work/root
doc=usr/share/doc/$name
put() { install -D --mode="$1" "$2" "$root/$3"; }
put_gz() { mkdir -p "$(dirname "$root/$2")" && gzip -9n <"$1" >"$root/$2" && chmod 0644 "$root/$2"; }

# The copyright file, and the changelogs of program and package.
put_doc() { # COPYRIGHT
    put 0644 "$1" "$doc/copyright"
    put_gz CHANGELOG.md "$doc/changelog.gz"
    cat >"$work/changelog" <<END
$name ($version) unstable; urgency=medium

  * What is new in the program is in changelog.gz.

 -- $maintainer  $day
END
    put_gz "$work/changelog" "$doc/changelog.Debian.gz"
}

# Builds the package of what was put, and prints its path. Standard input has the fields of DEBIAN/control that are this
# package's own. What is in $root/DEBIAN already stays.
build() {
    mkdir -p "$root/DEBIAN"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    local size
    size=$(find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ k += int(($1 + 1023) / 1024) } END { print k }')
    {
        cat <<END
Package: $name
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $((size + $(find "$root" -mindepth 1 -path "$root/DEBIAN" -prune -o -type d -print | wc -l)))
END
        cat
    } >"$root/DEBIAN/control"
    local package=$into/${name}_${version}_$architecture.deb
    # One format everywhere: Ubuntu's default is another, and threads change the bytes.
    DPKG_DEB_THREADS_MAX=1 dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
    printf '%s\n' "$package"
}
