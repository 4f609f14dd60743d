// Package wal is the log: what was appended to it is on disk before Append returns, and comes
// back in the same order after a crash. It takes bytes and gives bytes, and knows nothing of what
// they mean.
//
// A log is a folder of segments, files of one size that are made before they are needed. What is
// appended at once is one group: one frame, one write and, with Fsync, one sync. format.go draws
// the bytes, reader.go has the rules by which a torn tail is told from damage.
package wal
