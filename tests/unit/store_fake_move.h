/* SPDX-License-Identifier: MIT */
/* The core that the store sees in its unit tests: a directory gets another name. Part of store_fake.h. */

int sfs_move_dir(struct sfs_obj *old, const char *name, void *priv)
{
	int err = sfs_add_dir(&fake_codelets, name, old->type, priv, old->uid, old->gid, old->mode);

	if (!err)
		sfs_remove_dir(old);
	return err;
}
