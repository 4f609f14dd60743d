package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// inMemory is what fileSystem returns for one that is on no disk.
const inMemory = "memory"

// fileSystems are the names of those that are often met, by the numbers that the kernel has for
// them. Two are no disk.
var fileSystems = map[int64]string{
	unix.TMPFS_MAGIC: inMemory, unix.RAMFS_MAGIC: inMemory,
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.NFS_SUPER_MAGIC: "NFS",
}

// fileSystem returns what kind of file system dir is on, inMemory if it is not on a disk.
func fileSystem(dir string) (string, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return "", fmt.Errorf("statfs %s: %w", dir, err)
	}
	if name, ok := fileSystems[int64(stat.Type)]; ok {
		return name, nil
	}
	return fmt.Sprintf("a file system of type %#x", stat.Type), nil
}
