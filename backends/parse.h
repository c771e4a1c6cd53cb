/* SPDX-License-Identifier: MIT */
/*
 * Strict words and numbers: what every backend reads out of a command.
 *
 * Pure functions of (text, length): text need not end in NUL unless it is said so, nothing is kept, any thread may call.
 * Nothing is skipped or guessed: no surrounding space, no sign on an unsigned number, no trailing
 * junk, no suffix.
 */
#ifndef PARSE_H
#define PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARSE_NAME_MAX 31 /* bytes of an identifier */

/* Decimal digits, or 0x and hexadecimal ones. 0, -EINVAL (not a number), -ERANGE (more than 64
 * bits). */
int parse_u64(const char *text, size_t len, uint64_t *out);
/* The same with an optional minus sign. */
int parse_i64(const char *text, size_t len, int64_t *out);
/*
 * Is it a whole number below zero, however large? parse_u64() calls it none; who asked for a number
 * from a range may rather say that it is outside.
 */
bool parse_is_below_zero(const char *text, size_t len);
/* Digits, optional fraction and exponent; finite. No hexadecimal, "inf" or "nan". At most 63 bytes.
 */
int parse_double(const char *text, size_t len, double *out);
/* 0, 1, false, true. */
int parse_bool(const char *text, size_t len, bool *out);

/* Is text a letter or '_' followed by letters, digits and '_', at most PARSE_NAME_MAX in all? */
bool parse_is_name(const char *text, size_t len);
bool parse_is_name_start(char c);
bool parse_is_name_char(char c);
bool parse_is_space(char c); /* blank, tab, newline, carriage return */

/* Is text exactly literal? */
bool parse_equal(const char *text, size_t len, const char *literal);
/* The index of text in a list that ends with NULL, or -1. */
int parse_choice(const char *text, size_t len, const char *const *list);

/*
 * Length of the character of UTF-8 that text begins with, which is no control character but a tab or
 * a newline; 0: there is none. left > 0.
 */
size_t parse_character(const char *text, size_t left);

/* Moves both ends inwards over space. */
void parse_trim(const char **text, size_t *len);

/*
 * Takes the next line off *text, which does end in NUL, if the line begins with key and ends in a newline: what follows the
 * key, ending in NUL now, or NULL with nothing taken.
 */
const char *parse_keyed_line(char **text, const char *key);

/*
 * Takes the next word off [*text, end): the bytes up to the next one in separators, after those
 * that lead. Returns its length and sets *word; 0: there is none.
 */
size_t parse_word(const char **text, const char *end, const char *separators, const char **word);

/*
 * Takes the next item off a list separated by commas that stand outside of parentheses; the item is
 * trimmed and may be empty. Returns false at the end. *text is NULL once the last item has been
 * taken.
 */
bool parse_item(const char **text, const char *end, const char **item, size_t *len);

#endif
