/* SPDX-License-Identifier: MIT */
/*
 * The words of a command line, quoted as a shell would, where there is no shell.
 *
 * Pure functions of (text, length); any thread. Blanks separate words; '...' is taken as it is; in "..." a
 * backslash quotes \ " $ ` and itself; outside of quotes it quotes any byte. Nothing is expanded: $ ` * ? ~ #
 * ( ) { } are bytes like others. Operators of a shell (| & ; < >) outside of quotes, and line ends, are refused: who
 * writes them expects what does not happen here.
 */
#ifndef ROCKER_WORDS_H
#define ROCKER_WORDS_H

#include <stddef.h>

struct words_error {
	size_t at, len;   /* where in the text; len 0: something is missing there */
	const char *what; /* a sentence without a name; constant */
};

/*
 * Writes the words one after the other to out, each ending in NUL; out has room for len + 1 bytes, which is
 * enough. Returns how many words, at most max; 0: there is none; -1: it is refused, and err_out says why.
 */
int rocker_words(const char *text, size_t len, unsigned max, char *out,
		 struct words_error *err_out);

/*
 * The opposite: word (of len bytes) so that rocker_words() makes it of that again; at most 4 * len + 2 bytes
 * go to out, without a NUL. Returns how many.
 */
size_t rocker_quote(const char *word, size_t len, char *out);

#endif
