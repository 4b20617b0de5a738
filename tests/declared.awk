# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Reads a preprocessed C file (line markers kept) and prints the names of the functions
# and variables that files under -v root=FOLDER declare: "function NAME",
# "variable NAME".
/^# [0-9]+ "/ {
	file = $3
	gsub(/"/, "", file)
	own = index(file, root) == 1
	next
}
/^#/ { next }
own { text = text $0 " " }

# Attributes nest parentheses: cut them with their argument.
function cut_attributes(s,    i, depth, c, at)
{
	while ((at = match(s, /__attribute__ *\(/)) > 0) {
		depth = 0
		for (i = at; i <= length(s); i++) {
			c = substr(s, i, 1)
			if (c == "(")
				depth++
			if (c == ")" && --depth == 0)
				break
		}
		s = substr(s, 1, at - 1) " " substr(s, i + 1)
	}
	return s
}

function declaration(s,    open, head, n, words)
{
	s = cut_attributes(s)
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	if (s == "" || s ~ /^(typedef|static|_Static_assert)/ || s ~ /^(enum|struct)( [a-z_]+)?$/)
		return
	open = index(s, "(")
	head = open ? substr(s, 1, open - 1) : s
	gsub(/[^A-Za-z0-9_]+/, " ", head)
	n = split(head, words, " ")
	if (n > 1)
		print (open ? "function " : "variable ") words[n]
}

END {
	n = length(text)
	for (i = 1; i <= n; i++) {
		c = substr(text, i, 1)
		if (c == "{")
			depth++
		if (depth == 0 && c != ";")
			now = now c
		if (c == "}" && --depth == 0 && now ~ /\)[ \t]*$/)
			now = "" # the body of an inline function
		if (c == ";" && depth == 0) {
			declaration(now)
			now = ""
		}
	}
}
