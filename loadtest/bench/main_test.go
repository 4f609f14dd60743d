package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// harnessMode makes the test binary a harness that starts a ceiling, says where, and waits to
// be killed.
const harnessMode = "harness"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == ceilingMode:
		os.Exit(serveCeiling(os.Args[2], os.Stderr))
	case len(os.Args) == 2 && os.Args[1] == harnessMode:
		os.Exit(beHarness())
	}
	goleak.VerifyTestMain(m)
}

func beHarness() int {
	runtime.LockOSThread()
	var b bench
	s, err := b.startCeiling(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.url)
	select {}
}
