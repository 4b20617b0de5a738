# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The kernel's trace of mm_shrink_slab_start and _end, into one line for each cache of
# tests/guest/seeks and one for the dentries:
#
#	SEEKS SLICES FORMULA SCANNED FREED
#
# FORMULA are the objects that the formula has scanned, batch by batch, with the cache's
# seeks, reckoned here from what the kernel counted and had put off; SCANNED those that the
# kernel says it has; FREED what its shrinker said (of user caches: what results had told
# by then). A slice with another delta than the formula's is printed as "bad".
#
# The dentries are of kernfs, which says that they cost nothing to make: seeks 0, half of
# them at any priority.
function field(name,	at, rest)
{
	at = index($0, name " ")
	if (!at)
		return ""
	rest = substr($0, at + length(name) + 1)
	sub(/[^-0-9].*/, "", rest)
	return rest + 0
}

function shifted(n, p)
{
	while (p-- > 0)
		n = int(n / 2)
	return n
}

# How much of @total is scanned in batches of @batch, of @f there are.
function batches(total, f, batch,	n, done)
{
	for (done = 0; total >= batch || total >= f; done += n) {
		n = total < batch ? total : batch
		total -= n
		if (!n)
			break
	}
	return done
}

# The pointer; what is before it names the function that scans.
{
	for (i = 1; i < NF && $(i + 1) != "nid:"; i++)
		;
	who = $i
	sub(/:$/, "", who)
}

/mm_shrink_slab_start:/ {
	f = field("cache items")
	if (!(who in seeks)) {
		if ($0 ~ /super_cache_scan/)
			seeks[who] = "dentries"
		else if ($0 ~ /shrink_bridge/ && f > size && f <= size + 8)
			seeks[who] = f - size
		else
			next
	}
	s = seeks[who] == "dentries" ? 0 : seeks[who]
	batch = seeks[who] == "dentries" ? 1024 : 128
	p = field("priority")
	nr = field("objects to shrink")
	delta = s ? int(shifted(f, p) * 4 / s) : int(f / 2)
	total = shifted(nr, p) + delta
	if (total > 2 * f)
		total = 2 * f
	if (delta != field("delta") || total != field("total_scan"))
		print "bad", $0
	key = seeks[who]
	slices[key]++
	formula[key] += batches(total, f, batch)
	begun[who] = total
	next
}

/mm_shrink_slab_end:/ && who in begun {
	key = seeks[who]
	scanned[key] += begun[who] - field("total_scan")
	freed[key] += field("return val")
	delete begun[who]
}

END {
	for (key in slices)
		print key, slices[key], formula[key], scanned[key] + 0, freed[key] + 0
}
