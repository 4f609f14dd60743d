// Package wal is a write-ahead log: a record is on disk before Append returns, and a reader returns the
// records in the same order after a crash. Records are opaque bytes.
//
// A log is a folder of segments, files of one size that are prepared before they are needed. The records of
// one Append are a group: one frame, one write and, with Fsync, one sync. format.go describes the bytes,
// and reader.go the rules that distinguish a torn tail from damage.
package wal
