// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Problem. Several copies of this file may be linked into one process: into the
 * program, into plug-ins opened with RTLD_LOCAL, as a shared library beside them.
 * Each has its own variables, none sees another's symbols, and the first to
 * start must be the only one.
 *
 * Observation. The dynamic linker lists all loaded objects with their program
 * headers, and an ELF note is part of those whatever happened to the symbols. So
 * a copy can be recognised from outside, without an export, an environment
 * variable, a file or a socket.
 *
 * Therefore each copy carries an allocated note that says where its state is,
 * relative to the note itself (which holds under ASLR and needs no relocation at
 * run time):
 *
 *	note, owner "libshrink", type 1 --- desc: offset ---> state: arbiter, holder
 *
 * Claiming:
 *	1. the first copy in the linker's list is the arbiter: its word is swapped
 *	   from 0 to the claimant's identity, the address of the claimant's state;
 *	2. a list may lose its first member (a plug-in closed), and with it the word
 *	   that said no; so the winner of 1 also looks whether another copy's holder
 *	   word is set, and steps back if so;
 *	3. the winner sets its own holder word.
 *
 * A forked child inherits both words with the memory, and the identity is an
 * address, so the same copy is the one there too. Namespaces of dlmopen() have
 * lists of their own and do not see each other.
 *
 * Note and state are a protocol between copies of different versions: neither
 * the layout nor the meaning of type 1 may ever change.
 */
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <libshrink/os/single.h>

#define NOTE_OWNER "libshrink"
#define NOTE_TYPE 1

struct single_state {
	_Atomic uintptr_t arbiter; /* identity of the copy that has the place, or 0 */
	_Atomic uintptr_t holder;  /* own identity while this copy has it */
};

/* Not static: the note below refers to it by name. */
extern struct single_state shrink_single_state;
__attribute__((used, visibility("hidden"))) struct single_state shrink_single_state;

/* Linkers keep note sections through --gc-sections, and what they refer to. */
__asm__(".pushsection .note.libshrink, \"a\", %note\n"
	"	.balign 4\n"
	"	.long 2f - 1f\n"
	"	.long 4f - 3f\n"
	"	.long 1\n"
	"1:	.asciz \"" NOTE_OWNER "\"\n"
	"2:	.balign 4\n"
	"3:	.long shrink_single_state - .\n"
	"4:	.balign 4\n"
	".popsection\n");

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/* The state that a note segment leads to, or NULL. */
static struct single_state *state_in(const char *note, size_t size, size_t align)
{
	align = align == 8 ? 8 : 4;
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *head = (const void *)note;
		const char *owner = note + sizeof(*head);
		const char *desc = note + round_up(sizeof(*head) + head->n_namesz, align);
		size_t all = round_up((size_t)(desc - note) + head->n_descsz, align);
		int32_t offset;

		if (head->n_type == NOTE_TYPE && head->n_namesz == sizeof(NOTE_OWNER) &&
		    head->n_descsz == sizeof(offset) && all <= size &&
		    !memcmp(owner, NOTE_OWNER, sizeof(NOTE_OWNER))) {
			memcpy(&offset, desc, sizeof(offset));
			return (struct single_state *)((uintptr_t)desc +
						       (uintptr_t)(intptr_t)offset);
		}
		if (all >= size)
			break;
		note += all;
		size -= all;
	}
	return NULL;
}

/* What a walk over all loaded objects looks for. */
struct survey {
	uintptr_t sought;           /* in: an identity */
	int forget;                 /* in: clear it from every arbiter word */
	struct single_state *first; /* out: the arbiter */
	int sought_lives;           /* out: a loaded copy has that identity */
	int other_holds;            /* out: a copy other than this one has the place */
};

static void look_at_state(struct survey *survey, struct single_state *state)
{
	uintptr_t was = survey->sought;

	if (!survey->first)
		survey->first = state;
	if ((uintptr_t)state == survey->sought)
		survey->sought_lives = 1;
	if (state != &shrink_single_state && atomic_load(&state->holder))
		survey->other_holds = 1;
	if (survey->forget)
		atomic_compare_exchange_strong(&state->arbiter, &was, 0);
}

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		struct single_state *state;

		if (ph->p_type != PT_NOTE)
			continue;
		state = state_in((const char *)(uintptr_t)(info->dlpi_addr + ph->p_vaddr),
				 ph->p_memsz, ph->p_align);
		if (state)
			look_at_state(arg, state);
	}
	return 0;
}

static struct survey look_around(uintptr_t sought, int forget)
{
	struct survey survey = {.sought = sought, .forget = forget};

	dl_iterate_phdr(look_at, &survey);
	/* A linker script that dropped the note: this copy can only see itself */
	if (!survey.first)
		look_at_state(&survey, &shrink_single_state);
	return survey;
}

/* Swaps the arbiter's word to @me: from 0, or from the identity of a copy that
 * was unloaded without giving the place up. */
static int take(uintptr_t me)
{
	struct single_state *first = look_around(me, 0).first;
	uintptr_t was = 0;

	if (atomic_compare_exchange_strong(&first->arbiter, &was, me) || was == me)
		return 0;
	if (!look_around(was, 0).sought_lives &&
	    atomic_compare_exchange_strong(&first->arbiter, &was, me))
		return 0;
	return -EEXIST;
}

int shrink_os_single_claim(void)
{
	uintptr_t me = (uintptr_t)&shrink_single_state;
	int r;

	if (atomic_load(&shrink_single_state.holder))
		return 0;
	r = take(me);
	if (r < 0)
		return r;
	if (look_around(me, 0).other_holds) {
		look_around(me, 1);
		return -EEXIST;
	}
	atomic_store(&shrink_single_state.holder, me);
	return 0;
}

void shrink_os_single_release(void)
{
	if (atomic_exchange(&shrink_single_state.holder, 0))
		look_around((uintptr_t)&shrink_single_state, 1);
}
