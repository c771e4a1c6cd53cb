/* SPDX-License-Identifier: MIT */
/*
 * Words quoted as a shell would, where there is no shell: of command lines, and of values in a specification.
 *
 * Blanks and the ends of lines separate words; '...' is taken as it is; in "..." a backslash quotes \ " $ ` and
 * itself; outside of quotes it quotes any byte. No quote goes on in the next line. Nothing is expanded: $ ` * ? ~ #
 * ( ) { } are bytes like others. Pure functions; any thread.
 */
#ifndef ROCKER_WORDS_H
#define ROCKER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words_error {
	const char *at;   /* in the text */
	size_t len;       /* 0: something is missing there */
	const char *what; /* a sentence without a name; constant */
};

struct word_reader {
	const char *at, *end; /* what is left of the text */
	char *out; /* where the words go: each byte makes at most one, and each word has a NUL */
	/*
	 * Operators of a shell (| & ; < >) outside of quotes are bytes like others. Else they are refused: who writes
	 * them expects what does not happen here.
	 */
	bool no_operators;
	struct words_error err;
};

/* The next word of this line, without its NUL; at stands where one begins. False: it is refused, and err says why. */
bool rocker_word_read(struct word_reader *reader);

/*
 * A command line: writes its words one after the other to out, each ending in NUL; out has room for len + 1 bytes,
 * which is enough. Returns how many words, at most max; 0: there is none; -1: it is refused, and err_out says why.
 */
int rocker_words(const char *text, size_t len, unsigned max, char *out,
		 struct words_error *err_out);

#endif
