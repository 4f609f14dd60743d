package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"flowd/access"
	"flowd/disk"
)

// addToken adds the entry of token to the tokens file at path, or leaves the file as it was. The file is
// replaced by rename, so that a server never reads half of it.
func addToken(path, token string, grant *access.Grant) error {
	target, err := filepath.EvalSymlinks(path) // what a link points to is replaced, not the link
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil
	}
	if err != nil {
		return err
	}
	// Its name is the lock: who comes second would else take the entry of the first out again.
	next, err := os.OpenFile(target+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s.new is there: another flowd token is at work, or one was interrupted; then remove it", target)
	}
	if err != nil {
		return err
	}
	err = errors.Join(fillTokens(next, path, target, token, grant), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	if err := disk.OS.SyncDir(filepath.Dir(target)); err != nil {
		return fmt.Errorf("%s has an entry for it all the same, and may not keep it over a power cut: %w", path, err)
	}
	return nil
}

// fillTokens writes what is in the tokens file target, and the entry of token, to next. path is what the file
// is called in errors.
func fillTokens(next *os.File, path, target, token string, grant *access.Grant) error {
	before, err := readTokens(target, next)
	if err != nil {
		return err
	}
	after, err := access.Append(path, before, token, grant)
	if err != nil {
		return err
	}
	if _, err := next.Write(after); err != nil {
		return err
	}
	return next.Sync()
}

// readTokens returns the content of the tokens file at path, nothing if the file is absent, and gives next, which is to
// take its place, its mode and owner.
func readTokens(path string, next *os.File) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if err := next.Chmod(info.Mode().Perm()); err != nil {
		return nil, err
	}
	mine, err := next.Stat()
	if err != nil {
		return nil, err
	}
	was, is := info.Sys().(*syscall.Stat_t), mine.Sys().(*syscall.Stat_t)
	if was.Uid != is.Uid || was.Gid != is.Gid {
		if err := next.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return nil, fmt.Errorf("%s is of another user, who would not own the new one: %w", path, err)
		}
	}
	return io.ReadAll(io.LimitReader(file, access.MaxFile+1)) // one byte more is refused as too long
}
