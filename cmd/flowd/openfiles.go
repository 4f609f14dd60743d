package main

import (
	"log/slog"
	"syscall"
)

// filesBeside is how many files flowd may have open beside the connections of its clients: the log and the hours, who
// is turned away, and the admin listener.
const filesBeside = 256

// warnOpenFiles says so if the process may not have as many files open as max-connections needs. Beyond the limit no
// connection is accepted, and no file can be opened either. Go has raised the limit as far as it may by now.
func warnOpenFiles(logger *slog.Logger, maxConnections int) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		logger.Warn("the limit of open files cannot be read", "error", err)
		return
	}
	if need := uint64(maxConnections) + filesBeside; need > limit.Cur {
		logger.Warn("max-connections is above what the limit of open files allows: raise LimitNOFILE (ulimit -n), or lower max-connections",
			"max-connections", maxConnections, "files-beside", filesBeside, "open-files", limit.Cur)
	}
}
