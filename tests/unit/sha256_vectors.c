/* SPDX-License-Identifier: MIT */
/* SHA-256 against the vectors of FIPS 180-4, and its two implementations against each other. */
/* single-threaded */
#include "sha256.h"

#include <stdlib.h>

#include "check.h"

static const struct {
	const char *text, *hex;
} vectors[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
	{ NULL, NULL },
};

static void check_vectors(void)
{
	unsigned char hash[SHA256_BYTES];
	char hex[SHA256_HEX + 1];

	for (int i = 0; vectors[i].text; i++) {
		sha256_of(vectors[i].text, strlen(vectors[i].text), hash);
		sha256_hex(hash, hex);
		CHECK_STR(hex, vectors[i].hex);
	}
}

static void portable_gives_the_vectors(void)
{
	sha256_accelerate(0);
	check_vectors();
	sha256_accelerate(1);
}

static void accelerated_gives_the_vectors(void)
{
	sha256_accelerate(1);
	check_vectors();
}

static void a_million_in_uneven_pieces(void)
{
	char *bytes = malloc(1000000), hex[SHA256_HEX + 1];
	unsigned char hash[SHA256_BYTES];
	struct sha256 state;

	REQUIRE(bytes);
	memset(bytes, 'a', 1000000);
	sha256_init(&state);
	for (size_t done = 0, piece = 1; done < 1000000; done += piece, piece = piece * 7 % 1021 + 1) {
		if (piece > 1000000 - done)
			piece = 1000000 - done;
		sha256_add(&state, bytes + done, piece);
	}
	sha256_end(&state, hash);
	sha256_hex(hash, hex);
	CHECK_STR(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(bytes);
}

static void both_agree_on_every_length(void)
{
	unsigned char bytes[400], fast[SHA256_BYTES], slow[SHA256_BYTES];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		sha256_accelerate(1);
		sha256_of(bytes, n, fast);
		sha256_accelerate(0);
		sha256_of(bytes, n, slow);
		CHECK_MEM(fast, slow, sizeof(fast));
	}
	sha256_accelerate(1);
}

static void hexadecimal_is_strict(void)
{
	unsigned char hash[SHA256_BYTES], back[SHA256_BYTES];
	char hex[SHA256_HEX + 1];

	sha256_of("x", 1, hash);
	sha256_hex(hash, hex);
	CHECK_INT(sha256_parse(hex, 64, back), 0);
	CHECK_MEM(hash, back, sizeof(hash));
	CHECK_INT(sha256_parse(hex, 63, back), -1);
	hex[63] = 'g';
	CHECK_INT(sha256_parse(hex, 64, back), -1);
}

int main(void)
{
	RUN(portable_gives_the_vectors);
	RUN(accelerated_gives_the_vectors);
	RUN(a_million_in_uneven_pieces);
	RUN(both_agree_on_every_length);
	RUN(hexadecimal_is_strict);
	return check_done();
}
