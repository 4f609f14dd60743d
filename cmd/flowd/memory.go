package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"flowd/config"
)

// memoryLimit is the memory that this process may have, and what bounds it.
type memoryLimit struct {
	config.Memory
	// environment says that GOMEMLIMIT is given, which Go has taken already.
	environment bool
	// warnings are for the log.
	warnings []string
}

// goShare of a limit is left to Go. The rest is for the memory that the kernel counts beside: sockets, pages of the
// program and of files being written.
const goShare = 0.9

// findMemory finds the bounds of this process's memory: GOMEMLIMIT, the limit of its cgroup, v1 or v2, or
// that the machine has no more. Of the first two it is the lesser.
func findMemory(environ []string) memoryLimit {
	cgroup, err := memlimit.FromCgroup()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
		err = nil
	case err != nil:
		err = fmt.Errorf("the memory limit of the cgroup cannot be read: give GOMEMLIMIT instead: %w", err)
	}
	machine, unknown := memlimit.FromSystem()
	if unknown != nil {
		machine = 0
	}
	var given int64
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, "GOMEMLIMIT="); ok && value != "" {
			given = debug.SetMemoryLimit(-1)
		}
	}
	m := chooseMemory(given, cgroup, machine)
	if err != nil {
		m.warnings = append(m.warnings, err.Error())
	}
	return m
}

// chooseMemory makes a limit of GOMEMLIMIT, which is MaxInt64 if it is off, and those of the cgroup and of the
// machine; each is 0 if absent.
func chooseMemory(given int64, cgroup, machine uint64) memoryLimit {
	m := memoryLimit{environment: given > 0}
	switch {
	case cgroup > 0 && (machine == 0 || cgroup <= machine):
		m.Bytes = share(cgroup)
		m.Source = fmt.Sprintf("nine tenths of the cgroup's limit of %s", size(cgroup))
	case machine > 0:
		m.Bytes, m.Shared = share(machine), true
		m.Source = fmt.Sprintf("nine tenths of the machine's memory of %s", size(machine))
	}
	if given > 0 && given < math.MaxInt64 {
		if !m.Shared && m.Bytes > 0 && uint64(given) > cgroup {
			m.warnings = append(m.warnings, fmt.Sprintf("GOMEMLIMIT is %s, more than the cgroup's limit of %s, at which the kernel ends the process: lower it, or leave it out",
				config.Size(given), size(cgroup)))
			return m
		}
		m.Bytes, m.Source, m.Shared = given, "GOMEMLIMIT", false
	}
	return m
}

func share(limit uint64) int64 { return int64(goShare * float64(min(limit, math.MaxInt64/2))) }

func size(bytes uint64) config.Size { return config.Size(min(bytes, math.MaxInt64)) }

// apply has Go keep to the limit, unless GOMEMLIMIT is given, and says what the limit is and what was made of it.
func (m *memoryLimit) apply(c *config.Config, logger *slog.Logger) {
	for _, warning := range m.warnings {
		logger.Warn(warning)
	}
	if m.Bytes > 0 && !m.environment {
		debug.SetMemoryLimit(m.Bytes)
	}
	if m.Bytes > 0 && int64(c.MemoryBudget)+int64(c.MaxInflightBytes) > m.Bytes {
		logger.Warn("memory-budget and max-inflight-bytes together are more than the memory that flowd may have: batches will be refused for want of it",
			"memory_budget", c.MemoryBudget.String(), "max_inflight_bytes", c.MaxInflightBytes.String(), "limit", m.String())
	}
	logger.Info("memory", "limit", m.String(), "memory_budget", c.MemoryBudget.String(),
		"max_inflight_bytes", c.MaxInflightBytes.String(), "processors", runtime.GOMAXPROCS(0))
}
