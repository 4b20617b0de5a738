#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The manual: free of lint, no reference to a page that is not there, every key of
# the configuration described.
. "$(dirname "$0")/tap.sh"
make_tmp
pages=$top_srcdir/docs/man
mkdir "$tmp/man"
cp "$pages"/*.[0-9] "$top_builddir"/docs/man/libshrink.conf.5 "$tmp/man"
chmod -R u+w "$tmp/man"

# Pages of their own, not those that only point to one.
real_pages()
{
	grep -L '^\.so ' "$1"/*.[0-9]
}

lint_findings()
{
	real_pages "$1" | while read -r page; do
		# References are looked at below: the system does not know our pages yet
		mandoc -T lint -W style "$page" 2>/dev/null | grep -v 'referenced manual not found'
	done
}

# References to pages of ours by name that are not in the folder.
reference_findings()
{
	real_pages "$1" | while read -r page; do
		sed -n 's/^\.Xr \(lib\)\?\(shrink[a-z0-9_.]*\) \([0-9]\).*/\1\2.\3/p' "$page" |
			while read -r target; do
				[ -f "$1/$target" ] || echo "$(basename "$page"): $target"
			done
	done
}

if command -v mandoc >/dev/null; then
	none "pages are free of lint" "$(lint_findings "$tmp/man")"
else
	skip "pages are free of lint" "no mandoc"
fi
none "references lead somewhere" "$(reference_findings "$tmp/man")"

missing_keys()
{
	for key in $("$top_builddir/tests/conf-show" keys); do
		grep -q "^\.It Cm $key Ns" "$1" || echo "$key"
	done
}
none "every key is described" "$(missing_keys "$tmp/man/libshrink.conf.5")"

mkdir "$tmp/twin"
printf '.Dd today\n.Dt X 3\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Xr shrink_nothing 3\n' >"$tmp/twin/x.3"
if command -v mandoc >/dev/null; then
	some "broken twin: lint" "$(lint_findings "$tmp/twin")"
fi
same "broken twin: a reference to nothing" "$(reference_findings "$tmp/twin")" \
	"x.3: shrink_nothing.3"
grep -v '^\.It Cm log ' "$tmp/man/libshrink.conf.5" >"$tmp/twin/conf.5"
same "broken twin: a key is not described" "$(missing_keys "$tmp/twin/conf.5")" log
done_testing
