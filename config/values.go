package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
)

// Address is an address to listen on, as host:port.
type Address string

// UnmarshalText accepts host:port with a numeric port.
func (a *Address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:8080, [::1]:8080 or :8080, with a port from 0 to 65535", text)
	}
	*a = Address(text)
	return nil
}

// AdminAddress is the address of the admin listener: host:port, or AdminOff.
type AdminAddress string

// AdminOff disables the admin listener.
const AdminOff AdminAddress = "off"

// UnmarshalText accepts host:port with a numeric port, and off.
func (a *AdminAddress) UnmarshalText(text []byte) error {
	if AdminAddress(text) == AdminOff {
		*a = AdminOff
		return nil
	}
	var address Address
	if err := address.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w, nor off", err)
	}
	*a = AdminAddress(address)
	return nil
}

// Switch is on or off. As a flag it needs no value: --insecure is --insecure=true.
type Switch bool

// UnmarshalText accepts true and false.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true", "false":
		*s = string(text) == "true"
		return nil
	}
	return fmt.Errorf("%q is not true or false", text)
}

// Folder is the folder of the server's files. An empty one means that all data is in memory only.
type Folder string

// UnmarshalText accepts any path, and an empty text for no folder.
func (f *Folder) UnmarshalText(text []byte) error {
	if bytes.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("%q is not a folder: no path has a zero byte", text)
	}
	*f = Folder(text)
	return nil
}

// Durability is what an accepted batch survives. Its text is that of the header
// Flowd-Durability.
type Durability string

const (
	// DurabilityFsync answers once the batch is on disk: it survives a power cut.
	DurabilityFsync Durability = "fsync"
	// DurabilityInterval answers once the batch is written to the log, which is brought to disk
	// every sync-interval: it survives a crash of the server; a power cut may take the last
	// interval.
	DurabilityInterval Durability = "interval"
	// DurabilityNone writes no log: what is not yet in a checkpoint ends with the process.
	DurabilityNone Durability = "none"
)

// UnmarshalText accepts fsync, interval and none.
func (d *Durability) UnmarshalText(text []byte) error {
	switch Durability(text) {
	case DurabilityFsync, DurabilityInterval, DurabilityNone:
		*d = Durability(text)
		return nil
	}
	return fmt.Errorf("%q is not a durability: fsync, interval or none", text)
}

// Shards is a number of shards, a power of two. Zero means one per CPU, rounded up.
type Shards int

// UnmarshalText accepts zero and the powers of two.
func (s *Shards) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return errors.New(notA(string(text), "whole number"))
	}
	if n&(n-1) != 0 {
		return errors.New(notA(string(text), "power of two (0 is one per CPU)"))
	}
	*s = Shards(n)
	return nil
}

// LogLevel is the least level that is logged.
type LogLevel string

// UnmarshalText accepts debug, info, warn and error.
func (l *LogLevel) UnmarshalText(text []byte) error {
	switch string(text) {
	case "debug", "info", "warn", "error":
		*l = LogLevel(text)
		return nil
	}
	return fmt.Errorf("%q is not a level: debug, info, warn or error", text)
}

// Level returns l as a level of slog.
func (l LogLevel) Level() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l)) != nil {
		return slog.LevelInfo
	}
	return level
}

// ParquetFolder is how hours get into the folder that other programs read.
type ParquetFolder string

// The values of ParquetFolder.
const (
	ParquetLink ParquetFolder = "link"
	ParquetCopy ParquetFolder = "copy"
	ParquetOff  ParquetFolder = "off"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *ParquetFolder) UnmarshalText(text []byte) error {
	switch ParquetFolder(text) {
	case ParquetLink, ParquetCopy, ParquetOff:
		*f = ParquetFolder(text)
		return nil
	}
	return fmt.Errorf("%q is not link, copy or off", text)
}

// LogFormat is how log lines are written.
type LogFormat string

// LogText and LogJSON are the formats of log lines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText accepts text and json.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch LogFormat(text) {
	case LogText, LogJSON:
		*f = LogFormat(text)
		return nil
	}
	return fmt.Errorf("%q is not a format of log lines: text or json", text)
}

// Size is a number of bytes.
type Size int64

// units are ordered longest first, so that the "B" of "KiB" does not match as bytes.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText accepts a whole number of bytes, or of a unit: 4194304, 512KiB, 4 MiB, 4MB.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for _, u := range units {
		if cut, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSuffix(cut, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit {
		return errors.New(notA(string(text), "size"))
	}
	*s = Size(int64(n) * unit)
	return nil
}

// String writes s in the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range units[:4] {
		if s >= Size(u.bytes) && s%Size(u.bytes) == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// AutoSize is a Size that may be left to the server, which then computes it from the memory that it may
// have. In a checked Config it is always the value in force.
type AutoSize Size

// Auto is an AutoSize that is not computed yet.
const Auto AutoSize = 0

// UnmarshalText accepts what a Size accepts, and auto.
func (s *AutoSize) UnmarshalText(text []byte) error {
	if string(text) == autoText {
		*s = Auto
		return nil
	}
	if err := (*Size)(s).UnmarshalText(text); err != nil {
		return fmt.Errorf("%w, nor auto,", err)
	}
	return nil
}

// String writes s as a Size.
func (s AutoSize) String() string {
	if s == Auto {
		return autoText
	}
	return Size(s).String()
}

const autoText = "auto"

func notA(text, what string) string { return fmt.Sprintf("%q is not a %s", text, what) }
